"""Exact counting: what raw samples of cumulative counters say about how many events came between them.

``count`` is a pure function. Its promises, for counters that only grow while a process lives:

- the amounts add up to the number of events between the first scrape of a process and its last, whatever
  scrapes fail in between: what a missed scrape would have shown is in the next one;
- a process that began under our eyes is counted from its zero, one that was there before from its first
  sample;
- a sample is counted once, however often it is handed in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

__all__ = ["Increment", "Memory", "Point", "Scrape", "TargetMemory", "count", "forget_before"]

_CLOCK_SKEW_SECONDS: Final = 5.0
"""How far a target's clock (process start) may lag behind that of the scraper (timestamps)."""
_START_JITTER_SECONDS: Final = 0.2
"""Start times are computed from the boot time, and may wander without any restart."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one successful scrape of one target brought; all of it carries one timestamp."""

    target: str
    at: float
    values: Mapping[str, float]
    """Cumulative counts by series; empty when the target was up but had none of the series."""
    started_at: float | None = None
    """When the target's process started, Unix seconds; None when that is not known."""


@dataclass(frozen=True, slots=True)
class Increment:
    """How much a series grew until ``at``. Negative where a duplicated store showed an older value."""

    series: str
    at: float
    amount: float


@dataclass(frozen=True, slots=True)
class Point:
    """The last sample that was counted of a series."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class TargetMemory:
    """What must be remembered of one scraped process."""

    since: float
    """Its first scrape: what comes later with an older timestamp is of another life."""
    at: float
    """Its last scrape."""
    started_at: float | None = None
    last: Mapping[str, Point] = field(default_factory=dict)


Memory = Mapping[str, TargetMemory]
"""By target."""


def count(
    memory: Memory, scrapes: Iterable[Scrape], grace_seconds: float
) -> tuple[Memory, tuple[Increment, ...]]:
    """Difference ``scrapes``, in any order and with any repeats, against ``memory``.

    A target that was never seen counts from zero when its process is at most ``grace_seconds`` old, else
    from its first sample.
    """
    by_target: dict[str, list[Scrape]] = {}
    for scrape in scrapes:
        by_target.setdefault(scrape.target, []).append(scrape)
    updated = dict(memory)
    increments: list[Increment] = []
    for target, its_scrapes in by_target.items():
        known = updated.get(target)
        for scrape in sorted(its_scrapes, key=lambda each: each.at):
            if known is None:
                known, grown = _first_sight(scrape, grace_seconds)
            else:
                known, grown = _next_sight(known, scrape)
            increments += grown
        if known is not None:
            updated[target] = known
    increments.sort(key=lambda each: each.at)
    return updated, tuple(increments)


def forget_before(memory: Memory, horizon: float) -> Memory:
    """Memory without the targets and series that have not been seen since ``horizon``."""
    if all(
        target.at >= horizon and all(point.at >= horizon for point in target.last.values())
        for target in memory.values()
    ):
        return memory
    return {
        name: replace(target, last={key: point for key, point in target.last.items() if point.at >= horizon})
        for name, target in memory.items()
        if target.at >= horizon
    }


def _first_sight(scrape: Scrape, grace_seconds: float) -> tuple[TargetMemory, list[Increment]]:
    is_young = scrape.started_at is not None and scrape.at - scrape.started_at <= grace_seconds
    return _begin_life(scrape), _from_zero(scrape) if is_young else []


def _next_sight(known: TargetMemory, scrape: Scrape) -> tuple[TargetMemory, list[Increment]]:
    if scrape.at < known.since:
        return known, []
    fresh = {
        series: value
        for series, value in scrape.values.items()
        if series not in known.last or known.last[series].at < scrape.at
    }
    if not fresh and scrape.at <= known.at:
        return known, []
    if scrape.at > known.at and _is_new_process(known, scrape):
        return _begin_life(scrape), _from_zero(scrape)
    is_same_for_sure = known.started_at is not None and scrape.started_at is not None
    grown = [
        Increment(series, scrape.at, _growth(known.last.get(series), value, is_same_for_sure))
        for series, value in fresh.items()
    ]
    points = {series: Point(scrape.at, value) for series, value in fresh.items()}
    return TargetMemory(
        since=known.since,
        at=max(known.at, scrape.at),
        started_at=known.started_at if scrape.started_at is None else scrape.started_at,
        last={**known.last, **points},
    ), grown


def _is_new_process(known: TargetMemory, scrape: Scrape) -> bool:
    """Whether the target restarted since its last scrape. A wrong yes would count everything again."""
    if scrape.started_at is not None and known.started_at is not None:
        return (
            scrape.started_at - known.started_at > _START_JITTER_SECONDS
            and scrape.started_at > known.at - _CLOCK_SKEW_SECONDS
        )
    if scrape.started_at is not None and scrape.started_at > known.at:
        return True
    # No start time: a restart is seen in values that fell. A proxy may also drop single idle series and begin
    # them again; so the process counts as new only when most of what it had counted fell.
    fell = stood = 0.0
    for series, value in scrape.values.items():
        last = known.last.get(series)
        if last is None:
            continue
        if value < last.value:
            fell += last.value
        else:
            stood += last.value
    return fell > 0 and fell >= stood


def _growth(last: Point | None, value: float, is_same_for_sure: bool) -> float:
    if last is None:
        return value
    if value >= last.value:
        return value - last.value
    # The same process and a little less: a store that merges two scrapers showed the later one's value first.
    # Much less: the proxy dropped the idle series and began it again.
    is_dip = is_same_for_sure and value * 2 >= last.value
    return value - last.value if is_dip else value


def _begin_life(scrape: Scrape) -> TargetMemory:
    return TargetMemory(
        since=scrape.at,
        at=scrape.at,
        started_at=scrape.started_at,
        last={series: Point(scrape.at, value) for series, value in scrape.values.items()},
    )


def _from_zero(scrape: Scrape) -> list[Increment]:
    return [Increment(series, scrape.at, value) for series, value in scrape.values.items()]

"""Scrapes: the raw series of one release, sorted into what each scrape of each target brought.

Pure. A histogram's buckets count only where all that are needed of them were seen, because a bound's bucket
that comes later than the total (a sharded remote write) would make every request look slow. A sample that is
no count (NaN, infinite, negative) is left out, as if its scrape had failed, and reported.

Nothing waits for a bucket at a further edge. Each becomes two series of counts, of the requests within it and
of those slower than it, by the scrapes that have what both take: a bucket that comes late is counted late.

One scrape may bring the counts of two processes, a proxy's and an application's (Istio merges their metrics).
They restart apart, so each has a life of its own.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from canary.app.attribution import SIDE, Share, Side, Slot, further_edges, judges, latency_bounds, shares
from canary.app.ports import MetricTarget, Sample, Series
from canary.domain.counting import Scrape
from canary.domain.istio_metrics import (
    AGENT_START,
    BUCKETS,
    PROCESS_START,
    REQUESTS,
    UP,
    Labels,
    bucket_edge,
    scrape_target,
    series_key,
)

__all__ = ["Life", "SortedScrapes", "read_lives", "sort_scrapes"]

_APPLICATION: Final = "\x1fapplication"
"""Ends the name of a process that is not a proxy."""


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of one process, by the time of the scrape."""

    up_at: Collection[float] = ()
    started_at: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SortedScrapes:
    """The scrapes of one release's series, and what was odd about them."""

    scrapes: tuple[Scrape, ...]
    shares: Mapping[str, Sequence[Share]]
    """By series key: what its increments add to."""
    missing_bounds: frozenset[float]
    """Latency bounds (ms) that are no edge of some histogram that judges."""
    missing_edges: frozenset[float]
    """The same of the edges that are wanted besides these."""
    has_histograms: bool
    """Whether any bucket of these was sampled."""
    requests_at: frozenset[float]
    """When proxies were scraped that had requests or buckets of the target."""
    heard: frozenset[Slot]
    """Of what something was sampled that counts its requests."""
    interval_seconds: float | None
    """The shortest time between two scrapes of one proxy; None when there were no two."""
    application_interval_seconds: float | None
    """The same of the applications."""
    not_a_number: str | None
    """The first sample that is no count, in words."""


def read_lives(series: Iterable[Series]) -> dict[str, Life]:
    """By process: when its target was up, and when it started itself."""
    up: dict[str, set[float]] = {}
    starts: dict[str, dict[str, dict[float, float]]] = {}
    for each in series:
        name, target = each.labels.get("__name__", ""), scrape_target(each.labels)
        if name == UP:
            up.setdefault(target, set()).update(sample.at for sample in each.samples if sample.value == 1)
        elif name in (AGENT_START, PROCESS_START):
            known = starts.setdefault(target, {}).setdefault(name, {})
            known.update({sample.at: sample.value for sample in each.samples if _is_count(sample)})
    lives = {}
    for target in up.keys() | starts.keys():
        by_name, up_at = starts.get(target, {}), frozenset(up.get(target, ()))
        application = by_name.get(PROCESS_START) or {}
        lives[target] = Life(up_at, by_name.get(AGENT_START) or application)
        lives[target + _APPLICATION] = Life(up_at, application)
    return lives


def sort_scrapes(
    series: Sequence[Series], lives: Mapping[str, Life], target: MetricTarget, after: float, until: float
) -> SortedScrapes:
    """Sort what was sampled in (after, until]; ``series`` are those in the target's places."""
    values: dict[tuple[str, float], dict[str, float]] = {}
    shares_by_key: dict[str, Sequence[Share]] = {}
    heard: set[Slot] = set()
    judged_at: set[tuple[str, float]] = set()
    odd: str | None = None
    counted, missing, missing_edges = _with_whole_histograms(series, target)
    for each in counted:
        parts = shares(each.labels, target)
        if not parts:
            continue
        key, process = series_key(each.labels), _process(each.labels)
        shares_by_key[key] = parts
        for sample in (sample for sample in each.samples if after < sample.at <= until):
            if not _is_count(sample):
                odd = odd or f"{each.labels.get('__name__')} is {sample.value} at {sample.at:.3f}"
                continue
            values.setdefault((process, sample.at), {})[key] = sample.value
            if judges(each.labels, target):
                judged_at.add((process, sample.at))
            heard.update(part.slot for part in parts if part.requests > 0)
    proxies = {(process, at) for process, at in judged_at if not _is_application(process)}
    for process in {process for process, _ in values}:
        for at in lives.get(process, Life()).up_at:
            if after < at <= until:
                values.setdefault((process, at), {})
    return SortedScrapes(
        scrapes=tuple(
            Scrape(process, at, found, lives.get(process, Life()).started_at.get(at))
            for (process, at), found in values.items()
        ),
        shares=shares_by_key,
        missing_bounds=missing,
        missing_edges=missing_edges,
        has_histograms=any(
            each.labels.get("__name__") == BUCKETS and each.samples and judges(each.labels, target)
            for each in series
        ),
        requests_at=frozenset(at for _, at in proxies),
        heard=frozenset(heard),
        interval_seconds=_shortest_gap(proxies),
        application_interval_seconds=_shortest_gap(each for each in values if _is_application(each[0])),
        not_a_number=odd,
    )


def _process(labels: Labels) -> str:
    """What counts a series and loses its counts when it restarts."""
    target = scrape_target(labels)
    return target if labels.get("__name__") in (REQUESTS, BUCKETS) else target + _APPLICATION


def _is_application(process: str) -> bool:
    return process.endswith(_APPLICATION)


def _is_count(sample: Sample) -> bool:
    return math.isfinite(sample.value) and sample.value >= 0


def _with_whole_histograms(
    series: Sequence[Series], target: MetricTarget
) -> tuple[list[Series], frozenset[float], frozenset[float]]:
    """The series, the buckets of each histogram cut to the scrapes that have all of them; what is missing.

    Missing are bounds, and further edges, that some histogram which judges does not have.
    """
    bounds, edges = latency_bounds(target), further_edges(target)
    histograms: dict[str, dict[float, Series]] = {}
    kept: list[Series] = []
    for each in series:
        if each.labels.get("__name__") != BUCKETS:
            kept.append(each)
            continue
        edge = bucket_edge(each.labels)
        if edge is not None and each.samples:
            histogram = series_key({name: value for name, value in each.labels.items() if name != "le"})
            histograms.setdefault(histogram, {})[edge] = each
    missing: set[float] = set()
    missing_edges: set[float] = set()
    for by_edge in histograms.values():
        absent, some = bounds - by_edge.keys(), next(iter(by_edge.values()))
        is_judging = judges(some.labels, target)
        if absent and not is_judging:
            # Of how bad requests come, what can be known is learned.
            continue
        missing |= absent
        missing_edges |= edges - by_edge.keys() if is_judging else set()
        needed = [by_edge[edge] for edge in (*sorted(bounds), math.inf) if edge in by_edge]
        if math.inf not in by_edge:
            continue
        whole = frozenset.intersection(*(frozenset(sample.at for sample in each.samples) for each in needed))
        kept += (
            Series(each.labels, tuple(sample for sample in each.samples if sample.at in whole))
            for each in needed
        )
        for edge in sorted(edges & by_edge.keys()):
            kept += _divided(by_edge[edge], by_edge[math.inf])
    return kept, frozenset(missing), frozenset(missing_edges)


def _divided(bucket: Series, total: Series) -> Iterable[Series]:
    """The counts of a histogram on both sides of a bucket's edge; where it makes no sense there is none."""
    totals = {sample.at: sample.value for sample in total.samples if _is_count(sample)}
    within = [
        sample
        for sample in bucket.samples
        if _is_count(sample) and sample.value <= totals.get(sample.at, -math.inf)
    ]
    slower = (Sample(sample.at, totals[sample.at] - sample.value) for sample in within)
    return (
        Series({**bucket.labels, SIDE: Side.WITHIN}, tuple(within)),
        Series({**bucket.labels, SIDE: Side.SLOWER}, tuple(slower)),
    )


def _shortest_gap(scraped: Iterable[tuple[str, float]]) -> float | None:
    times: dict[str, list[float]] = {}
    for process, at in scraped:
        times.setdefault(process, []).append(at)
    gaps = (
        later - earlier
        for its_times in times.values()
        for earlier, later in pairwise(sorted(its_times))
        if later > earlier
    )
    return min(gaps, default=None)

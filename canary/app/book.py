"""The book of one release: its windows so far, and what must be remembered to count the next.

``Book`` is a frozen value and ``record`` a pure function: a look that fails or is overtaken leaves no trace.
Promises:

- windows follow each other without gap or overlap, on the release's grid, and never change once written;
- a window in which no requests were scraped is not written as zero: it is passed over, which shows in the
  length of the next window, which carries what happened since;
- increments belong to the window that holds their sample, or, when that is written already, to the next one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from canary.app import gauges
from canary.app.attribution import Arm, Slot, sought
from canary.app.ports import Measurements, MetricTarget, Series
from canary.app.scrapes import Life, SortedScrapes, sort_scrapes
from canary.app.tally import Sum, Tally, added, settle, with_increment
from canary.domain.counting import Increment, Memory, count, forget_before
from canary.domain.edges import edges_beside, name_at, names_beside
from canary.domain.istio_metrics import BUCKETS, NATIVE, REQUESTS
from canary.domain.measurement import Measurement, NoData, NoDataReason, Window, grid_floor
from canary.domain.plan import Objective, ObjectiveKind

__all__ = [
    "Book",
    "Timing",
    "acknowledged",
    "due_end",
    "fits",
    "history_of",
    "needed_from",
    "open_book",
    "record",
    "with_edges",
    "with_native",
]

HISTORY_SECONDS: Final = 3600.0
HISTORY_SCRAPES: Final = 720
"""So much of what was before a release is looked at, and at most so many scrapes: the answer stays small."""
HISTORY_WINDOW_SECONDS: Final = 10.0
_TIMESTAMP_SLACK: Final = 1e-6
"""Samples have whole milliseconds; grid points are computed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How far back and how much is looked at; all in seconds but the last."""

    lag_seconds: float = 2.0
    """A window is looked at this long after its end. What comes later still counts, in the next window."""
    overlap_seconds: float = 20.0
    """Samples may come this much late and be counted."""
    lookback_seconds: float = 300.0
    """How far before the first window a release's memory is filled, and the age up to which an unknown
    process counts from zero: as these are one, a restarted controller counts as the one before it."""
    catch_up_seconds: float = 600.0
    """At most this much of missed time is made up for in one look."""
    memory_seconds: float = 3600.0
    """A target that has not been scraped for this long is forgotten."""
    max_windows: int = 600
    """A release whose windows nobody takes is not measured beyond these."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap_seconds <= self.lookback_seconds <= self.memory_seconds:
            raise ValueError("0 <= overlap <= lookback <= memory must hold (seconds)")


@dataclass(frozen=True, slots=True)
class Book:
    """What the collector knows of one release."""

    target: MetricTarget
    written_until: float
    """End of the last window written."""
    seen_until: float
    """Samples up to here have been looked at, but for late ones."""
    is_primed: bool = False
    """Memory reaches back before the first window."""
    memory: Memory = field(default_factory=dict)
    carry: Tally = field(default_factory=dict)
    tracks: gauges.Tracks = field(default_factory=dict)
    interval_seconds: float = 0.0
    """The proxies' scrape interval as seen in their samples; 0 while unknown."""
    application_interval_seconds: float = 0.0
    """The same of the applications."""
    windows: tuple[Measurement, ...] = ()
    missing_bounds: frozenset[float] = frozenset()
    edges: tuple[float, ...] | None = None
    """The bucket edges there are (ms); None until they had to be asked for."""
    lacks_histogram: bool = False
    """Requests are scraped, and no bucket, though an objective needs some."""
    is_native: bool | None = None
    """Whether there is a native histogram instead; None until that had to be asked for."""
    no_data: NoData | None = None
    queries: Mapping[str, str] = field(default_factory=dict)
    history: tuple[Measurement, ...] | None = None
    """What was measured before the release; None until it was asked for."""

    def measurements(self, evaluated_until: float) -> Measurements:
        """The windows from ``evaluated_until`` on, without a gap, and why there is nothing newer."""
        later = tuple(
            each for each in self.windows if each.window.start >= evaluated_until - _TIMESTAMP_SLACK
        )
        if later and later[0].window.start > evaluated_until + _TIMESTAMP_SLACK:
            # Evidence was lost since: the next tick opens the book anew where it has to go on.
            later = ()
        return Measurements(later, self.no_data, self.queries, self.history)


def open_book(target: MetricTarget, queries: Mapping[str, str]) -> Book:
    """An empty book that begins where the release was evaluated last."""
    return Book(target, target.evaluated_until, target.evaluated_until, queries=queries)


def fits(book: Book, target: MetricTarget) -> bool:
    """Whether the book can go on for ``target``: the same question, at a place that the book holds."""
    until = target.evaluated_until
    boundaries = [book.written_until, *(each.window.start for each in book.windows)]
    is_held = any(abs(until - each) <= _TIMESTAMP_SLACK for each in boundaries)
    asked = replace(book.target, evaluated_until=until, history_until=target.history_until)
    return is_held and asked == target


def history_of(target: MetricTarget) -> Book | None:
    """An empty book for what was before the release; None when there is nothing to learn from it any more."""
    if target.history_until is None:
        return None
    window_seconds = max(HISTORY_WINDOW_SECONDS, target.window_seconds)
    until = grid_floor(target.history_until, window_seconds)
    seconds = min(HISTORY_SECONDS, HISTORY_SCRAPES * target.window_seconds)
    begin = grid_floor(until - seconds, window_seconds)
    return Book(
        # Gauges have no history: nothing is learned from what they said before.
        replace(
            target,
            window_seconds=window_seconds,
            evaluated_until=begin,
            history_until=until,
            thresholds=(),
        ),
        begin,
        begin,
    )


def acknowledged(book: Book, evaluated_until: float) -> Book:
    """The book without the windows that have been evaluated and saved."""
    kept = tuple(each for each in book.windows if each.window.end > evaluated_until + _TIMESTAMP_SLACK)
    return book if len(kept) == len(book.windows) else replace(book, windows=kept)


def needed_from(book: Book, timing: Timing) -> float:
    """Where the next look must begin."""
    if not book.is_primed:
        return book.seen_until - timing.lookback_seconds
    slowest = max(book.target.window_seconds, book.interval_seconds, book.application_interval_seconds)
    overlap = max(timing.overlap_seconds, 2 * slowest)
    return book.seen_until - min(overlap, timing.lookback_seconds)


def due_end(book: Book, now: float, timing: Timing) -> float | None:
    """The end of the newest window that can be looked at; None when there is nothing new to see."""
    end = grid_floor(now - timing.lag_seconds, book.target.window_seconds)
    is_due = end > book.seen_until + _TIMESTAMP_SLACK and len(book.windows) < timing.max_windows
    return end if is_due else None


def record(
    book: Book, series: Sequence[Series], lives: Mapping[str, Life], at: float, timing: Timing
) -> Book:
    """Write every window up to ``at`` that has samples.

    ``series`` are those in the target's places, in a range that begins at ``needed_from`` or earlier.
    """
    end = grid_floor(at, book.target.window_seconds)
    if end <= book.seen_until + _TIMESTAMP_SLACK:
        return book
    found = sort_scrapes(series, lives, book.target, needed_from(book, timing), end + _TIMESTAMP_SLACK)
    memory, increments = count(book.memory, found.scrapes, timing.lookback_seconds)
    if not book.is_primed:
        # Whoever evaluated up to here has counted these.
        increments = tuple(each for each in increments if each.at > book.written_until + _TIMESTAMP_SLACK)
    book = replace(
        book,
        is_primed=True,
        seen_until=end,
        memory=forget_before(memory, end - timing.memory_seconds),
        interval_seconds=found.interval_seconds or book.interval_seconds,
        application_interval_seconds=found.application_interval_seconds or book.application_interval_seconds,
        missing_bounds=found.missing_bounds & {each.bound_ms for each in book.target.awaited},
        lacks_histogram=_lacks_histogram(book.target, found),
        tracks=gauges.followed(book.tracks, series, book.target),
    )
    book = _write(book, found, increments)
    complaint = _complaint(book, found) or gauges.complaint(book.tracks, book.target, end)
    kept = gauges.forgotten(book.tracks, end, end - timing.lookback_seconds)
    return replace(book, no_data=complaint, tracks=kept)


def with_edges(book: Book, edges: tuple[float, ...]) -> Book:
    """The book, its complaint about latency bounds completed by the edges that there are."""
    if book.no_data is None:
        return replace(book, edges=edges)
    return replace(book, edges=edges, no_data=_not_a_bucket(book.missing_bounds, edges, book.no_data.at))


def with_native(book: Book, is_native: bool) -> Book:
    """The book, its complaint about a missing histogram completed by whether there is another kind."""
    known = replace(book, is_native=is_native)
    if book.no_data is None or book.no_data.reason is not NoDataReason.ABSENT:
        return known
    return replace(known, no_data=_without_histogram(known, book.no_data.at))


def _write(book: Book, found: SortedScrapes, increments: Iterable[Increment]) -> Book:
    """Append a measurement for each window after ``written_until`` in which requests were sampled."""
    step = book.target.window_seconds
    written_until, carry = book.written_until, dict(book.carry)
    by_index: dict[int, dict[Slot, Sum]] = {}
    for each in increments:
        is_late = each.at <= written_until + _TIMESTAMP_SLACK
        tally = carry if is_late else by_index.setdefault(_index(each.at, step), {})
        with_increment(tally, found.shares[each.series], each.amount)
    sampled = {_index(at, step) for at in found.requests_at if at > written_until + _TIMESTAMP_SLACK}
    measurable, at_edges = _measurable(book.target, found), _measurable_at_edges(book.target, found)
    windows = list(book.windows)
    for index in sorted(sampled | by_index.keys()):
        carry = dict(added(carry, by_index.get(index, {})))
        if index not in sampled:
            continue
        settled = settle(carry, (*measurable, *at_edges))
        carry = dict(settled.carry)
        window = Window(written_until, index * step)
        windows.append(
            Measurement(
                window=window,
                counts={name: settled.counts[name] for name in measurable},
                unattributed=settled.unattributed,
                stable_parts=settled.stable_parts,
                reporter=book.target.reporter,
                beside=settled.beside,
                gauges=gauges.readings(book.tracks, book.target, window.end),
                edges={name: settled.counts[name] for name in at_edges},
            )
        )
        written_until = index * step
    useless = {each.name for each in book.target.objectives if each.bound_ms in found.missing_bounds}
    useless |= _edge_names(book.target) - set(at_edges)
    carry = {slot: each for slot, each in carry.items() if slot.objective not in useless}
    return replace(book, windows=tuple(windows), written_until=written_until, carry=carry)


def _index(at: float, step: float) -> int:
    """The number of the window that holds ``at``: window i is ((i - 1) * step, i * step]."""
    return math.ceil((at - _TIMESTAMP_SLACK) / step)


def _measurable(target: MetricTarget, found: SortedScrapes) -> tuple[str, ...]:
    return tuple(each.name for each in target.objectives if _is_measurable(each, found))


def _measurable_at_edges(target: MetricTarget, found: SortedScrapes) -> tuple[str, ...]:
    """The names of the counts at further edges that all histograms have; a window does without the others."""
    return tuple(
        name_at(each.name, edge)
        for each in target.objectives
        if _is_measurable(each, found)
        for edge in sorted(edges_beside(each.bound_ms) - found.missing_edges)
    )


def _edge_names(target: MetricTarget) -> set[str]:
    return {name for each in target.objectives for name in names_beside(each.name, each.bound_ms)}


def _is_measurable(objective: Objective, found: SortedScrapes) -> bool:
    match objective.kind:
        case ObjectiveKind.ERRORS:
            return True
        case ObjectiveKind.LATENCY:
            return found.has_histograms and objective.bound_ms not in found.missing_bounds
        case ObjectiveKind.TEMPLATE:
            return any(Slot(objective.name, arm) in found.heard for arm in (Arm.CANARY, Arm.STABLE))


def _complaint(book: Book, found: SortedScrapes) -> NoData | None:
    """Why this look, though answered, is not enough to judge by."""
    at = book.seen_until
    if found.not_a_number is not None:
        return NoData(NoDataReason.NOT_A_NUMBER, found.not_a_number, at)
    selector = book.queries.get(REQUESTS, REQUESTS)
    was_seen = any(memory.last for memory in book.memory.values())
    patience = max(2 * book.target.window_seconds, 3 * book.interval_seconds) if was_seen else 0.0
    silence = at - book.written_until
    if silence > patience + _TIMESTAMP_SLACK:
        return NoData(NoDataReason.ABSENT, f"nothing was scraped for {silence:g} s of {selector}", at)
    if book.missing_bounds:
        return _not_a_bucket(book.missing_bounds, book.edges, at)
    if book.lacks_histogram:
        return _without_histogram(book, at)
    for objective in book.target.awaited:
        # Stable is not waited for: once it has no traffic, it may well have no events either.
        if not objective.counts_requests and Slot(objective.name, Arm.CANARY) not in found.heard:
            return NoData(NoDataReason.ABSENT, _unheard(objective, book.target, found), at)
    return None


def _lacks_histogram(target: MetricTarget, found: SortedScrapes) -> bool:
    needs_one = any(each.bound_ms is not None for each in target.awaited)
    return needs_one and not found.has_histograms and bool(found.requests_at)


def _without_histogram(book: Book, at: float) -> NoData:
    if book.is_native:
        advice = "let Prometheus keep the classic buckets beside it (always_scrape_classic_histograms: true)"
        return NoData(
            NoDataReason.NATIVE_HISTOGRAM,
            f"{NATIVE} is a native histogram, of which no bucket can be counted; {advice}",
            at,
        )
    histogram = book.queries.get(BUCKETS, BUCKETS)
    return NoData(NoDataReason.ABSENT, f"requests were scraped, but nothing of {histogram}", at)


def _unheard(objective: Objective, target: MetricTarget, found: SortedScrapes) -> str:
    """Which events of the canary nothing was scraped of, by the labels that were looked for."""
    template = objective.template
    if template is None:
        return f"{objective.name} has no metric template"
    where = sought(template, target)
    though = (
        f", though of {target.stable_workload}" if Slot(objective.name, Arm.STABLE) in found.heard else ""
    )
    return f"{objective.name}: nothing of {template.total} was scraped with {where}{though}"


def _not_a_bucket(bounds: frozenset[float], edges: tuple[float, ...] | None, at: float) -> NoData:
    bound = min(bounds)
    below = max((edge for edge in edges or () if edge < bound), default=None)
    above = min((edge for edge in edges or () if bound < edge < math.inf), default=None)
    nearest = " and ".join(f"{edge:g} ms" for edge in (below, above) if edge is not None)
    advice = f"; the nearest edges are {nearest}" if nearest else ""
    return NoData(NoDataReason.NOT_A_BUCKET, f"{bound:g} ms is no bucket edge of {BUCKETS}{advice}", at)

"""Scrapes: the raw series of one release, sorted into what each scrape of each target brought.

Pure. A histogram's buckets count only where all that are needed of them were seen, because a bound's bucket
that comes later than the total (a sharded remote write) would make every request look slow. A sample that is
no count (NaN, infinite, negative) is left out, as if its scrape had failed, and reported.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from canary.app.attribution import Share, latency_bounds, shares
from canary.app.ports import MetricTarget, Sample, Series
from canary.domain.counting import Scrape
from canary.domain.istio_metrics import (
    AGENT_START,
    BUCKETS,
    PROCESS_START,
    UP,
    bucket_edge,
    scrape_target,
    series_key,
)

__all__ = ["Life", "SortedScrapes", "read_lives", "sort_scrapes"]


@dataclass(frozen=True, slots=True)
class Life:
    """What is known of one target's process, by the time of the scrape."""

    up_at: Collection[float] = ()
    started_at: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SortedScrapes:
    """The scrapes of one release's series, and what was odd about them."""

    scrapes: tuple[Scrape, ...]
    shares: Mapping[str, Sequence[Share]]
    """By series key: what its increments add to."""
    missing_bounds: frozenset[float]
    """Latency bounds (ms) that are no edge of some histogram."""
    has_histograms: bool
    """Whether any bucket was sampled."""
    interval_seconds: float | None
    """The shortest time between two scrapes of one target; None when there were no two."""
    not_a_number: str | None
    """The first sample that is no count, in words."""


def read_lives(series: Iterable[Series]) -> dict[str, Life]:
    """By target: when it was up, and when its process started."""
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
        by_name = starts.get(target, {})
        started = by_name.get(AGENT_START) or by_name.get(PROCESS_START) or {}
        lives[target] = Life(frozenset(up.get(target, ())), started)
    return lives


def sort_scrapes(
    series: Sequence[Series], lives: Mapping[str, Life], target: MetricTarget, after: float, until: float
) -> SortedScrapes:
    """Sort what was sampled in (after, until]; ``series`` are those of the target's hosts."""
    values: dict[tuple[str, float], dict[str, float]] = {}
    shares_by_key: dict[str, Sequence[Share]] = {}
    odd: str | None = None
    counted, missing = _with_whole_histograms(series, latency_bounds(target))
    for each in counted:
        parts = shares(each.labels, target)
        if not parts:
            continue
        key, scraped = series_key(each.labels), scrape_target(each.labels)
        shares_by_key[key] = parts
        for sample in each.samples:
            if not after < sample.at <= until:
                continue
            if _is_count(sample):
                values.setdefault((scraped, sample.at), {})[key] = sample.value
            else:
                odd = odd or f"{each.labels.get('__name__')} is {sample.value} at {sample.at:.3f}"
    for scraped in {scraped for scraped, _ in values}:
        for at in lives.get(scraped, Life()).up_at:
            if after < at <= until:
                values.setdefault((scraped, at), {})
    scrapes = tuple(
        Scrape(scraped, at, found, lives.get(scraped, Life()).started_at.get(at))
        for (scraped, at), found in values.items()
    )
    has_histograms = any(each.labels.get("__name__") == BUCKETS and each.samples for each in series)
    return SortedScrapes(scrapes, shares_by_key, missing, has_histograms, _shortest_gap(scrapes), odd)


def _is_count(sample: Sample) -> bool:
    return math.isfinite(sample.value) and sample.value >= 0


def _with_whole_histograms(
    series: Sequence[Series], bounds: frozenset[float]
) -> tuple[list[Series], frozenset[float]]:
    """The series, the buckets of each histogram cut to the scrapes that have all of them."""
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
    for by_edge in histograms.values():
        missing |= bounds - by_edge.keys()
        needed = [by_edge[edge] for edge in (*sorted(bounds), math.inf) if edge in by_edge]
        if math.inf not in by_edge:
            continue
        whole = frozenset.intersection(*(frozenset(sample.at for sample in each.samples) for each in needed))
        kept += (
            Series(each.labels, tuple(sample for sample in each.samples if sample.at in whole))
            for each in needed
        )
    return kept, frozenset(missing)


def _shortest_gap(scrapes: Iterable[Scrape]) -> float | None:
    times: dict[str, list[float]] = {}
    for scrape in scrapes:
        times.setdefault(scrape.target, []).append(scrape.at)
    gaps = (
        later - earlier
        for its_times in times.values()
        for earlier, later in pairwise(sorted(its_times))
        if later > earlier
    )
    return min(gaps, default=None)

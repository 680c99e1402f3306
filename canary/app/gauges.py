"""Gauges: what the latest samples of an application's gauges say of each workload at a moment. Pure.

A sample is fresh for two scrape intervals, as seen between samples, so that one failed scrape is forgiven.
What is not fresh says nothing, and what is no number takes the value of all with it: a maximum without the
series that has gone wrong would look well.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from canary.app.attribution import Arm, arm_by_template, sought
from canary.app.ports import MetricTarget, Sample, Series
from canary.domain.istio_metrics import Labels, series_key
from canary.domain.measurement import GaugeReading, NoData, NoDataReason
from canary.domain.metric_template import Aggregate, Gauge, GaugeTemplate
from canary.domain.plan import Threshold

__all__ = ["Track", "Tracks", "complaint", "followed", "forgotten", "readings"]

_KEPT: Final = 3
"""Samples of a series that are remembered: enough to know how often it is scraped."""
_FRESH_INTERVALS: Final = 2.0
_TIMESTAMP_SLACK: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Track:
    """One series of a gauge, with its latest samples in their order."""

    labels: Labels
    samples: tuple[Sample, ...]


Tracks = Mapping[str, Track]
"""By series key: what is known of the series that a release's gauges select."""


def followed(tracks: Tracks, series: Iterable[Series], target: MetricTarget) -> Tracks:
    """Return ``tracks`` with what was sampled since; a sample that is known already changes nothing."""
    if not target.thresholds:
        return tracks
    wanted = [(template, gauge) for template in _templates(target.thresholds) for gauge in template.gauges]
    found = dict(tracks)
    for each in series:
        if any(
            gauge.selects(each.labels) and arm_by_template(each.labels, template, target) is not None
            for template, gauge in wanted
        ):
            key = series_key(each.labels)
            known = found[key].samples if key in found else ()
            by_time = {sample.at: sample for sample in (*known, *each.samples)}
            found[key] = Track(each.labels, tuple(by_time[at] for at in sorted(by_time)))
    return found


def forgotten(tracks: Tracks, until: float, horizon: float) -> Tracks:
    """Return of ``tracks`` what readings after ``until`` need; nothing of series that ended long ago."""
    return {
        key: replace(track, samples=_latest(track.samples, until))
        for key, track in tracks.items()
        if track.samples and track.samples[-1].at >= horizon
    }


def readings(tracks: Tracks, target: MetricTarget, at: float) -> dict[str, GaugeReading]:
    """Return what the gauge of each threshold says at ``at``, where it says something of the canary."""
    found = {}
    for threshold in target.thresholds:
        canary = _value(tracks, threshold, Arm.CANARY, target, at)
        if isinstance(canary, _Value):
            stable = _value(tracks, threshold, Arm.STABLE, target, at)
            number = stable.number if isinstance(stable, _Value) else None
            found[threshold.name] = GaugeReading(canary.number, number, canary.oldest_at, canary.newest_at)
    return found


def complaint(tracks: Tracks, target: MetricTarget, at: float) -> NoData | None:
    """Return why a gauge says nothing of the canary at ``at``; None when each does."""
    for threshold in (each for each in target.thresholds if each.name not in target.dry_run):
        found = _value(tracks, threshold, Arm.CANARY, target, at)
        if isinstance(found, NoData):
            return found
    return None


@dataclass(frozen=True, slots=True)
class _Value:
    number: float
    oldest_at: float
    newest_at: float


def _value(
    tracks: Tracks, threshold: Threshold, arm: Arm, target: MetricTarget, at: float
) -> _Value | NoData:
    template = threshold.template
    if template is None:
        return NoData(NoDataReason.ABSENT, f"{threshold.name} has no metric template", at)
    parts = []
    for gauge in template.gauges:
        fresh = _fresh(tracks, template, gauge, arm, target, at)
        if not fresh:
            return NoData(NoDataReason.ABSENT, _unheard(threshold, template, gauge, target), at)
        odd = next((sample for sample in fresh if not math.isfinite(sample.value)), None)
        if odd is not None:
            words = f"{threshold.name}: {gauge.metric} is {odd.value} at {odd.at:.3f}"
            return NoData(NoDataReason.NOT_A_NUMBER, words, at)
        parts.append(fresh)
    numbers = [_aggregated(template.aggregate, fresh) for fresh in parts]
    if len(numbers) == 2 and numbers[1] == 0.0:
        words = f"{threshold.name}: {template.over} is 0, and nothing can be divided by it"
        return NoData(NoDataReason.NOT_A_NUMBER, words, at)
    number = numbers[0] if len(numbers) == 1 else numbers[0] / numbers[1]
    if not math.isfinite(number):
        return NoData(NoDataReason.NOT_A_NUMBER, f"{threshold.name}: {template} is {number}", at)
    times = [sample.at for fresh in parts for sample in fresh]
    return _Value(number, min(times), max(times))


def _fresh(
    tracks: Tracks, template: GaugeTemplate, gauge: Gauge, arm: Arm, target: MetricTarget, at: float
) -> Sequence[Sample]:
    """The latest sample of each series of one workload, where it is fresh."""
    selected = [track for track in tracks.values() if gauge.selects(track.labels)]
    oldest = at - _FRESH_INTERVALS * _interval(selected, target.window_seconds, at)
    latest = (
        _latest(track.samples, at)[-1:]
        for track in selected
        if arm_by_template(track.labels, template, target) is arm
    )
    return [samples[0] for samples in latest if samples and samples[0].at > oldest - _TIMESTAMP_SLACK]


def _interval(tracks: Iterable[Track], least_seconds: float, at: float) -> float:
    """How often series are scraped, as seen: the shortest time between two samples of one of them."""
    gaps = (
        later.at - earlier.at for track in tracks for earlier, later in pairwise(_latest(track.samples, at))
    )
    return max(least_seconds, min(gaps, default=0.0))


def _latest(samples: tuple[Sample, ...], until: float) -> tuple[Sample, ...]:
    return tuple(sample for sample in samples if sample.at <= until + _TIMESTAMP_SLACK)[-_KEPT:]


def _aggregated(aggregate: Aggregate, samples: Sequence[Sample]) -> float:
    values = [sample.value for sample in samples]
    match aggregate:
        case Aggregate.MAX:
            return max(values)
        case Aggregate.MIN:
            return min(values)
        case Aggregate.SUM:
            return sum(values)
        case Aggregate.MEAN:
            return sum(values) / len(values)


def _templates(thresholds: Iterable[Threshold]) -> Iterable[GaugeTemplate]:
    return (each.template for each in thresholds if each.template is not None)


def _unheard(threshold: Threshold, template: GaugeTemplate, gauge: Gauge, target: MetricTarget) -> str:
    where = sought(template, target)
    return f"{threshold.name}: nothing of {gauge} was scraped of late with {where}"

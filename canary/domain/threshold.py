"""The threshold rule: a gauge's value is compared with a bound, and the checks that fail are counted.

The classic rule, without statistics: it promises nothing about how often a good canary is rolled back. Pure.
A check is taken at the end of the first measured window, wholly within the step, that ends at or after a
point of the check's own grid and by which every series was sampled again since the check before. So neither
a window nor a sample is ever checked twice, and where the gauge is scraped seldom, checks are as seldom. A
value that is missing delays the check: silence neither passes nor fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from canary.domain.evidence import Checks, Evidence
from canary.domain.measurement import GaugeReading, Measurement, grid_floor
from canary.domain.plan import Plan, Threshold

__all__ = ["Checked", "broken", "checked", "fold_checks", "is_broken", "of_step"]


@dataclass(frozen=True, slots=True)
class Checked:
    """An objective by the threshold rule, and what its checks have found in the present step."""

    threshold: Threshold
    checks: Checks | None
    """None while no check was taken."""


def fold_checks(
    evidence: Evidence, measurement: Measurement, plan: Plan, step_since: float
) -> Mapping[str, Checks]:
    """Return the step's checks after one more of its windows."""
    folded = dict(evidence.step_checks)
    for threshold in plan.thresholds:
        before, reading = folded.get(threshold.name), measurement.gauges.get(threshold.name)
        at = measurement.window.end
        if reading is not None and _is_due(threshold, before, reading, at, step_since):
            folded[threshold.name] = _with_check(threshold, before, reading, at)
        elif before is not None:
            folded[threshold.name] = replace(before, is_silent=reading is None)
    return folded


def checked(evidence: Evidence, plan: Plan) -> tuple[Checked, ...]:
    """Return every objective by the threshold rule with its checks."""
    return tuple(Checked(item, evidence.step_checks.get(item.name)) for item in plan.thresholds)


def is_broken(item: Checked) -> bool:
    """Whether so many checks failed that the canary does."""
    threshold, checks = item.threshold, item.checks
    if checks is None:
        return False
    row = threshold.consecutive
    return checks.failed > threshold.failures or (row is not None and checks.most_in_a_row >= row)


def broken(items: tuple[Checked, ...]) -> Checked | None:
    """Return the first objective by the threshold rule that fails the canary."""
    return next((item for item in items if is_broken(item)), None)


def of_step(item: Checked, step_since: float) -> Checks | None:
    """Return the checks when the latest was taken since the step began: an older one passes nothing."""
    checks = item.checks
    return checks if checks is not None and checks.checked_at > step_since else None


def _is_due(
    threshold: Threshold, before: Checks | None, reading: GaugeReading, at: float, step_since: float
) -> bool:
    checked_at, sampled_at = (step_since,) * 2 if before is None else (before.checked_at, before.sampled_at)
    every = threshold.every_seconds
    point_has_come = grid_floor(at, every) > grid_floor(max(checked_at, step_since), every)
    return point_has_come and reading.oldest_at > max(sampled_at, step_since)


def _with_check(threshold: Threshold, before: Checks | None, reading: GaugeReading, at: float) -> Checks:
    taken, failed, in_a_row, most_in_a_row, failing = (
        (0, 0, 0, 0, None)
        if before is None
        else (before.taken, before.failed, before.in_a_row, before.most_in_a_row, before.failing)
    )
    if not threshold.holds(reading.canary):
        failed, in_a_row, failing = failed + 1, in_a_row + 1, reading.canary
    else:
        in_a_row = 0
    return Checks(
        checked_at=at,
        sampled_at=reading.newest_at,
        canary=reading.canary,
        stable=reading.stable,
        taken=taken + 1,
        failed=failed,
        in_a_row=in_a_row,
        most_in_a_row=max(most_in_a_row, in_a_row),
        failing=failing,
        is_silent=False,
    )

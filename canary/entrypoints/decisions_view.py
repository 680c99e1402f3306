"""A release's decisions as a person reads them: what each rested on, and what would have changed it. Pure."""

import math

from canary.domain.counterfactual import Limits
from canary.domain.record import Record
from canary.domain.release import Release
from canary.domain.sentences import percent
from canary.domain.verdict import Finding
from canary.entrypoints.rendering import marked, moment, table

__all__ = ["decisions_in_words"]

HEADER = ("STEP", "UNTIL", "VERDICT", "OBJECTIVE", "CANARY", "STABLE", "AT MOST", "PASSES AT")


def decisions_in_words(release: Release) -> str:
    """Return a row for each decision and objective; empty when nothing was decided yet."""
    rows = [row for record in release.records for row in _rows(release, record)]
    if not rows:
        return ""
    return (
        f"{table(HEADER, rows)}\n"
        "passes at: the strictest bound, and the least tolerance, with which the counts of the whole release "
        "would not have\nrolled it back, about"
    )


def _rows(release: Release, record: Record) -> list[tuple[str, ...]]:
    verdict, steps = record.verdict, release.plan.steps
    # A release that was decoded may have been written when its plan had more steps.
    weight = f" ({steps[record.step].weight} %)" if record.step < len(steps) else ""
    head = (
        f"{record.step + 1} of {len(steps)}{weight}",
        moment(verdict.at),
        f"{verdict.outcome.value}: {verdict.reason.value}",
    )
    findings = verdict.findings or (None,)
    return [(*head, *_numbers(finding, record)) for finding in findings]


def _numbers(finding: Finding | None, record: Record) -> tuple[str, ...]:
    if finding is None:
        return ("-",) * (len(HEADER) - 3)
    return (
        finding.objective,
        f"{finding.canary.bad} of {finding.canary.requests}",
        f"{finding.stable.bad} of {finding.stable.requests}",
        marked(percent(finding.max_bad_ratio), dry_run=finding.dry_run),
        _limits(record.limits.get(finding.objective)),
    )


def _limits(limits: Limits | None) -> str:
    if limits is None:
        return "-"
    if limits.bound == 0.0 and limits.tolerance is not None and limits.tolerance <= 1.0:
        return "any"
    bound = "no bound" if limits.bound is None else percent(_up(limits.bound))
    bound = "any bound" if limits.bound == 0.0 else bound
    tolerance = "no tolerance" if limits.tolerance is None else f"{_up(limits.tolerance):g}x stable"
    return f"{bound}, {tolerance}"


def _up(value: float) -> float:
    """Round up to two digits: what is said to pass does."""
    if value <= 0.0:
        return value
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit - 1e-9) * unit

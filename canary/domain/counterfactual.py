"""Counterfactuals: with which other bounds the same counts would not have convicted, or already would have.

They tell an owner how far a verdict was from the other one. They rest on the counts of the whole
release, of further edges of latency on those of its last step, taken at once: when the bad requests came is
left out, so they are near, not exact.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from canary.domain.evidence import Evidence
from canary.domain.hypotheses import Doubt, PlannedTest, dispersion_for, planned_tests
from canary.domain.measurement import ArmCounts
from canary.domain.plan import Plan
from canary.domain.sequential import Dispersion, Hypothesis, bets, log_factors, log_sum_exp
from canary.domain.slower import counts_of, larger

__all__ = ["Limits", "limits_of"]

LEAST_BOUND: Final = 1e-6
MOST_BOUND: Final = 0.999
MOST_TOLERANCE: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Limits:
    """From which bound and tolerance on an objective's counts do not convict by themselves."""

    bound: float | None
    """A fraction; 0 when no bound is too strict for them, None when none is wide enough."""
    tolerance: float | None
    """Times stable's share, for latency by every pair of edges, too; None when none is wide enough, such as
    beside a stable without a bad request."""


def limits_of(evidence: Evidence, plan: Plan, window_seconds: float) -> dict[str, Limits]:
    """Return the limits of each objective of which something was counted."""
    by_doubt = {(test.subject, test.doubt): test for test in planned_tests(plan, window_seconds)}
    found = {}
    for name in (item.name for item in plan.objectives):
        counts = evidence.release_counts.get(name, ArmCounts())
        if counts.canary.requests:
            dispersion = dispersion_for(name, evidence)
            tolerances = [_least_tolerance(by_doubt[name, Doubt.COMPARISON], counts, dispersion, plan)]
            if (slower := by_doubt.get((name, Doubt.SLOWER))) is not None:
                tolerances += _tolerances_by_pair(slower, evidence, plan)
            wide = [each for each in tolerances if each is not None]
            found[name] = Limits(
                bound=_least_bound(by_doubt[name, Doubt.OBJECTIVE], counts, dispersion, plan),
                tolerance=max(wide) if len(wide) == len(tolerances) else None,
            )
    return found


def _tolerances_by_pair(planned: PlannedTest, evidence: Evidence, plan: Plan) -> Iterator[float | None]:
    """The least tolerance of each pair of latency edges, with its part of the capital."""
    for pair in planned.pairs:
        counts = counts_of(pair, evidence.step_edges)
        if counts is not None:
            edges = (pair.canary_counts, pair.stable_counts)
            dispersion = larger(*(dispersion_for(edge, evidence) for edge in edges))
            part = replace(planned, weight=planned.weight / len(planned.pairs))
            yield _least_tolerance(part, counts, dispersion, plan)


def _least_bound(planned: PlannedTest, counts: ArmCounts, dispersion: Dispersion, plan: Plan) -> float | None:
    def convicts(bound: float) -> bool:
        return _convicts(planned, Hypothesis(0.0, bound), counts, dispersion, plan)

    if not counts.canary.bad or not convicts(LEAST_BOUND):
        return 0.0
    return _bisect(convicts, LEAST_BOUND, MOST_BOUND)


def _least_tolerance(
    planned: PlannedTest, counts: ArmCounts, dispersion: Dispersion, plan: Plan
) -> float | None:
    def convicts(ratio: float) -> bool:
        return _convicts(planned, Hypothesis(ratio, 0.0), counts, dispersion, plan)

    if not counts.canary.bad or not counts.stable.requests:
        return 0.0
    return _bisect(convicts, 1.0 / MOST_TOLERANCE, MOST_TOLERANCE)


def _convicts(
    planned: PlannedTest, hypothesis: Hypothesis, counts: ArmCounts, dispersion: Dispersion, plan: Plan
) -> bool:
    """Whether the bets of a test would have won enough, had another hypothesis been doubted."""
    most = math.inf if hypothesis.ratio else 1.0 / hypothesis.delta
    grid = [theta for theta in planned.test.grid if theta <= most] or [most]
    logs = log_factors(bets(grid, hypothesis, counts, dispersion), hypothesis, counts, dispersion)
    log_evidence = log_sum_exp(logs) - math.log(len(logs)) + math.log(planned.weight)
    return log_evidence >= -math.log(plan.false_rollback_budget)


def _bisect(convicts: Callable[[float], bool], low: float, high: float) -> float | None:
    """The least value that does not convict, on a logarithmic scale, from its upper side."""
    if convicts(high):
        return None
    for _ in range(30):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if convicts(middle) else (low, middle)
    return high

"""Assurance: evidence that a canary may be given more traffic, for steps that ask for it.

A step may be left for a weight w when it is shown, for every objective, that the canary's share of bad
requests exceeds stable's by less than b/w: then it costs less than b, the blast radius budget, of all
requests. It is shown by bets against the opposite, "the excess is at least b/w", begun anew with each step:
whatever the truth, a canary that costs more is passed with a chance of at most beta (Ville's inequality),
and, as all objectives have to be shown, however many there are.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from canary.domain.evidence import Evidence, MixtureState
from canary.domain.hypotheses import dispersion_for
from canary.domain.measurement import ArmCounts, Measurement
from canary.domain.plan import EvidenceRule, Objective, Plan
from canary.domain.sequential import (
    Dispersion,
    Hypothesis,
    SequentialTest,
    bets,
    fold_window,
    log_evidence,
    log_factors,
)

__all__ = ["Missing", "excess_allowed", "fold_assurance", "log_assured", "missing", "next_weight"]

GRID: Final = (0.03, 0.2, 0.5, 0.8)
"""What the canary's rate may be, as a part of what is doubted: alternatives to bet on."""


@dataclass(frozen=True, slots=True)
class Missing:
    """What an objective still lacks until it is shown that going on is safe."""

    objective: str
    log_evidence: float
    log_threshold: float
    excess: float
    """The excess that has to be ruled out, a fraction."""
    requests: float | None
    """About how many more of the canary's requests that takes; None when it cannot be shown like this."""


def next_weight(plan: Plan, step_index: int) -> int:
    """The percent of requests that the canary gets after a step; promotion gives it all."""
    following = step_index + 1
    return plan.steps[following].weight if following < len(plan.steps) else 100


def excess_allowed(plan: Plan, step_index: int) -> float:
    """By how much the canary's share of bad requests may exceed stable's at the weight after a step."""
    return min(1.0, plan.blast_radius_budget * 100.0 / next_weight(plan, step_index))


def fold_assurance(
    evidence: Evidence, measurement: Measurement, plan: Plan, step_index: int
) -> Mapping[str, MixtureState]:
    """Return the step's bets, by objective, after one more of its windows."""
    if plan.evidence is not EvidenceRule.BUDGET:
        return evidence.step_assurance
    folded = dict(evidence.step_assurance)
    for objective in plan.objectives:
        counts = measurement.counts.get(objective.name)
        if counts is not None:
            test = _doubt(plan, objective, step_index, counts)
            state = folded.get(objective.name, _ALL_STAKED)
            folded[objective.name] = fold_window(
                test, state, counts, dispersion_for(objective.name, evidence)
            )
    return folded


def log_assured(evidence: Evidence, objective: str) -> float:
    """Return ln E in favour of going on; 0 says nothing."""
    return log_evidence(evidence.step_assurance.get(objective, _ALL_STAKED))


def missing(evidence: Evidence, plan: Plan, step_index: int) -> Missing | None:
    """Return what is missing most; None when everything is shown, or the plan does not ask for it."""
    if plan.evidence is not EvidenceRule.BUDGET:
        return None
    lacking = [_missing(evidence, plan, item, step_index) for item in plan.objectives]
    return max(
        (item for item in lacking if item.log_evidence < item.log_threshold),
        key=lambda item: math.inf if item.requests is None else item.requests,
        default=None,
    )


_ALL_STAKED: Final = MixtureState(log_capitals=(0.0,) * len(GRID), reserve=0.0, windows=0)
"""Nobody waits for a fault that may begin late: everything is bet from the first window on."""


def _doubt(plan: Plan, objective: Objective, step_index: int, counts: ArmCounts) -> SequentialTest:
    """The doubt that going on is safe; without stable, that the canary keeps the objective's bound."""
    if counts.stable.requests:
        hypothesis = Hypothesis(1.0, excess_allowed(plan, step_index))
    else:
        hypothesis = Hypothesis(0.0, objective.max_bad_ratio)
    return SequentialTest(hypothesis, GRID, log_cap=math.inf, horizon_windows=1)


def _missing(evidence: Evidence, plan: Plan, objective: Objective, step_index: int) -> Missing:
    counts = evidence.step_counts.get(objective.name, ArmCounts())
    dispersion = dispersion_for(objective.name, evidence)
    log, threshold = log_assured(evidence, objective.name), -math.log(plan.false_promotion_budget)
    gain = _gain_per_request(_doubt(plan, objective, step_index, counts), counts, dispersion)
    return Missing(
        objective=objective.name,
        log_evidence=log,
        log_threshold=threshold,
        excess=excess_allowed(plan, step_index),
        requests=max(threshold - log, 0.0) / gain if gain > 0.0 else None,
    )


def _gain_per_request(test: SequentialTest, counts: ArmCounts, dispersion: Dispersion) -> float:
    """What a request of the canary adds to ln E, by the best of the bets, if things go on as they are."""
    if not counts.canary.requests:
        return 0.0
    sizes = bets(test.grid, test.hypothesis, counts, dispersion)
    return max(log_factors(sizes, test.hypothesis, counts, dispersion)) / counts.canary.requests

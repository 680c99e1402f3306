"""Conviction: when the evidence suffices to fail a canary, and which test names the cause."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from canary.domain import sentences
from canary.domain.edges import pairs_of
from canary.domain.evidence import Evidence
from canary.domain.hypotheses import (
    Doubt,
    PlannedTest,
    dispersion_for,
    log_weighted,
    may_convict,
    planned_tests,
    test_name,
)
from canary.domain.interval import anytime_interval
from canary.domain.measurement import ArmCounts
from canary.domain.plan import UNATTRIBUTED, Objective, Plan
from canary.domain.sequential import log_sum_exp
from canary.domain.slower import counts_of, larger, log_evidence_by_pair
from canary.domain.verdict import Finding, Reason, Slower

__all__ = ["Charge", "Conviction", "Weighed", "convict", "find", "weigh"]


@dataclass(frozen=True, slots=True)
class Charge:
    """One test that may convict now, and ln(w * E) of it."""

    planned: PlannedTest
    log_evidence: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """All evidence of a release, weighed at one moment."""

    charges: tuple[Charge, ...]
    log_by_test: Mapping[str, float]
    """ln(w * E) of every test with a weight, muted ones included; for people."""
    log_evidence: float
    """ln of the combined E; 0, which says nothing, when no test may convict."""
    log_threshold: float


@dataclass(frozen=True, slots=True)
class Conviction:
    """Why a canary fails."""

    reason: Reason
    objective: str
    sentence: str


def weigh(evidence: Evidence, plan: Plan, window_seconds: float) -> Weighed:
    """Combine the tests of a release by their weights."""
    tests = [planned for planned in planned_tests(plan, window_seconds) if planned.weight > 0.0]
    logs = {planned.name: log_weighted(planned, evidence.tests) for planned in tests}
    charges = tuple(
        Charge(planned, logs[planned.name]) for planned in tests if may_convict(planned, evidence.tests)
    )
    return Weighed(
        charges=charges,
        log_by_test=logs,
        log_evidence=log_sum_exp(tuple(charge.log_evidence for charge in charges)) if charges else 0.0,
        log_threshold=-math.log(plan.false_rollback_budget),
    )


def find(evidence: Evidence, objective: Objective, weighed: Weighed, plan: Plan) -> Finding:
    """Put together what is known of one objective, by the step's counts; while it has none, the release's."""
    counts = evidence.step_counts.get(objective.name, ArmCounts())
    if not counts.canary.requests:
        counts = evidence.release_counts.get(objective.name, counts)
    dispersion = dispersion_for(objective.name, evidence).canary
    return Finding(
        objective=objective.name,
        canary=counts.canary,
        stable=counts.stable,
        canary_interval=anytime_interval(counts.canary.requests, counts.canary.bad, dispersion=dispersion),
        stable_interval=anytime_interval(counts.stable.requests, counts.stable.bad, dispersion=dispersion),
        max_bad_ratio=objective.max_bad_ratio,
        bound_ms=objective.bound_ms,
        log_evidence_slo=weighed.log_by_test[test_name(objective.name, Doubt.OBJECTIVE)],
        log_evidence_stable=weighed.log_by_test[test_name(objective.name, Doubt.COMPARISON)],
        kind=objective.kind,
        dispersion=dispersion,
        beside=evidence.step_beside.get(objective.name),
        dry_run=objective.name in plan.dry_run,
        slower=_slower(evidence, objective, weighed),
    )


def _slower(evidence: Evidence, objective: Objective, weighed: Weighed) -> Slower | None:
    """The pair of edges that speaks most against the canary; None before any was counted."""
    pairs, name = pairs_of(objective.name, objective.bound_ms), test_name(objective.name, Doubt.SLOWER)
    state = evidence.tests.get(name)
    if state is None or not pairs:
        return None
    counted = [
        (log, pair, counts)
        for log, pair in zip(log_evidence_by_pair(state, len(pairs)), pairs, strict=True)
        if (counts := counts_of(pair, evidence.step_edges)) is not None
    ]
    if not counted:
        return None
    _, pair, counts = max(counted, key=lambda each: each[0])
    assumed = larger(
        dispersion_for(pair.canary_counts, evidence), dispersion_for(pair.stable_counts, evidence)
    ).canary
    return Slower(
        canary_ms=pair.canary_ms,
        stable_ms=pair.stable_ms,
        canary=counts.canary,
        stable=counts.stable,
        canary_interval=anytime_interval(counts.canary.requests, counts.canary.bad, dispersion=assumed),
        stable_interval=anytime_interval(counts.stable.requests, counts.stable.bad, dispersion=assumed),
        dispersion=assumed,
        log_evidence=weighed.log_by_test[name],
    )


def convict(
    evidence: Evidence, plan: Plan, weighed: Weighed, findings: tuple[Finding, ...]
) -> Conviction | None:
    """Return why the canary fails, or None while the combined evidence is below 1/alpha.

    A test is named that convicts by itself, one against a bound before one against stable; where only all
    together convict, the strongest.
    """
    if not weighed.charges or weighed.log_evidence < weighed.log_threshold:
        return None
    alone = [charge for charge in weighed.charges if charge.log_evidence >= weighed.log_threshold]
    bounds = [charge for charge in alone if charge.planned.doubt is Doubt.OBJECTIVE]
    cause = max(bounds or alone or weighed.charges, key=lambda charge: charge.log_evidence)
    log_evidence = cause.log_evidence if alone else weighed.log_evidence
    state = evidence.tests.get(cause.planned.name)
    windows = state.windows if state is not None else 0
    subject = cause.planned.subject
    if subject == UNATTRIBUTED:
        counts, dispersion = evidence.step_unattributed, dispersion_for(subject, evidence).canary
        sentence = sentences.lost_on_the_way(
            counts,
            anytime_interval(counts.requests, counts.bad, dispersion=dispersion),
            cause.planned.test.hypothesis.delta,
            log_evidence,
            windows,
            dispersion,
        )
        return Conviction(Reason.UNATTRIBUTED_ERRORS, subject, sentence)
    finding = next(item for item in findings if item.objective == subject)
    doubt = cause.planned.doubt
    reason = Reason.OBJECTIVE_BREACHED if doubt is Doubt.OBJECTIVE else Reason.WORSE_THAN_STABLE
    if not alone:
        sentence = sentences.together(finding, plan.tolerance, log_evidence, windows)
    elif doubt is Doubt.OBJECTIVE:
        sentence = sentences.breached(finding, log_evidence, windows)
    elif doubt is Doubt.SLOWER and finding.slower is not None:
        sentence = sentences.slower_than_stable(
            finding, finding.slower, plan.tolerance, log_evidence, windows
        )
    else:
        sentence = sentences.worse_than_stable(finding, plan.tolerance, log_evidence, windows)
    return Conviction(reason, subject, sentence)

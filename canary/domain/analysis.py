"""The analysis: fold measured windows into evidence, and judge a canary by it.

Both are pure. Folding the same window twice changes nothing, so windows may be replayed after a restart.
A verdict is Fail when the combined evidence reaches 1/alpha, whatever else is missing; silence and doubt
hold; only what was measured, and measured enough, passes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from canary.domain import dispersion, sentences, threshold, threshold_sentences
from canary.domain.assurance import fold_assurance, missing
from canary.domain.betting import bet_on_window, counts_at_edges
from canary.domain.conviction import convict, find, weigh
from canary.domain.dispersion import Block
from canary.domain.edges import names_beside
from canary.domain.evidence import Evidence
from canary.domain.hypotheses import Doubt, in_shared_trouble
from canary.domain.measurement import NOTHING, ArmCounts, Counts, Measurement, NoData
from canary.domain.plan import UNATTRIBUTED, Plan
from canary.domain.verdict import Finding, Outcome, Reason, Verdict

__all__ = ["fold", "judge", "new_evidence", "start_step", "with_history", "with_no_data"]

TRAFFIC_SECONDS = 30.0
"""A canary that had no request for longer than this is silent, not healthy."""
LOG_SUSPICION = math.log(3.0)
"""Evidence of three to one against the canary: no step is passed at or above it."""
STALE_SECONDS = 30.0
STALE_WINDOWS = 10
"""Nothing measured for the longer of these two is no data, even if nobody said why."""
GRID_TOLERANCE_SECONDS = 1e-6
"""Grid points are products of floating-point numbers."""


def new_evidence(evaluated_until: float) -> Evidence:
    """Return the evidence of a release of which nothing was measured yet, from ``evaluated_until`` on."""
    return Evidence(evaluated_until=evaluated_until)


def start_step(evidence: Evidence) -> Evidence:
    """Return the evidence at the beginning of a step: its counts start anew, the canary's tests go on."""
    tests = {
        name: state
        for name, state in evidence.tests.items()
        # An old alarm about stable must not mute a step in which stable has no more requests to end it.
        if not name.endswith(f"/{Doubt.STABLE_HEALTH}")
    }
    return replace(
        evidence,
        tests=tests,
        step_counts={},
        step_beside={},
        step_assurance={},
        step_checks={},
        step_edges={},
        step_unattributed=NOTHING,
        split_doubt=None,
    )


def with_no_data(evidence: Evidence, no_data: NoData | None) -> Evidence:
    """Note what the latest look lacked; the next measurement that is folded clears it.

    ``None`` is a look that lacked nothing. Since when something is lacking is kept through measurements that
    come without it.
    """
    if no_data is not None:
        since = evidence.no_data_since
        return replace(evidence, no_data=no_data, no_data_since=no_data.at if since is None else since)
    return evidence if evidence.no_data is not None else replace(evidence, no_data_since=None)


def fold(
    evidence: Evidence,
    measurement: Measurement,
    plan: Plan,
    *,
    window_seconds: float,
    step_index: int,
    step_since: float,
) -> Evidence:
    """Return the evidence after one more window; unchanged when the window is not wholly a new one.

    The tests learn from every window, and so does the count of requests that reached no workload; the step's
    counts only from those that began within the step. An
    objective that the measurement lacks learns nothing, and neither does the canary's test against a bound
    that stable may be breaking too: what both suffered must not convict the canary once stable has recovered.
    """
    window = measurement.window
    if window.end <= window.start or window.start < evidence.evaluated_until - GRID_TOLERANCE_SECONDS:
        return evidence
    wanted = {item.name: item for item in plan.objectives}
    counted = {name: counts for name, counts in measurement.counts.items() if name in wanted}
    # Events of a template are no requests: a canary that works off a queue may be getting none.
    heard = any(counts.canary.requests and wanted[name].counts_requests for name, counts in counted.items())
    at_edges = counts_at_edges(measurement, plan)
    in_step = window.start >= step_since - GRID_TOLERANCE_SECONDS
    return replace(
        evidence,
        evaluated_until=window.end,
        tests=bet_on_window(evidence, measurement, at_edges, plan, window_seconds),
        dispersion=_learned(evidence.dispersion, measurement, plan),
        step_counts=_added(evidence.step_counts, counted) if in_step else evidence.step_counts,
        reporter=measurement.reporter,
        step_beside=_added(evidence.step_beside, measurement.beside) if in_step else evidence.step_beside,
        step_assurance=(
            fold_assurance(evidence, measurement, plan.deciding, step_index)
            if in_step
            else evidence.step_assurance
        ),
        step_checks=(
            threshold.fold_checks(evidence, measurement, plan, step_since)
            if in_step
            else evidence.step_checks
        ),
        release_counts=_added(evidence.release_counts, counted),
        step_edges=_added(evidence.step_edges, at_edges),
        step_unattributed=evidence.step_unattributed + measurement.unattributed,
        last_canary_request_at=window.end if heard else evidence.last_canary_request_at,
        no_data=None,
    )


def with_history(evidence: Evidence, history: Sequence[Measurement] | None, plan: Plan) -> Evidence:
    """Learn, once, how stable's bad requests came before the release.

    It does not matter how much of the release was folded before: what was learned since is added to it.
    """
    if history is None or evidence.history_until is not None:
        return evidence
    before: dict[str, tuple[Block, ...]] = {}
    for measurement in history:
        before = _learned(before, measurement, plan)
        # Learned from the past alone: once the canary has traffic, these may be its own.
        _learn(before, UNATTRIBUTED, measurement, measurement.unattributed)
    known = dict(evidence.dispersion)
    return replace(
        evidence,
        dispersion=known | {name: dispersion.added(known.get(name), past) for name, past in before.items()},
        history_until=history[-1].window.end if history else evidence.evaluated_until,
    )


def _learned(
    known: Mapping[str, tuple[Block, ...]], measurement: Measurement, plan: Plan
) -> dict[str, tuple[Block, ...]]:
    """What stable's bad requests in one more window teach of how they come."""
    learned = dict(known)
    for item in plan.objectives:
        counts = measurement.counts.get(item.name)
        if counts is not None:
            _learn(learned, item.name, measurement, counts.stable)
        for name in names_beside(item.name, item.bound_ms):
            at_edge = measurement.edges.get(name)
            if at_edge is not None:
                _learn(learned, name, measurement, at_edge.stable)
    return learned


def _learn(
    learned: dict[str, tuple[Block, ...]], subject: str, measurement: Measurement, seen: Counts
) -> None:
    """Add to what is known of a subject, in place, what a window holds of it, if anything."""
    if seen.requests:
        blocks = learned.get(subject) or dispersion.nothing_learned()
        parts = measurement.stable_parts.get(subject, ())
        learned[subject] = dispersion.learn(blocks, measurement.window, seen, parts)


def _added(totals: Mapping[str, ArmCounts], more: Mapping[str, ArmCounts]) -> dict[str, ArmCounts]:
    added = dict(totals)
    for name, counts in more.items():
        before = totals.get(name)
        added[name] = counts if before is None else before + counts
    return added


@dataclass(frozen=True, slots=True)
class _Case:
    """What is asked of the evidence once it does not convict."""

    evidence: Evidence
    progress: sentences.Progress
    stale_seconds: float
    """For how long more has not been measured than may be; negative while there is time."""
    log_evidence: float
    log_threshold: float
    findings: tuple[Finding, ...]
    checked: tuple[threshold.Checked, ...]
    step_since: float

    @property
    def plan(self) -> Plan:
        return self.progress.plan


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: Outcome
    reason: Reason
    sentence: str
    objective: str | None = None


def judge(
    evidence: Evidence,
    plan: Plan,
    *,
    window_seconds: float,
    step_index: int,
    step_since: float,
    now: float,
) -> Verdict:
    """Say whether the canary passes its present step, fails, or holds, and why.

    ``now`` matters only for telling that nothing has been measured for too long.
    """
    weighed = weigh(evidence, plan, window_seconds)
    findings = tuple(find(evidence, objective, weighed, plan) for objective in plan.objectives)
    deciding = tuple(finding for finding in findings if not finding.dry_run)
    deciding_plan = plan.deciding
    checked = threshold.checked(evidence, deciding_plan)
    conviction = convict(evidence, plan, weighed, deciding)
    broken = threshold.broken(checked)
    if conviction is not None:
        answer = _Answer(Outcome.FAIL, conviction.reason, conviction.sentence, conviction.objective)
    elif broken is not None and broken.checks is not None:
        sentence = threshold_sentences.breached(broken, broken.checks)
        answer = _Answer(Outcome.FAIL, Reason.THRESHOLD_BREACHED, sentence, broken.threshold.name)
    else:
        progress = sentences.Progress(deciding_plan, step_index, evidence.evaluated_until - step_since)
        # A step that has just begun is not blamed for the silence before it.
        silence = now - max(evidence.evaluated_until, step_since)
        stale = silence - max(STALE_SECONDS, STALE_WINDOWS * window_seconds)
        log_evidence, log_threshold = weighed.log_evidence, weighed.log_threshold
        case = _Case(evidence, progress, stale, log_evidence, log_threshold, deciding, checked, step_since)
        kept = [threshold_sentences.kept(item, step_since) for item in checked]
        answer = _held(case) or _Answer(Outcome.PASS, Reason.BAKED, sentences.baked(progress, deciding, kept))
    return Verdict(
        outcome=answer.outcome,
        reason=answer.reason,
        sentence=answer.sentence,
        at=evidence.evaluated_until,
        objective=answer.objective,
        log_evidence=weighed.log_evidence,
        log_threshold=weighed.log_threshold,
        findings=findings,
    )


def _held(case: _Case) -> _Answer | None:
    """Return why the canary neither fails nor passes, the gravest cause first; None when it passes."""
    return (
        _in_trouble(case)
        or _without_data(case)
        or _split_not_observed(case)
        or _baking(case)
        or _without_requests(case)
        or _without_checks(case)
        or _under_suspicion(case)
        or _not_shown(case)
    )


def _in_trouble(case: _Case) -> _Answer | None:
    for finding in case.findings:
        # Evidence that would convict, and has not, is muted.
        muted = finding.log_evidence_slo >= case.log_threshold
        if muted or in_shared_trouble(case.evidence.tests, finding.objective):
            sentence = sentences.shared_trouble(finding, case.plan.tolerance)
            return _Answer(Outcome.HOLD, Reason.SHARED_TROUBLE, sentence, finding.objective)
    return None


def _without_data(case: _Case) -> _Answer | None:
    evidence = case.evidence
    if evidence.no_data is not None:
        return _Answer(Outcome.HOLD, Reason.NO_DATA, sentences.no_data(evidence.no_data, case.plan))
    if case.stale_seconds > 0.0:
        sentence = sentences.nothing_measured(evidence.evaluated_until, case.plan)
        return _Answer(Outcome.HOLD, Reason.NO_DATA, sentence)
    return None


def _split_not_observed(case: _Case) -> _Answer | None:
    doubt = case.evidence.split_doubt
    if doubt is None:
        return None
    sentence = sentences.split_not_observed(case.progress, doubt)
    return _Answer(Outcome.HOLD, Reason.SPLIT_NOT_OBSERVED, sentence)


def _baking(case: _Case) -> _Answer | None:
    bake_seconds = case.plan.steps[case.progress.step_index].bake_seconds
    if case.progress.measured_seconds >= bake_seconds - GRID_TOLERANCE_SECONDS:
        return None
    counted = [item.name for item in case.plan.objectives if item.counts_requests]
    requests = max((_in_step(case, name).canary.requests for name in counted), default=0)
    sentence = sentences.baking(case.progress, bake_seconds, requests)
    return _Answer(Outcome.HOLD, Reason.BAKING, sentence)


def _without_requests(case: _Case) -> _Answer | None:
    """Hold a canary that is silent, or one objective of which too little was counted: none passes unseen."""
    last = case.evidence.last_canary_request_at
    silent = None if last is None else case.evidence.evaluated_until - last
    if silent is None or silent > TRAFFIC_SECONDS:
        return _Answer(Outcome.HOLD, Reason.NO_TRAFFIC, sentences.no_traffic(case.progress, silent))
    for objective, finding in zip(case.plan.objectives, case.findings, strict=True):
        counts = _in_step(case, objective.name)
        if counts.canary.requests < case.plan.min_requests:
            sentence = sentences.too_few_requests(case.progress, counts.canary.requests, finding)
            return _Answer(Outcome.HOLD, Reason.TOO_FEW_REQUESTS, sentence, objective.name)
        weight = case.plan.steps[case.progress.step_index].weight
        if weight < 100 and not counts.stable.requests:
            sentence = sentences.no_stable_traffic(case.progress, finding)
            return _Answer(Outcome.HOLD, Reason.NO_TRAFFIC, sentence, objective.name)
    return None


def _without_checks(case: _Case) -> _Answer | None:
    """Hold until each objective by the threshold rule was checked in this step, lately, and well."""
    for item in case.checked:
        checks, name = threshold.of_step(item, case.step_since), item.threshold.name
        if checks is None:
            sentence = threshold_sentences.none_taken(item, case.progress)
            return _Answer(Outcome.HOLD, Reason.TOO_FEW_CHECKS, sentence, name)
        if checks.is_silent:
            return _Answer(Outcome.HOLD, Reason.NO_DATA, threshold_sentences.silent(item), name)
        if checks.in_a_row:
            return _Answer(Outcome.HOLD, Reason.SUSPICION, threshold_sentences.over_now(item, checks), name)
    return None


def _under_suspicion(case: _Case) -> _Answer | None:
    """Hold while the evidence speaks against the canary, though not yet loudly enough to convict it.

    Under the null E exceeds s with a chance of at most 1/s, so a good canary seldom waits, and not for long.
    """
    if case.log_evidence < LOG_SUSPICION:
        return None
    worst = max(case.findings, key=lambda finding: finding.log_evidence_most)
    sentence = sentences.under_suspicion(worst, case.log_evidence, case.log_threshold)
    return _Answer(Outcome.HOLD, Reason.SUSPICION, sentence, worst.objective)


def _not_shown(case: _Case) -> _Answer | None:
    """Hold where the plan asks for evidence that going on is safe, and there is not enough of it yet."""
    lacking = missing(case.evidence, case.plan, case.progress.step_index)
    if lacking is None:
        return None
    finding = next(item for item in case.findings if item.objective == lacking.objective)
    sentence = sentences.not_shown(case.progress, finding, lacking)
    return _Answer(Outcome.HOLD, Reason.NOT_SHOWN_SAFE, sentence, lacking.objective)


def _in_step(case: _Case, objective: str) -> ArmCounts:
    return case.evidence.step_counts.get(objective, ArmCounts())

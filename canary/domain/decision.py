"""The decision: a pure function from a release, an observation and a time to the next release.

In every phase the causes that end a release are looked at first, and they need neither Prometheus
nor a person. Whatever is not certain waits. Nothing here does anything: ``canary.domain.effects``
derives what is to be done from the release after it has been saved.
"""

from dataclasses import dataclass, replace

from canary.domain.analysis import fold, judge, new_evidence, start_step, with_history, with_no_data
from canary.domain.carriers import has_weight, stable_can_carry
from canary.domain.counterfactual import limits_of
from canary.domain.effects import Effect, effects_of
from canary.domain.measurement import NOTHING, Measurement, grid_floor
from canary.domain.observation import Observation
from canary.domain.plan import Gate
from canary.domain.promotion import advance_promotion, begin_promotion
from canary.domain.record import Record, kept
from canary.domain.release import Phase, Release, canary_weight
from canary.domain.rollback import LACK_OF_EVIDENCE, advance_rollback, cause_to_end, roll_back
from canary.domain.split import look_at_split, split_of
from canary.domain.verdict import Outcome, Reason, Verdict
from canary.domain.waiting import blocked_by, deadline_passed, start_blocked_by

__all__ = ["Decision", "decide"]

SETTLING_SECONDS = 10.0
"""For how long after stable is back requests may still miss it: proxies learn late."""
SHIFT_PATIENCE_SECONDS = 10.0
"""For how long a weight that is not in force yet is progress; afterwards it is a hold."""
SOON_SECONDS = 1.0
"""How soon to look again while something in the cluster is expected to happen."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The release as it should be saved, what then has to be done, and when to look again."""

    release: Release
    effects: tuple[Effect, ...]
    wake_after_seconds: float | None
    """None: with the next data."""


def decide(release: Release, observation: Observation, now: float) -> Decision:
    """Say what becomes of ``release``. Total: defined for every release and every observation."""
    if release.phase.is_terminal:
        return Decision(release, (), None)
    learned = _learn(_note_weights(release, observation, now), observation, now)
    decided = _recorded(learned, _note_waiting(_next(learned, observation, now), now), observation)
    return Decision(decided, effects_of(decided, observation, now), _wake_after(release, decided))


def _note_weights(release: Release, observation: Observation, now: float) -> Release:
    """Let the step's clock run only while the routes carry its weight.

    A crash, a denied write or a hand on the wheel must not make a step of time without its traffic: whenever
    the weight comes into force, or out of it, the step begins anew.
    """
    if release.phase not in {Phase.PROGRESSING, Phase.HELD}:
        return release
    in_force = has_weight(observation, canary_weight(release))
    if in_force == release.in_force:
        return release
    return replace(release, in_force=in_force, step_since=now, evidence=start_step(release.evidence))


def _learn(release: Release, observation: Observation, now: float) -> Release:
    """Fold what was measured, as long as the canary may have traffic on the strength of it."""
    if not release.is_judged:
        return release
    if not stable_can_carry(observation):
        release = replace(release, stable_unready_at=now)
    evidence = with_history(release.evidence, observation.history, release.plan)
    for measurement in observation.measurements:
        evidence = fold(
            evidence,
            _without_losses_of_others(release, observation, measurement),
            release.plan,
            window_seconds=release.window_seconds,
            step_index=release.step,
            step_since=release.step_since,
        )
    release = replace(release, evidence=with_no_data(evidence, observation.no_data))
    if release.in_force and release.phase is not Phase.PROMOTING:
        release = look_at_split(release, observation.routes)
    evidence = release.evidence
    verdict = judge(
        evidence,
        release.plan,
        window_seconds=release.window_seconds,
        step_index=release.step,
        step_since=release.step_since,
        now=now,
    )
    if release.phase is Phase.PROMOTING and verdict.outcome is not Outcome.FAIL:
        # What promoted the release stays its verdict; only a failure may still change that.
        return release
    return replace(release, verdict=verdict)


def _without_losses_of_others(
    release: Release, observation: Observation, measurement: Measurement
) -> Measurement:
    """Leave out requests that reached no workload before the canary was sent any, or for want of stable."""
    start, unready_at = measurement.window.start, release.stable_unready_at
    is_stables = unready_at is not None and start <= unready_at + SETTLING_SECONDS
    if is_stables or _precedes_the_canary(release, observation, start):
        return replace(measurement, unattributed=NOTHING)
    return measurement


def _precedes_the_canary(release: Release, observation: Observation, start: float) -> bool:
    """Whether a window began before the canary had any weight in this release."""
    if release.step > 0:
        return False
    if release.in_force:
        return start < release.step_since
    return observation.routes.max_canary_percent == 0


def _recorded(learned: Release, decided: Release, observation: Observation) -> Release:
    """Keep the verdict on which a step is left or a release goes to its end, whoever asked for it."""
    verdict = learned.verdict
    ends = decided.phase is not learned.phase and decided.phase in {Phase.PROMOTING, Phase.ROLLING_BACK}
    if verdict is None or not learned.is_judged or not (ends or decided.step != learned.step):
        return decided
    record = Record(
        step=learned.step,
        since=learned.step_since,
        verdict=verdict,
        limits=limits_of(learned.evidence, learned.plan, learned.window_seconds),
        queries=observation.queries,
    )
    return replace(decided, records=kept(learned.records, record))


def _next(release: Release, observation: Observation, now: float) -> Release:
    if release.phase is Phase.ROLLING_BACK:
        return advance_rollback(release, observation, now)
    cause = cause_to_end(release, observation, now)
    if cause is not None:
        return roll_back(release, cause, now)
    match release.phase:
        case Phase.PENDING:
            return _advance_pending(release, observation, now)
        case Phase.PROGRESSING | Phase.HELD:
            return _advance_steps(release, observation, now)
        case _:
            return advance_promotion(release, observation, now)


def _advance_pending(release: Release, observation: Observation, now: float) -> Release:
    blocked = start_blocked_by(release, observation)
    if blocked is not None:
        return replace(release, reason=blocked.reason, message=blocked.message)
    first = release.plan.steps[0]
    started = release.to(
        Phase.PROGRESSING, Reason.STARTED, f"step 1 of {len(release.plan.steps)}: {first.weight} %", now
    )
    # What was measured before the canary had traffic says nothing; the log is read from here on.
    return replace(
        started, step=0, step_since=now, evidence=new_evidence(grid_floor(now, release.window_seconds))
    )


def _advance_steps(release: Release, observation: Observation, now: float) -> Release:
    verdict = release.verdict
    if verdict is None:
        return release
    blocked = blocked_by(release, observation)
    if blocked is not None:
        return _hold(release, blocked.reason, blocked.message, now)
    if observation.requests.promote:
        return begin_promotion(release, observation, "a person asked to promote now", now)
    if not release.in_force:
        return _wait_for_weights(release, now)
    if verdict.outcome is not Outcome.PASS:
        return _wait_for_evidence(release, verdict, now)
    if release.step + 1 < len(release.plan.steps):
        return _next_step(release, now)
    gates = release.plan.gates - observation.requests.approved
    if Gate.PROMOTION in gates:
        return _hold(release, Reason.GATE_CLOSED, "gate promotion waits for an approval", now)
    return begin_promotion(release, observation, verdict.sentence, now)


def _next_step(release: Release, now: float) -> Release:
    steps, index = release.plan.steps, release.step + 1
    resumed = _progressing(release, Reason.STARTED, "", now)
    return replace(
        resumed,
        step=index,
        in_force=False,
        step_since=now,
        reason=Reason.STARTED,
        message=f"step {index + 1} of {len(steps)}: {steps[index].weight} %",
        evidence=replace(start_step(release.evidence), split_before=split_of(release.evidence, release.plan)),
    )


def _wait_for_weights(release: Release, now: float) -> Release:
    message = (
        f"the routes do not carry the step's {canary_weight(release)} % yet; the step begins when they do"
    )
    if now - release.step_since < SHIFT_PATIENCE_SECONDS:
        return _progressing(release, Reason.SHIFTING, message, now)
    return _hold(release, Reason.SHIFTING, message, now)


def _wait_for_evidence(release: Release, verdict: Verdict, now: float) -> Release:
    """Baking is progress, also while a look brings nothing; being due and lacking something is a hold."""
    baking = now - release.step_since < release.plan.steps[release.step].bake_seconds
    doubt = release.evidence.split_doubt
    if doubt is not None:
        # Its clock starts again and again: what counts is for how long it has been so.
        baking = now - doubt.since < SHIFT_PATIENCE_SECONDS
    if verdict.reason is Reason.BAKING or (baking and verdict.reason in LACK_OF_EVIDENCE):
        return _progressing(release, verdict.reason, verdict.sentence, now)
    if deadline_passed(release, now):
        sentence = f"the deadline has passed without enough evidence to go on; {verdict.sentence}"
        return _hold(release, Reason.DEADLINE_EXCEEDED, sentence, now)
    return _hold(release, verdict.reason, verdict.sentence, now)


def _progressing(release: Release, reason: Reason, message: str, now: float) -> Release:
    if release.phase is Phase.HELD:
        return release.to(Phase.PROGRESSING, reason, message, now)
    return replace(release, reason=reason, message=message)


def _hold(release: Release, reason: Reason, message: str, now: float) -> Release:
    if release.phase is Phase.PROGRESSING:
        return release.to(Phase.HELD, reason, message, now)
    return replace(release, reason=reason, message=message)


def _note_waiting(release: Release, now: float) -> Release:
    """Keep account of the time spent waiting for people: it does not count against the deadline."""
    waits = release.reason is Reason.GATE_CLOSED and not release.phase.is_terminal
    if waits == (release.person_since is not None):
        return release
    if waits:
        return replace(release, person_since=now)
    waited = now - (release.person_since or now)
    return replace(release, person_since=None, person_waited_seconds=release.person_waited_seconds + waited)


def _wake_after(before: Release, after: Release) -> float | None:
    if _place(before) != _place(after):
        return 0.0
    return None if after.phase in {Phase.PROGRESSING, Phase.HELD} else SOON_SECONDS


def _place(release: Release) -> tuple[object, ...]:
    return (release.phase, release.stage, release.step, release.in_force)

"""Rolling back: why a release has to end early, and how it ends with all traffic on stable.

Rollback and abort come first in every phase and need neither Prometheus nor a person's answer. They
never send traffic to a stable that cannot serve: then it stays where it works, and the release says so.
"""

from dataclasses import dataclass, replace

from canary.domain.effects import is_drained, may_scale_down
from canary.domain.observation import Observation
from canary.domain.plan import OnNoData
from canary.domain.release import Phase, Release, Stage, canary_weight
from canary.domain.verdict import Outcome, Reason
from canary.domain.waiting import deadline_passed

__all__ = ["LACK_OF_EVIDENCE", "Cause", "advance_rollback", "cause_to_end", "roll_back"]

SCALE_DOWN_PATIENCE_SECONDS = 60.0
"""How long to wait, after the drain, for the canary's pods to go before the release ends without them."""
PROMOTION_PATIENCE_SECONDS = 900.0
"""How long stable may take to roll out the judged template."""
STAYS = "; traffic stays where it is: no pod of "
LACK_OF_EVIDENCE = frozenset({Reason.NO_DATA, Reason.NO_TRAFFIC, Reason.TOO_FEW_REQUESTS, Reason.SUSPICION})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a release ends early, and what it is then."""

    reason: Reason
    message: str
    ending: Phase = Phase.ROLLED_BACK
    leave_canary_at_once: bool = True
    """Traffic need not wait for stable's template to be restored: what carries it is worse."""


def cause_to_end(release: Release, observation: Observation, now: float) -> Cause | None:
    """Return the first cause to end ``release``, people's wishes first; None when there is none."""
    return (
        _asked_to_end(observation)
        or _workload_gone_wrong(release, observation, now)
        or _judged_bad(release)
        or _out_of_time(release, now)
    )


def _asked_to_end(observation: Observation) -> Cause | None:
    if observation.requests.abort is not None:
        return Cause(Reason.ABORTED, observation.requests.abort, leave_canary_at_once=False)
    if observation.plan is None and not observation.plan_problems:
        return Cause(
            Reason.OPTED_OUT,
            "the service is gone or no longer annotated canaryctl.dev/enabled",
            leave_canary_at_once=False,
        )
    return None


def _workload_gone_wrong(release: Release, observation: Observation, now: float) -> Cause | None:
    if release.phase is Phase.PROMOTING:
        return _promotion_gone_wrong(release, observation, now)
    canary = observation.canary
    if canary is None:
        return Cause(Reason.CANARY_MISSING, f"workload {release.plan.canary} does not exist any more")
    if canary.revision and canary.revision != release.revision:
        if observation.canary_matches_stable:
            message = f"{canary.name} went back to what stable runs"
            return Cause(Reason.MATCHES_STABLE, message, Phase.SUPERSEDED)
        message = f"{canary.name} now carries revision {canary.revision}, which is judged from its first step"
        return Cause(Reason.NEW_REVISION, message, Phase.SUPERSEDED)
    if release.phase is Phase.PENDING:
        return None
    if canary.trouble:
        return Cause(Reason.CANARY_FAILING, f"{canary.name}: {canary.trouble}")
    if not canary.can_serve:
        return Cause(Reason.CANARY_NOT_READY, f"no pod of {canary.name} is ready any more")
    routes = observation.routes
    if routes.problems:
        return Cause(Reason.ROUTES_INVALID, str(routes.problems[0]))
    if not routes.routes:
        return Cause(Reason.ROUTES_MISSING, "no route sends traffic to both workloads any more")
    return None


def _promotion_gone_wrong(release: Release, observation: Observation, now: float) -> Cause | None:
    stable = observation.stable
    if stable is None:
        return None
    if observation.judged_template_gone and not observation.stable_holds_judged:
        message = f"Kubernetes no longer has the template of revision {release.revision}"
        return Cause(Reason.PROMOTION_FAILED, message, leave_canary_at_once=False)
    if observation.stable_holds_judged and stable.trouble:
        message = f"{stable.name} does not run the judged template: {stable.trouble}"
        return Cause(Reason.PROMOTION_FAILED, message, leave_canary_at_once=False)
    if now - release.phase_since > PROMOTION_PATIENCE_SECONDS and not stable.rolled_out:
        message = f"{stable.name} was not ready {PROMOTION_PATIENCE_SECONDS:.0f} s after promotion began"
        return Cause(Reason.PROMOTION_FAILED, message, leave_canary_at_once=False)
    return None


def _judged_bad(release: Release) -> Cause | None:
    verdict = release.verdict
    may_convict = release.phase in {Phase.PROGRESSING, Phase.HELD} or release.stage is Stage.COPYING
    if verdict is not None and may_convict and verdict.outcome is Outcome.FAIL:
        return Cause(verdict.reason, verdict.sentence)
    return None


def _out_of_time(release: Release, now: float) -> Cause | None:
    if not deadline_passed(release, now) or release.phase is Phase.PROMOTING:
        return None
    if release.phase is Phase.PENDING:
        if release.reason is Reason.GATE_CLOSED:
            return None
        return Cause(Reason.DEADLINE_EXCEEDED, f"not ready to begin in time: {release.message}")
    verdict = release.verdict
    lacks_evidence = verdict is not None and verdict.reason in LACK_OF_EVIDENCE
    if lacks_evidence and release.plan.on_no_data is OnNoData.ROLLBACK:
        return Cause(Reason.DEADLINE_EXCEEDED, f"no verdict in time: {verdict.sentence if verdict else ''}")
    return None


def roll_back(release: Release, cause: Cause, now: float) -> Release:
    """Begin to end ``release``; stable's template is restored first when it may have been changed."""
    restoring = release.phase is Phase.PROMOTING and release.previous_template is not None
    return replace(
        release.to(Phase.ROLLING_BACK, cause.reason, cause.message, now),
        stage=Stage.RESTORING if restoring else Stage.RETURNING,
        held_weight=0 if cause.leave_canary_at_once else canary_weight(release),
        ending=cause.ending,
    )


def advance_rollback(release: Release, observation: Observation, now: float) -> Release:
    """Take the next part of a rollback when the world has done the present one."""
    stable, canary = observation.stable, observation.canary
    match release.stage:
        case Stage.RESTORING:
            if observation.stable_holds_previous and stable is not None and stable.rolled_out:
                return release.at(Stage.RETURNING, now)
            if (canary is None or not canary.can_serve) and stable is not None and stable.can_serve:
                return replace(release, held_weight=0)
            return release
        case Stage.RETURNING:
            abandoned = stable is None and release.reason is Reason.OPTED_OUT
            if observation.routes.max_canary_percent > 0 and not abandoned:
                return _waiting_for_stable(release, observation)
            if release.ending is Phase.SUPERSEDED and not observation.canary_matches_stable:
                return _finish(release, now)
            return release.at(Stage.DRAINING, now)
        case _:
            patience = release.plan.drain_seconds + SCALE_DOWN_PATIENCE_SECONDS
            waited = now - release.stage_since > patience
            if waited or (is_drained(release, now) and not may_scale_down(release, observation)):
                return _finish(release, now)
            return release


def _waiting_for_stable(release: Release, observation: Observation) -> Release:
    """Say so when traffic cannot go back because nothing would answer there."""
    cause = release.message.split(STAYS)[0]
    if observation.stable is not None and observation.stable.can_serve:
        return replace(release, message=cause)
    return replace(release, message=f"{cause}{STAYS}{release.plan.stable} is ready to take it")


def _finish(release: Release, now: float) -> Release:
    return release.to(release.ending, release.reason, release.message, now)

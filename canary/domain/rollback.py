"""Rolling back: why a release has to end early, and how it ends with all traffic on stable.

Rollback and abort come first in every phase and need neither Prometheus nor a person's answer. They
never send traffic to a stable that cannot serve: then it stays where it works, and the release says so.
"""

from dataclasses import dataclass, replace

from canary.domain.carriers import (
    canary_carries_judged,
    is_out_of_sight,
    is_settled,
    stable_can_carry,
    traffic_has_left,
)
from canary.domain.drain import drain_is_over, with_word_of_drain
from canary.domain.observation import Observation, Workload
from canary.domain.plan import OnNoData
from canary.domain.release import Phase, Release, Stage, canary_weight
from canary.domain.verdict import Outcome, Reason
from canary.domain.waiting import deadline_passed

__all__ = ["LACK_OF_EVIDENCE", "Cause", "advance_rollback", "cause_to_end", "roll_back"]

ROLLOUT_PATIENCE_SECONDS = 900.0
"""How long stable may take to roll out a template, the judged one or its previous one."""
LASTING_SECONDS = 30.0
"""A deadline rolls back for lack of data only when it has lasted: one failed look is none."""
STAYS = "; traffic stays where it is: no pod of "
WITHHELD = "; traffic was not returned everywhere: "
LACK_OF_EVIDENCE = frozenset(
    {
        Reason.NO_DATA,
        Reason.NO_TRAFFIC,
        Reason.TOO_FEW_REQUESTS,
        Reason.TOO_FEW_CHECKS,
        Reason.SUSPICION,
        Reason.NOT_SHOWN_SAFE,
        Reason.SPLIT_NOT_OBSERVED,
    }
)


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
        _asked_to_end(release, observation)
        or _workload_gone_wrong(release, observation, now)
        or _judged_bad(release)
        or _out_of_time(release, now)
    )


def _asked_to_end(release: Release, observation: Observation) -> Cause | None:
    if observation.requests.abort is not None:
        return Cause(Reason.ABORTED, observation.requests.abort, leave_canary_at_once=False)
    # Once stable runs what was judged, returning traffic to it is all that opting out asks for.
    nearly_done = release.phase is Phase.PROMOTING and release.stage is not Stage.COPYING
    if observation.plan is None and not observation.plan_problems and not nearly_done:
        message = "the service is gone or no longer annotated canaryctl.dev/enabled"
        return Cause(Reason.OPTED_OUT, message, leave_canary_at_once=False)
    return None


def _workload_gone_wrong(release: Release, observation: Observation, now: float) -> Cause | None:
    if release.phase is Phase.PROMOTING:
        return _promotion_gone_wrong(release, observation, now)
    canary = observation.canary
    if canary is None:
        return Cause(Reason.CANARY_MISSING, f"workload {release.plan.canary} does not exist any more")
    if canary.revision not in {"", release.revision}:
        return _another_revision(observation, canary.name, canary.revision)
    if release.phase is Phase.PENDING:
        return _another_plan(release, observation)
    if canary.trouble:
        return Cause(Reason.CANARY_FAILING, f"{canary.name}: {canary.trouble}")
    if not canary.can_serve:
        return _unready(canary.name, canary)
    # What is withheld is held for: it may be shared again, and until then the canary is judged as before.
    if observation.routes.faults:
        return Cause(Reason.ROUTES_INVALID, str(observation.routes.faults[0]))
    return None


def _unready(name: str, canary: Workload | None) -> Cause:
    scaled = ": it is scaled to 0" if canary is not None and canary.replicas == 0 else ""
    return Cause(Reason.CANARY_NOT_READY, f"no pod of {name} is ready any more{scaled}")


def _another_plan(release: Release, observation: Observation) -> Cause | None:
    """Nothing has begun yet: an owner who mends an annotation gets a release that goes by it."""
    if observation.plan is None or observation.plan == release.plan:
        return None
    message = "the plan was changed before the first step; a release that goes by it begins"
    return Cause(Reason.PLAN_CHANGED, message, Phase.SUPERSEDED)


def _another_revision(observation: Observation, canary: str, revision: str) -> Cause:
    if observation.canary_matches_stable:
        return Cause(Reason.MATCHES_STABLE, f"{canary} went back to what stable runs", Phase.SUPERSEDED)
    message = f"{canary} now carries revision {revision}, which is judged from its first step"
    return Cause(Reason.NEW_REVISION, message, Phase.SUPERSEDED)


def _promotion_gone_wrong(release: Release, observation: Observation, now: float) -> Cause | None:
    """What ends a promotion. Once stable has proven ready, only a person does."""
    stable, canary = observation.stable, observation.canary
    if release.stage is Stage.DRAINING or stable is None:
        return None
    copying, holds = release.stage is Stage.COPYING, observation.stable_holds_judged
    if copying and observation.judged_template_gone:
        message = f"Kubernetes no longer has the template of revision {release.revision}"
        return Cause(Reason.PROMOTION_FAILED, message, leave_canary_at_once=False)
    if copying and not holds and not canary_carries_judged(release, observation) and stable.can_serve:
        if canary is not None and canary.revision not in {"", release.revision}:
            return _another_revision(observation, canary.name, canary.revision)
        return _unready(release.plan.canary, canary)
    if holds and stable.trouble:
        message = f"{stable.name} does not run the judged template: {stable.trouble}"
        return Cause(Reason.PROMOTION_FAILED, message, leave_canary_at_once=False)
    if now - release.stage_since > ROLLOUT_PATIENCE_SECONDS and not is_settled(observation):
        message = f"{stable.name} did not run the judged template after {ROLLOUT_PATIENCE_SECONDS:.0f} s"
        return Cause(Reason.PROMOTION_FAILED, message, leave_canary_at_once=False)
    return None


def _judged_bad(release: Release) -> Cause | None:
    verdict = release.verdict
    if verdict is not None and release.is_judged and verdict.outcome is Outcome.FAIL:
        return Cause(verdict.reason, verdict.sentence)
    return None


def _out_of_time(release: Release, now: float) -> Cause | None:
    if not deadline_passed(release, now) or release.phase is Phase.PROMOTING:
        return None
    if release.phase is Phase.PENDING:
        if release.reason is Reason.GATE_CLOSED:
            return None
        # The obstacle's own reason: whether the revision may be tried again by itself depends on it.
        return Cause(release.reason, f"not ready to begin in time: {release.message}")
    verdict = release.verdict
    if verdict is None or verdict.reason not in LACK_OF_EVIDENCE:
        return None
    evidence = release.evidence
    # Windows may well come while the data of one objective does not.
    lacking_since = min(evidence.evaluated_until, evidence.no_data_since or evidence.evaluated_until)
    fleeting = verdict.reason is Reason.NO_DATA and now - lacking_since < LASTING_SECONDS
    if fleeting or release.plan.on_no_data is not OnNoData.ROLLBACK:
        return None
    return Cause(Reason.DEADLINE_EXCEEDED, f"no verdict in time: {verdict.sentence}")


def roll_back(release: Release, cause: Cause, now: float) -> Release:
    """Begin to end ``release``; stable's template is restored first when it may have been changed."""
    restoring = release.phase is Phase.PROMOTING and release.previous_template is not None
    ended = replace(
        release.to(Phase.ROLLING_BACK, cause.reason, cause.message, now),
        held_weight=0 if cause.leave_canary_at_once else canary_weight(release),
        ending=cause.ending,
    )
    return ended.at(Stage.RESTORING if restoring else Stage.RETURNING, now)


def advance_rollback(release: Release, observation: Observation, now: float) -> Release:
    """Take the next part of a rollback when the world has done the present one."""
    match release.stage:
        case Stage.RESTORING:
            return _advance_restoring(release, observation, now)
        case Stage.RETURNING:
            return _advance_returning(release, observation, now)
        case _:
            if observation.routes.max_canary_percent > 0:
                # Somebody gave the canary weight again: its pods may not go before that is gone.
                return release.at(Stage.RETURNING, now)
            told = with_word_of_drain(release, observation, now)
            return _finish(told, now) if drain_is_over(release, observation, now) else told


def _advance_restoring(release: Release, observation: Observation, now: float) -> Release:
    stable = observation.stable
    if stable is None:
        return release.at(Stage.RETURNING, now)
    restored = observation.stable_holds_previous and stable.rolled_out
    edited = not (
        observation.stable_holds_previous
        or observation.stable_holds_judged
        or observation.judged_template_gone
    )
    # A template that somebody else has written since is theirs; and patience ends where stable can serve.
    impatient = now - release.stage_since > ROLLOUT_PATIENCE_SECONDS
    if restored or (stable.can_serve and (edited or impatient)):
        return release.at(Stage.RETURNING, now)
    if not canary_carries_judged(release, observation) and stable.can_serve:
        return replace(release, held_weight=0)
    return release


def _advance_returning(release: Release, observation: Observation, now: float) -> Release:
    abandoned = observation.stable is None and release.reason is Reason.OPTED_OUT
    if abandoned:
        return _finish(release, now)
    # A release that was never judged never gave the canary weight: there is nothing to wait for.
    untouched = observation.routes.max_canary_percent == 0 and release.verdict is None
    if not (traffic_has_left(observation) or is_out_of_sight(release, observation, now) or untouched):
        return _waiting(release, observation)
    if release.ending is Phase.SUPERSEDED and not observation.canary_matches_stable:
        return _finish(release, now)
    return release.at(Stage.DRAINING, now)


def _waiting(release: Release, observation: Observation) -> Release:
    """Say so when traffic cannot go back: nothing would answer there, or a route is not ours to write."""
    cause = release.message.split(STAYS)[0].split(WITHHELD)[0]
    withheld = observation.routes.withheld
    if not stable_can_carry(observation):
        cause = f"{cause}{STAYS}{release.plan.stable} is ready to take it"
    elif withheld:
        cause = f"{cause}{WITHHELD}{withheld[0]}"
    return replace(release, message=cause)


def _finish(release: Release, now: float) -> Release:
    return release.to(release.ending, release.reason, release.message, now)

"""Promotion: what was judged becomes stable, and can be taken back until stable has proven ready.

Copying: the judged template is rolled out in stable while traffic stays where it is. Returning: all
traffic goes to stable. Draining: the canary's pods go. When the canary stops being what was judged, or
stops serving, traffic goes to stable as soon as stable has a ready pod, and promotion goes on.
"""

from dataclasses import replace

from canary.domain.effects import is_drained, may_scale_down
from canary.domain.observation import Observation
from canary.domain.release import Phase, Release, Stage
from canary.domain.rollback import SCALE_DOWN_PATIENCE_SECONDS
from canary.domain.verdict import Reason

__all__ = ["advance_promotion", "begin_promotion"]


def begin_promotion(release: Release, observation: Observation, why: str, now: float) -> Release:
    """Enter Promoting, keeping stable's present template so that it can be restored."""
    stable = observation.stable
    if stable is None or observation.stable_template is None:
        return release
    return replace(
        release.to(Phase.PROMOTING, Reason.PROMOTED, why, now),
        stage=Stage.COPYING,
        stable_revision=stable.revision,
        previous_template=observation.stable_template,
    )


def advance_promotion(release: Release, observation: Observation, now: float) -> Release:
    """Take the next part of a promotion when the world has done the present one."""
    stable, canary = observation.stable, observation.canary
    if stable is None:
        return replace(release, message=f"workload {release.plan.stable} does not exist any more")
    settled = observation.stable_holds_judged and stable.rolled_out
    match release.stage:
        case Stage.COPYING:
            canary_serves = canary is not None and canary.can_serve and canary.revision == release.revision
            # An unjudged or dead canary may not keep the traffic; stable's pods, old or new, are known.
            if settled or (observation.stable_holds_judged and not canary_serves and stable.can_serve):
                return release.at(Stage.RETURNING, now)
            return release
        case Stage.RETURNING:
            if settled and observation.routes.max_canary_percent == 0:
                return release.at(Stage.DRAINING, now)
            return release
        case _:
            patience = release.plan.drain_seconds + SCALE_DOWN_PATIENCE_SECONDS
            waited = now - release.stage_since > patience
            if waited or (is_drained(release, now) and not may_scale_down(release, observation)):
                message = f"revision {release.revision} is stable now"
                return release.to(Phase.SUCCEEDED, Reason.PROMOTED, message, now)
            return release

"""Promotion: what was judged becomes stable, and can be taken back until stable has proven ready.

Copying: the judged template is rolled out in stable while traffic stays where it is. Returning: all
traffic goes to stable. Draining: the canary's pods go. When the canary stops being what was judged, or
stops serving, traffic goes to stable as soon as stable has a ready pod, and promotion goes on.
"""

from dataclasses import replace

from canary.domain.carriers import (
    canary_carries_judged,
    is_out_of_sight,
    is_settled,
    stable_can_carry,
    traffic_has_left,
)
from canary.domain.drain import drain_is_over, with_word_of_drain
from canary.domain.observation import Observation
from canary.domain.release import Phase, Release, Stage
from canary.domain.verdict import Reason

__all__ = ["advance_promotion", "begin_promotion"]


def begin_promotion(release: Release, observation: Observation, why: str, now: float) -> Release:
    """Enter Promoting, keeping stable's present template so that it can be restored."""
    if observation.stable is None or observation.stable_template is None:
        return release
    promoting = release.to(Phase.PROMOTING, Reason.PROMOTED, why, now)
    return replace(promoting, previous_template=observation.stable_template).at(Stage.COPYING, now)


def advance_promotion(release: Release, observation: Observation, now: float) -> Release:
    """Take the next part of a promotion when the world has done the present one."""
    if observation.stable is None:
        return replace(release, message=f"workload {release.plan.stable} does not exist any more")
    match release.stage:
        case Stage.COPYING:
            # An unjudged or dead canary may not keep the traffic; stable's pods, old or new, are known.
            urgent = observation.stable_holds_judged and not canary_carries_judged(release, observation)
            if is_settled(observation) or (urgent and stable_can_carry(observation)):
                return release.at(Stage.RETURNING, now)
            return release
        case Stage.RETURNING:
            has_left = traffic_has_left(observation) or is_out_of_sight(release, observation, now)
            return release.at(Stage.DRAINING, now) if is_settled(observation) and has_left else release
        case _:
            if observation.routes.max_canary_percent > 0:
                # Somebody gave the canary weight again: its pods may not go before that is gone.
                return release.at(Stage.RETURNING, now)
            if not drain_is_over(release, observation, now):
                return with_word_of_drain(release, observation, now)
            message = f"revision {release.revision} is stable now"
            return release.to(Phase.SUCCEEDED, Reason.PROMOTED, message, now)

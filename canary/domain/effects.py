"""Effects: what is to be done to the world, derived from a saved release and an observation.

Deriving instead of remembering is what makes a crash between saving and acting heal by itself: the
next pass derives the same effects again, and none when the world already is as it should be.
"""

from dataclasses import dataclass

from canary.domain.drain import may_end_pods
from canary.domain.observation import Observation
from canary.domain.release import Phase, Release, Stage, canary_weight
from canary.domain.weight import split_total

__all__ = [
    "Effect",
    "PromoteTemplate",
    "RestoreTemplate",
    "ScaleCanary",
    "ShiftTraffic",
    "effects_of",
    "idle_effects",
]


@dataclass(frozen=True, slots=True)
class ShiftTraffic:
    """Give the canary this percent of every route."""

    canary_percent: int


@dataclass(frozen=True, slots=True)
class ScaleCanary:
    """Ask for this many canary pods."""

    replicas: int


@dataclass(frozen=True, slots=True)
class PromoteTemplate:
    """Write the judged revision's template to stable."""

    revision: str


@dataclass(frozen=True, slots=True)
class RestoreTemplate:
    """Write stable's previous template back."""

    template: str


Effect = ShiftTraffic | ScaleCanary | PromoteTemplate | RestoreTemplate


def effects_of(release: Release, observation: Observation, now: float) -> tuple[Effect, ...]:
    """What has to be done so that the world matches ``release``, in order; empty when it does."""
    if release.phase.is_terminal:
        return ()
    workload = _workload_effect(release, observation, now)
    traffic = _traffic_effect(release, observation)
    return tuple(effect for effect in (traffic, workload) if effect is not None)


def idle_effects(observation: Observation) -> tuple[ShiftTraffic, ...]:
    """What has to be done while no release is under way: all traffic belongs to stable.

    A weight left on the canary would hand the next revision traffic before its first step.
    """
    stable, routes = observation.stable, observation.routes
    if routes.faults or routes.max_canary_percent == 0 or stable is None or not stable.can_serve:
        return ()
    return (ShiftTraffic(0),)


def _traffic_effect(release: Release, observation: Observation) -> ShiftTraffic | None:
    """Never towards what is not ready, and never up where not every route can be shifted with the others."""
    target = canary_weight(release)
    changes = [
        split_total(route.split.total, target).canary - route.split.canary
        for route in observation.routes.routes
        if route.split.total > 0
    ]
    goes_up = any(change > 0 for change in changes)
    goes_down = any(change < 0 for change in changes)
    if not goes_up and not goes_down:
        return None
    canary, stable = observation.canary, observation.stable
    may_go_up = canary and canary.can_serve and canary.revision == release.revision
    if goes_up and (observation.routes.problems or not may_go_up):
        return None
    if goes_down and not (stable and stable.can_serve):
        return None
    return ShiftTraffic(target)


def _workload_effect(release: Release, observation: Observation, now: float) -> Effect | None:
    canary, stable = observation.canary, observation.stable
    match release.phase, release.stage:
        case Phase.PENDING, _:
            if canary and stable and canary.replicas == 0:
                # As many as stable has: at 100 % the canary carries what stable carries now.
                return ScaleCanary(max(1, stable.replicas))
        case Phase.PROMOTING, Stage.COPYING:
            if stable and not observation.stable_holds_judged and not observation.judged_template_gone:
                return PromoteTemplate(release.revision)
        case Phase.ROLLING_BACK, Stage.RESTORING:
            ours = observation.stable_holds_judged or observation.judged_template_gone
            if stable and release.previous_template and ours and not observation.stable_holds_previous:
                return RestoreTemplate(release.previous_template)
        case ((Phase.PROMOTING | Phase.ROLLING_BACK), Stage.DRAINING):
            if may_end_pods(release, observation, now):
                return ScaleCanary(0)
        case _:
            pass
    return None

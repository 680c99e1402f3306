"""Who can carry traffic: asked wherever a release ends, so that it is answered in one way.

Nothing here looks at weights; it says where they may safely lie.
"""

from canary.domain.observation import Observation
from canary.domain.release import Release
from canary.domain.weight import split_total

__all__ = [
    "canary_carries_judged",
    "has_weight",
    "is_out_of_sight",
    "is_settled",
    "stable_can_carry",
    "traffic_has_left",
]

UNSEEN_PATIENCE_SECONDS = 60.0
"""How long to wait for routes that cannot be made out before the release ends without touching the pods."""


def canary_carries_judged(release: Release, observation: Observation) -> bool:
    """Whether the canary has a ready pod, and its pods are of the revision that is judged.

    While Kubernetes has made nothing of a new template yet, the pods still are.
    """
    canary = observation.canary
    return canary is not None and canary.can_serve and canary.revision in {release.revision, ""}


def stable_can_carry(observation: Observation) -> bool:
    """Whether stable has a ready pod."""
    return observation.stable is not None and observation.stable.can_serve


def is_settled(observation: Observation) -> bool:
    """Whether stable runs the judged template, every pod of it ready.

    When Kubernetes no longer has the judged template to compare with, being rolled out has to do.
    """
    stable = observation.stable
    holds = observation.stable_holds_judged or observation.judged_template_gone
    return stable is not None and stable.rolled_out and holds


def has_weight(observation: Observation, canary_percent: int) -> bool:
    """Whether every route gives the canary just the weight that this percentage comes to."""
    routes = observation.routes.routes
    return bool(routes) and all(
        route.split == split_total(max(1, route.split.total), canary_percent) for route in routes
    )


def traffic_has_left(observation: Observation) -> bool:
    """Whether no route gives the canary any weight. Routes that cannot be made out prove nothing.

    Where no VirtualService is left, requests are spread over all pods: then only ending the canary's pods
    takes traffic from it, as soon as stable can carry it.
    """
    routes = observation.routes
    if routes.absent:
        return stable_can_carry(observation)
    return bool(routes.routes) and not routes.problems and routes.max_canary_percent == 0


def is_out_of_sight(release: Release, observation: Observation, now: float) -> bool:
    """Whether no route that can be seen gives the canary weight, and the others were waited for in vain.

    Then a release may end, lest it keep the next revision from ever being judged; the canary's pods may not.
    """
    waited = now - release.stage_since > UNSEEN_PATIENCE_SECONDS
    return waited and observation.routes.max_canary_percent == 0

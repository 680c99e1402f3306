"""Succession: whether the canary's revision deserves a release of its own, and which attempt it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from canary.domain.analysis import new_evidence
from canary.domain.measurement import grid_floor
from canary.domain.observation import Observation
from canary.domain.plan import Plan, ServiceKey
from canary.domain.release import Phase, Release
from canary.domain.verdict import Reason
from canary.domain.waiting import Obstacle

__all__ = ["Predecessor", "next_release"]

NOT_ITS_FAULT = frozenset(
    {
        Reason.CANARY_MISSING,
        Reason.OPTED_OUT,
        Reason.ROUTES_INVALID,
        Reason.STABLE_MISSING,
        Reason.STABLE_NOT_READY,
    }
)
"""Endings that say nothing about the revision: it may be tried again without being asked for."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A finished release, and whether somebody asked for another attempt at its revision."""

    release: Release
    retry: bool


def next_release(
    key: ServiceKey,
    plan: Plan,
    history: Sequence[Predecessor],
    observation: Observation,
    *,
    window_seconds: float,
    now: float,
) -> Release | Obstacle:
    """Return the release that should begin now, or why none does. ``history`` is oldest first."""
    canary = observation.canary
    if observation.stable is None:
        message = f"workload {plan.stable} does not exist: there is nothing to compare a canary with"
        return Obstacle(Reason.STABLE_MISSING, message)
    if canary is None:
        message = f"workload {plan.canary} does not exist: deploy it to begin a release"
        return Obstacle(Reason.CANARY_MISSING, message)
    if not canary.revision:
        return Obstacle(
            Reason.CANARY_NOT_READY, f"Kubernetes has not yet rolled out the template of {canary.name}"
        )
    if observation.canary_matches_stable:
        return Obstacle(Reason.MATCHES_STABLE, f"{canary.name} asks for what {plan.stable} already runs")
    attempt = _attempt(history, canary.revision)
    if attempt is None:
        message = f"revision {canary.revision} was rolled back before and is not tried again by itself"
        return Obstacle(Reason.ROLLED_BACK, message)
    return Release(
        key=key,
        revision=canary.revision,
        attempt=attempt,
        plan=plan,
        window_seconds=window_seconds,
        created_at=now,
        phase_since=now,
        step_since=now,
        evidence=new_evidence(grid_floor(now, window_seconds)),
        message="waiting for the canary to be ready",
        original_weights={
            f"{route.virtual_service}/{route.index}": route.split.canary
            for route in observation.routes.routes
        },
    )


def _attempt(history: Sequence[Predecessor], revision: str) -> int | None:
    same = [item for item in history if item.release.revision == revision]
    if not same:
        return 1
    last = same[-1]
    judged_bad = last.release.phase is Phase.ROLLED_BACK and last.release.reason not in NOT_ITS_FAULT
    if judged_bad and not last.retry:
        return None
    return last.release.attempt + 1

"""What a release may have to wait for, in the order in which a person would want to hear of it."""

from dataclasses import dataclass

from canary.domain.observation import Observation, Workload
from canary.domain.plan import Gate
from canary.domain.release import Release
from canary.domain.verdict import Reason
from canary.domain.weight import percent_of, split_total

__all__ = ["Obstacle", "blocked_by", "deadline_passed", "start_blocked_by"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a release cannot go on now, in a word that scripts match and a sentence that people read."""

    reason: Reason
    message: str


def deadline_passed(release: Release, now: float) -> bool:
    """Whether the release has lasted longer than its plan allows, time waiting for people left aside."""
    waiting = now - release.person_since if release.person_since is not None else 0.0
    waited = release.person_waited_seconds + waiting
    return now - release.created_at - waited > release.plan.deadline_seconds


def start_blocked_by(release: Release, observation: Observation) -> Obstacle | None:
    """Return what keeps a pending release from its first step; None when it may begin."""
    obstacle = blocked_by(release, observation)
    if obstacle is not None:
        return obstacle
    if observation.routes.problems:
        return Obstacle(Reason.ROUTES_INVALID, str(observation.routes.problems[0]))
    too_coarse = _too_coarse(release, observation)
    if too_coarse is not None:
        return too_coarse
    if observation.routes.max_canary_percent > 0:
        return Obstacle(Reason.STARTED, "returning the weights to 100/0 before the first step")
    if Gate.FIRST_STEP in release.plan.gates - observation.requests.approved:
        return Obstacle(Reason.GATE_CLOSED, "gate first-step waits for an approval")
    return None


def _too_coarse(release: Release, observation: Observation) -> Obstacle | None:
    """Weights that cannot express a step to within a factor of two would make another plan of it."""
    for route in observation.routes.routes:
        for step in release.plan.steps:
            real = percent_of(split_total(max(1, route.split.total), step.weight))
            if not step.weight / 2 <= real <= step.weight * 2:
                message = (
                    f"VirtualService {route.virtual_service}, {route.name}: the two weights sum to "
                    f"{route.split.total}, of which {step.weight} % would be {real:.0f} %; "
                    "let them sum to 100"
                )
                return Obstacle(Reason.ROUTES_INVALID, message)
    return None


def blocked_by(release: Release, observation: Observation) -> Obstacle | None:
    """Return what keeps a release at its step whatever the evidence says; None when nothing does."""
    stable, canary, plan = observation.stable, observation.canary, release.plan
    if stable is None:
        return Obstacle(
            Reason.STABLE_MISSING, f"workload {plan.stable} does not exist: there is nothing to compare with"
        )
    if not stable.can_serve:
        return Obstacle(
            Reason.STABLE_NOT_READY, f"no pod of {stable.name} is ready{_because(stable.trouble)}"
        )
    if canary is None:
        return Obstacle(Reason.CANARY_MISSING, f"workload {plan.canary} does not exist")
    if canary.revision != release.revision or not canary.rolled_out:
        return Obstacle(Reason.CANARY_NOT_READY, _unready(release, canary) + _because(canary.trouble))
    if observation.routes.withheld:
        return Obstacle(Reason.ROUTES_INVALID, str(observation.routes.withheld[0]))
    return None


def _unready(release: Release, canary: Workload) -> str:
    counts = f"{canary.ready} of {canary.replicas} pods of {canary.name} are ready"
    if canary.ready >= canary.replicas > 0:
        # They are of the revision before, which serves until the new pods do.
        return f"{counts}, but the rollout of revision {release.revision} is not complete"
    return counts


def _because(trouble: str | None) -> str:
    return f": {trouble}" if trouble else ""

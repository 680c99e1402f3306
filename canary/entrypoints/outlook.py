"""What happens next with a release, in words and, where it is known, in how many seconds at the earliest."""

from dataclasses import dataclass

from canary.domain.plan import Gate
from canary.domain.release import Phase, Release, Stage

__all__ = ["Outlook", "outlook"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """The next thing to happen; ``in_seconds`` is the earliest; None: the world decides."""

    text: str
    in_seconds: float | None = None


def outlook(release: Release, now: float) -> Outlook:
    """Say what comes next; nothing here promises that it does."""
    match release.phase:
        case Phase.PENDING:
            return _before_the_first_step(release)
        case Phase.PROGRESSING | Phase.HELD:
            return _after_the_present_step(release, now)
        case Phase.PROMOTING:
            return Outlook(_of_promotion(release))
        case Phase.ROLLING_BACK:
            return Outlook(_of_rollback(release))
        case Phase.SUCCEEDED:
            return Outlook("nothing: the next revision of the canary begins the next release")
        case Phase.ROLLED_BACK:
            return Outlook(f"deploy a corrected revision, or: canaryctl retry {_target(release)}")
        case Phase.SUPERSEDED:
            return Outlook("nothing: what replaced this revision goes its own way")


def _target(release: Release) -> str:
    return f"{release.key.name} -n {release.key.namespace}"


def _before_the_first_step(release: Release) -> Outlook:
    first = f"step 1 of {len(release.plan.steps)} ({release.plan.steps[0].weight} %)"
    if Gate.FIRST_STEP in release.plan.gates:
        approve = f"canaryctl approve {_target(release)} {Gate.FIRST_STEP.value}"
        return Outlook(f"{first}, when the canary is ready and the gate is open: {approve}")
    return Outlook(f"{first}, when the canary is ready")


def _after_the_present_step(release: Release, now: float) -> Outlook:
    steps, index = release.plan.steps, release.step
    earliest = max(0.0, release.step_since + steps[index].bake_seconds - now)
    if index + 1 < len(steps):
        return Outlook(f"step {index + 2} of {len(steps)} ({steps[index + 1].weight} %)", earliest)
    if Gate.PROMOTION in release.plan.gates:
        approve = f"canaryctl approve {_target(release)} {Gate.PROMOTION.value}"
        return Outlook(f"promotion, when the gate is open: {approve}", earliest)
    return Outlook("promotion", earliest)


def _of_promotion(release: Release) -> str:
    match release.stage:
        case Stage.RETURNING:
            return "all traffic goes to stable, which runs the judged template"
        case Stage.DRAINING:
            return f"the pods of {release.plan.canary} end"
        case _:
            return f"{release.plan.stable} rolls out the judged template, then all traffic goes to it"


def _of_rollback(release: Release) -> str:
    match release.stage:
        case Stage.RESTORING:
            return f"{release.plan.stable} gets its previous template back, then all traffic"
        case Stage.DRAINING:
            return f"the pods of {release.plan.canary} end"
        case _:
            return "all traffic goes to stable"

"""A release: one attempt to replace stable by one canary revision, and the table of its phases.

The table below is the only place that says which phase may follow which; the diagram in
docs/architecture.md is drawn from it, and ``Release.to`` refuses anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

from canary.domain.evidence import Evidence
from canary.domain.plan import Plan, ServiceKey
from canary.domain.record import Record
from canary.domain.verdict import Reason, Verdict

__all__ = ["TRANSITIONS", "IllegalTransition", "Phase", "Release", "Stage", "canary_weight", "release_name"]


class Phase(StrEnum):
    """Where a release is."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    HELD = "Held"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"
    SUCCEEDED = "Succeeded"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"

    @property
    def is_terminal(self) -> bool:
        """Nothing more will happen to a release in this phase."""
        return not TRANSITIONS[self]


TRANSITIONS: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.PENDING: frozenset({Phase.PROGRESSING, Phase.ROLLING_BACK}),
    Phase.PROGRESSING: frozenset({Phase.HELD, Phase.PROMOTING, Phase.ROLLING_BACK}),
    Phase.HELD: frozenset({Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK}),
    Phase.PROMOTING: frozenset({Phase.SUCCEEDED, Phase.ROLLING_BACK}),
    Phase.ROLLING_BACK: frozenset({Phase.ROLLED_BACK, Phase.SUPERSEDED}),
    Phase.SUCCEEDED: frozenset(),
    Phase.ROLLED_BACK: frozenset(),
    Phase.SUPERSEDED: frozenset(),
}


class Stage(StrEnum):
    """The ordered parts of Promoting (Copying first) and RollingBack (Restoring first, where needed)."""

    COPYING = "Copying"
    """The judged template is being rolled out in stable; traffic stays where it is."""
    RESTORING = "Restoring"
    """Stable's previous template is being rolled out again; traffic stays where it is."""
    RETURNING = "Returning"
    """All traffic goes to stable."""
    DRAINING = "Draining"
    """No traffic reaches the canary any more; its pods may go."""


class IllegalTransition(AssertionError):
    """A defect of ours: the code asked for a phase that the table does not allow."""


@dataclass(frozen=True, slots=True)
class Release:
    """The state of one attempt. Evolves by copy; saved before anything is done about it."""

    key: ServiceKey
    revision: str
    """The canary's pod-template-hash that is judged, and the only one that may be promoted."""
    attempt: int
    plan: Plan
    """As it was when the release began: edits of the plan take effect with the next release."""
    window_seconds: float
    """The measurement grid of this release."""
    created_at: float
    phase_since: float
    step_since: float
    evidence: Evidence
    phase: Phase = Phase.PENDING
    stage: Stage | None = None
    stage_since: float = 0.0
    step: int = 0
    """Index into ``plan.steps``."""
    stable_unready_at: float | None = None
    """When stable was seen without a ready pod last: requests that reached no workload then were stable's."""
    in_force: bool = False
    """Whether the routes carried the step's weight when they were looked at last; the step's clock runs while
    they do, from ``step_since``."""
    reason: Reason = Reason.STARTED
    message: str = ""
    verdict: Verdict | None = None
    records: tuple[Record, ...] = ()
    """The verdicts that something was done on."""
    held_weight: int = 0
    """The canary's weight when the rollback began; kept while stable's template is being restored."""
    ending: Phase = Phase.ROLLED_BACK
    """Where a rollback leads to: RolledBack or Superseded."""
    previous_template: str | None = None
    """Stable's pod template before promotion (JSON), kept so that promotion is reversible."""
    original_weights: Mapping[str, int] | None = None
    """By ``virtualservice/route-index``: the canary's weight before the release; for people to read."""
    finished_at: float | None = None
    person_since: float | None = None
    """Since when the release waits for a person; None while it does not."""
    person_waited_seconds: float = 0.0
    """How long it has waited for people before."""

    @property
    def is_judged(self) -> bool:
        """Whether the canary has traffic on the strength of evidence, which is therefore gathered."""
        judged = self.phase in {Phase.PROGRESSING, Phase.HELD}
        return judged or (self.phase is Phase.PROMOTING and self.stage is Stage.COPYING)

    @property
    def is_measured(self) -> bool:
        """Whether it matters what requests the canary gets: also while its pods wait to be ended."""
        return self.is_judged or self.stage is Stage.DRAINING

    @property
    def name(self) -> str:
        """The deterministic name of the Release object."""
        return release_name(self.key.name, self.revision, self.attempt)

    def to(self, phase: Phase, reason: Reason, message: str, now: float) -> Self:
        """Go to ``phase``; raises ``IllegalTransition`` when the table does not allow it."""
        if phase not in TRANSITIONS[self.phase]:
            raise IllegalTransition(f"{self.name}: {self.phase} cannot become {phase}")
        return replace(
            self,
            phase=phase,
            stage=None,
            stage_since=now,
            reason=reason,
            message=message,
            phase_since=now,
            finished_at=now if not TRANSITIONS[phase] else None,
        )

    def at(self, stage: Stage, now: float) -> Self:
        """Enter a stage of the present phase."""
        return replace(self, stage=stage, stage_since=now)


def release_name(service: str, revision: str, attempt: int) -> str:
    """``<service>-<revision>``, and ``-<attempt>`` from the second attempt on; at most 253 characters."""
    suffix = f"-{attempt}" if attempt > 1 else ""
    return f"{service}-{revision}{suffix}"


def canary_weight(release: Release) -> int:
    """The percent of requests that the canary should have: derived from the release, never incremented."""
    match release.phase:
        case Phase.PROGRESSING | Phase.HELD:
            return release.plan.steps[release.step].weight
        case Phase.PROMOTING if release.stage is Stage.COPYING:
            return release.plan.steps[release.step].weight
        case Phase.ROLLING_BACK if release.stage is Stage.RESTORING:
            return release.held_weight
        case _:
            return 0

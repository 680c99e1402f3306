"""Verdicts: Pass, Fail or Hold, with the reason and every number that led to it."""

import math
from dataclasses import dataclass
from enum import StrEnum

from canary.domain.measurement import ArmCounts, Counts
from canary.domain.plan import ObjectiveKind

__all__ = ["Finding", "Interval", "Outcome", "Reason", "Slower", "Verdict"]


class Outcome(StrEnum):
    """What the analysis says about the canary at its present step."""

    PASS = "Pass"  # noqa: S105 - a verdict, not a password
    FAIL = "Fail"
    HOLD = "Hold"


class Reason(StrEnum):
    """Why a verdict, a phase or an ending is what it is; a script can match these."""

    # Analysis
    SHIFTING = "Shifting"
    BAKED = "Baked"
    BAKING = "Baking"
    OBJECTIVE_BREACHED = "ObjectiveBreached"
    WORSE_THAN_STABLE = "WorseThanStable"
    UNATTRIBUTED_ERRORS = "UnattributedErrors"
    THRESHOLD_BREACHED = "ThresholdBreached"
    SUSPICION = "Suspicion"
    TOO_FEW_REQUESTS = "TooFewRequests"
    TOO_FEW_CHECKS = "TooFewChecks"
    NOT_SHOWN_SAFE = "NotShownSafe"
    NO_TRAFFIC = "NoTraffic"
    NO_DATA = "NoData"
    SHARED_TROUBLE = "SharedTrouble"
    SPLIT_NOT_OBSERVED = "SplitNotObserved"
    # Workloads
    CANARY_NOT_READY = "CanaryNotReady"
    CANARY_FAILING = "CanaryFailing"
    CANARY_MISSING = "CanaryMissing"
    STABLE_NOT_READY = "StableNotReady"
    STABLE_MISSING = "StableMissing"
    PROMOTION_FAILED = "PromotionFailed"
    # Routes
    ROUTES_INVALID = "RoutesInvalid"
    # People and plans
    STARTED = "Started"
    ABORTED = "Aborted"
    OPTED_OUT = "OptedOut"
    INVALID_PLAN = "InvalidPlan"
    PLAN_CHANGED = "PlanChanged"
    NEW_REVISION = "NewRevision"
    MATCHES_STABLE = "CanaryMatchesStable"
    GATE_CLOSED = "GateClosed"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval for a fraction, valid at any time of looking."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Slower:
    """How slow the canary is beside stable, by the pair of edges that speaks most against it.

    Bad are, of the canary, requests that took longer than ``canary_ms``; of stable, than the lower
    ``stable_ms``.
    """

    canary_ms: float
    stable_ms: float
    canary: Counts
    stable: Counts
    canary_interval: Interval
    stable_interval: Interval
    dispersion: float
    log_evidence: float
    """Natural log of w*E of the test, of which this pair is one part."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known about one objective: counts since the step began, bounds, and the evidence."""

    objective: str
    canary: Counts
    stable: Counts
    canary_interval: Interval
    stable_interval: Interval
    max_bad_ratio: float
    bound_ms: float | None
    log_evidence_slo: float
    """Natural log of w*E of the test against the objective's bound."""
    log_evidence_stable: float
    """Natural log of w*E of the test against stable."""
    kind: ObjectiveKind = ObjectiveKind.ERRORS
    dispersion: float = 1.0
    """How many times as much stable's bad requests vary as if they were independent; the evidence and the
    intervals allow for it."""
    beside: ArmCounts | None = None
    """What was counted by the other reporter, which does not judge; None where there is no such count."""
    dry_run: bool = False
    """The objective decides nothing."""
    slower: Slower | None = None
    """For latency; None where nothing was counted at a pair of edges."""

    @property
    def log_evidence_against_stable(self) -> float:
        """The stronger of the tests that compare with stable; natural log of w*E."""
        slower = -math.inf if self.slower is None else self.slower.log_evidence
        return max(self.log_evidence_stable, slower)

    @property
    def log_evidence_most(self) -> float:
        """The strongest of the tests; natural log of w*E."""
        return max(self.log_evidence_slo, self.log_evidence_against_stable)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The analysis' answer, and the sentence that a person reads."""

    outcome: Outcome
    reason: Reason
    sentence: str
    at: float
    """End of the last window that it rests on, Unix seconds."""
    objective: str | None = None
    """The objective that is named as the cause, on Fail."""
    log_evidence: float = 0.0
    """Natural log of the release's combined evidence E."""
    log_threshold: float = 0.0
    """ln(1/alpha): Fail is declared at or above it."""
    findings: tuple[Finding, ...] = ()

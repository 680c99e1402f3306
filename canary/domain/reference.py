"""The reference of wishes: the one list of what an owner can write on a Service, or in a ReleasePolicy.

The parser reads by it, and so do the documentation, the definition of ReleasePolicy and ``canaryctl lint``.
"""

from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from canary.domain import wishes
from canary.domain.plan import Gate, PolicyRef, RouteRef, Step
from canary.domain.wishes import Parser

__all__ = [
    "BLAST_RADIUS_BUDGET",
    "CANARY",
    "DEADLINE",
    "DRAIN",
    "DRY_RUN",
    "ENABLED",
    "EVIDENCE",
    "FALSE_PROMOTION_BUDGET",
    "FALSE_ROLLBACK_BUDGET",
    "GATES",
    "INTERVAL",
    "MAX_ERROR_RATE",
    "MAX_LATENCY",
    "MIN_REQUESTS",
    "ON_NO_DATA",
    "PAUSED",
    "POLICY",
    "PREFIX",
    "REFERENCE",
    "STABLE",
    "STEPS",
    "TOLERANCE",
    "VIRTUAL_SERVICES",
    "Annotation",
]

PREFIX: Final = "canaryctl.dev/"
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Annotation(Generic[T_co]):
    """One annotation: how to read it, and what a person should know about it."""

    name: str
    """Without the prefix."""
    meaning: str
    form: str
    """What may be written."""
    example: str
    parse: Parser[T_co]
    """Raises ``ValueError`` with what would be right."""
    default: str | None = None
    """What is read when the annotation is absent; None: ``absent`` says what that means."""
    absent: str = ""

    @property
    def key(self) -> str:
        """The full name, prefix included."""
        return PREFIX + self.name

    @property
    def policy_field(self) -> str:
        """The name of the same wish in a ReleasePolicy's spec: ``maxErrorRate``."""
        first, *rest = self.name.split("-")
        return first + "".join(word.capitalize() for word in rest)


ENABLED: Final = Annotation(
    "enabled",
    "Opt in: every new revision of the canary workload becomes a release.",
    "true or false",
    "true",
    wishes.boolean,
    default="false",
)
STABLE: Final = Annotation(
    "stable",
    "The workload that serves now.",
    "name of a Deployment in the service's namespace",
    "checkout",
    wishes.workload_name,
    absent="the service's name",
)
CANARY: Final = Annotation(
    "canary",
    "The workload that carries the new revision.",
    "name of a Deployment in the service's namespace",
    "checkout-canary",
    wishes.workload_name,
    absent="the service's name followed by -canary",
)
STEPS: Final[Annotation[tuple[Step, ...]]] = Annotation(
    "steps",
    "The percent of requests to the canary at each step, and how long each step lasts at least.",
    "1 to 20 weights from 1 to 100 that rise, each with @DURATION or without (1m), separated by commas",
    "10@2m,50@5m,100@5m",
    wishes.steps,
    default="10,50,100",
)
INTERVAL: Final = Annotation(
    "interval",
    "How often to look at the data; each look takes in every window since the last.",
    "duration from 2s to 10m",
    "5s",
    wishes.interval,
    absent="as often as data arrives, within the controller's bounds",
)
MAX_ERROR_RATE: Final = Annotation(
    "max-error-rate",
    "The largest share of the canary's requests that may fail.",
    "percentage above 0 and below 100",
    "0.5%",
    wishes.bounded_percentage,
    default="1%",
)
MAX_LATENCY: Final = Annotation(
    "max-latency",
    "The share of the canary's requests that must be faster than a bound; the bound must be a bucket edge "
    "of the latency histogram.",
    "PERCENTAGE < DURATION, or none",
    "99% < 500ms",
    wishes.latency,
    absent="latency is not judged",
)
TOLERANCE: Final = Annotation(
    "tolerance",
    "How many times stable's share of bad requests the canary's may be.",
    "number from 1 to 100, followed by x",
    "1.5x",
    wishes.ratio,
    default="1.2x",
)
MIN_REQUESTS: Final = Annotation(
    "min-requests",
    "The least number of canary requests that each step must have seen before it can pass.",
    "whole number from 1 to 1000000",
    "200",
    wishes.request_count,
    default="50",
)
FALSE_ROLLBACK_BUDGET: Final = Annotation(
    "false-rollback-budget",
    "The largest chance, per release, of rolling back a canary that is not worse than allowed.",
    "percentage from 0.0001 to 10",
    "0.1%",
    wishes.budget,
    default="1%",
)
EVIDENCE: Final = Annotation(
    "evidence",
    "What a step must show to pass. bake: it lasted its time, had enough requests, and nothing speaks "
    "against the canary. budget: also, that at the next weight it costs no more than blast-radius-budget.",
    "bake or budget",
    "budget",
    wishes.evidence_rule,
    default="bake",
)
BLAST_RADIUS_BUDGET: Final = Annotation(
    "blast-radius-budget",
    "With evidence budget: the largest share of all the service's requests that may go bad because of the "
    "canary once it has the next step's weight.",
    "percentage from 0.001 to 50",
    "0.2%",
    wishes.blast_radius,
    default="0.5%",
)
FALSE_PROMOTION_BUDGET: Final = Annotation(
    "false-promotion-budget",
    "With evidence budget: the largest chance, per step, of passing a canary that costs more than that.",
    "percentage from 0.0001 to 10",
    "0.1%",
    wishes.budget,
    default="1%",
)
GATES: Final[Annotation[frozenset[Gate]]] = Annotation(
    "gates",
    "Where a release waits until a person approves.",
    "first-step, promotion, both separated by a comma, or none",
    "first-step,promotion",
    wishes.gates,
    default="none",
)
DEADLINE: Final = Annotation(
    "deadline",
    "How long a release may take; longer than all its steps together.",
    "duration up to 720h",
    "2h",
    wishes.deadline,
    default="1h",
)
DRAIN: Final = Annotation(
    "drain",
    "How long the canary's pods live on at least, after its last weight and after its last request.",
    "duration from 1s to 1h",
    "30s",
    wishes.drain,
    default="10s",
)
ON_NO_DATA: Final = Annotation(
    "on-no-data",
    "What becomes of a release that still lacks evidence at its deadline.",
    "hold or rollback",
    "rollback",
    wishes.on_no_data,
    default="hold",
)
VIRTUAL_SERVICES: Final[Annotation[tuple[RouteRef, ...]]] = Annotation(
    "virtual-services",
    "Which VirtualServices, or which of their named http routes, to shift; those of others must be shared.",
    "NAME, NAME/ROUTE, NAME.NAMESPACE or NAME.NAMESPACE/ROUTE, separated by commas",
    "checkout,gateway.istio-ingress/primary",
    wishes.virtual_services,
    absent="every VirtualService of the namespace that routes to both workloads",
)
DRY_RUN: Final[Annotation[frozenset[str]]] = Annotation(
    "dry-run",
    "Objectives that are shown and recorded, and decide nothing: try a new bound before it may roll back.",
    "names of objectives, separated by commas, or none",
    "latency",
    wishes.dry_run,
    default="none",
)
PAUSED: Final = Annotation(
    "paused",
    "The controller leaves the service alone, but for ending what is aborted or already rolling back.",
    "true or false",
    "true",
    wishes.boolean,
    default="false",
)
POLICY: Final[Annotation[PolicyRef]] = Annotation(
    "policy",
    "A ReleasePolicy, whose wishes hold wherever no annotation says otherwise. One of another namespace must "
    "be shared with this one.",
    "NAME, or NAMESPACE/NAME",
    "standard",
    wishes.policy,
    absent="no policy",
)

REFERENCE: Final[tuple[Annotation[object], ...]] = (
    ENABLED,
    STABLE,
    CANARY,
    STEPS,
    MAX_ERROR_RATE,
    MAX_LATENCY,
    TOLERANCE,
    MIN_REQUESTS,
    FALSE_ROLLBACK_BUDGET,
    EVIDENCE,
    BLAST_RADIUS_BUDGET,
    FALSE_PROMOTION_BUDGET,
    GATES,
    DEADLINE,
    ON_NO_DATA,
    DRAIN,
    INTERVAL,
    VIRTUAL_SERVICES,
    DRY_RUN,
    PAUSED,
    POLICY,
)
"""Every annotation that there is, in the order in which the documentation shows them."""

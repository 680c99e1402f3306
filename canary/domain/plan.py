"""The plan: what the owner of a service asked for, parsed once, complete and immutable.

``canary.domain.annotations`` makes it from a Service's annotations and what stands behind them: a policy and
an administrator's defaults. Nothing else parses wishes.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from canary.domain.metric_template import GaugeTemplate, MetricTemplate

__all__ = [
    "DEFAULT_CHECK_SECONDS",
    "DEFAULT_FAILURES",
    "ERROR_RATE",
    "LATENCY",
    "TAKEN_NAMES",
    "UNATTRIBUTED",
    "EvidenceRule",
    "Gate",
    "Objective",
    "ObjectiveKind",
    "OnNoData",
    "Plan",
    "PolicyRef",
    "RouteRef",
    "ServiceKey",
    "Side",
    "Step",
    "Threshold",
]

ERROR_RATE: Final = "error-rate"
LATENCY: Final = "latency"
UNATTRIBUTED: Final = "unattributed"
"""Stands for an objective's name where requests that reached no workload are counted."""
TAKEN_NAMES: Final = (ERROR_RATE, LATENCY, UNATTRIBUTED)
"""What no further objective may be called: ours have these names."""
DEFAULT_FAILURES: Final = 2
"""A value over its bound is often a pause, a cold cache or a burst, which two checks may well meet. The third
failed check ends a step: with a check each 10 s that is 20 s after the first at the earliest."""
DEFAULT_CHECK_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, order=True)
class ServiceKey:
    """The namespace and name of an annotated Service: the key of all work."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """As kubectl users write it: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Step:
    """A stage: the percent of requests to the canary, and the least time it lasts."""

    weight: int
    bake_seconds: float


class ObjectiveKind(StrEnum):
    """What makes a request a bad one."""

    ERRORS = "errors"
    """It failed (HTTP 5xx, or a gRPC status that means a server error)."""
    LATENCY = "latency"
    """It took longer than the objective's bound."""
    TEMPLATE = "template"
    """A counter of the application's own says so; what is counted need not be a request."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A bound on the share of bad requests that the canary may answer."""

    name: str
    kind: ObjectiveKind
    max_bad_ratio: float
    """The largest acceptable fraction of bad requests, in (0, 1)."""
    bound_ms: float | None = None
    """For latency: slower than this is bad; must be a bucket edge of the histogram."""
    template: MetricTemplate | None = None
    """For a template: what is counted, as it was defined when the release began."""

    @property
    def counts_requests(self) -> bool:
        """Whether what it counts are the requests to the service; a template may count anything."""
        return self.kind is not ObjectiveKind.TEMPLATE


class Side(StrEnum):
    """On which side of its bound a value is good."""

    AT_MOST = "atMost"
    AT_LEAST = "atLeast"


@dataclass(frozen=True, slots=True)
class Threshold:
    """An objective by the threshold rule: a gauge's value is compared with a bound, now and then.

    It is not one of ``Plan.objectives``: it has no test, and no share of any error budget.
    """

    name: str
    side: Side
    bound: float
    template: GaugeTemplate | None = None
    """What is looked at, as it was defined when the release began; None where templates are not known."""
    failures: int = DEFAULT_FAILURES
    """How many failed checks a step may have."""
    consecutive: int | None = None
    """So many failed checks in a row end the step, too."""
    every_seconds: float = DEFAULT_CHECK_SECONDS
    """The least time between checks; each is taken at the end of a measured window."""

    def holds(self, value: float) -> bool:
        """Whether a value keeps the bound."""
        return value <= self.bound if self.side is Side.AT_MOST else value >= self.bound


class Gate(StrEnum):
    """A point where a person must say yes."""

    FIRST_STEP = "first-step"
    PROMOTION = "promotion"


class EvidenceRule(StrEnum):
    """What a step must show to pass."""

    BAKE = "bake"
    """It lasted its time, had enough requests, and nothing speaks against the canary."""
    BUDGET = "budget"
    """Also, that going on risks no more of all requests than the blast radius budget."""


class OnNoData(StrEnum):
    """What a deadline makes of a release that lacks evidence."""

    HOLD = "hold"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class RouteRef:
    """A VirtualService, and optionally one named http route of it."""

    virtual_service: str
    route: str | None = None
    namespace: str | None = None
    """Another namespace, which must share it; None: the service's own."""

    def __str__(self) -> str:
        """As owners write it: ``name``, ``name/route``, ``name.namespace`` or ``name.namespace/route``."""
        place = f".{self.namespace}" if self.namespace is not None else ""
        return f"{self.virtual_service}{place}" + (f"/{self.route}" if self.route is not None else "")


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """A ReleasePolicy, as an owner names it; without a namespace it is the service's own."""

    name: str
    namespace: str | None = None

    def __str__(self) -> str:
        """As it is written: ``name`` or ``namespace/name``."""
        return f"{self.namespace}/{self.name}" if self.namespace is not None else self.name


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps, objectives, gates and deadlines of every release of one service."""

    stable: str
    canary: str
    steps: tuple[Step, ...]
    objectives: tuple[Objective, ...]
    """Those that are counted and tested."""
    interval_seconds: float | None = None
    """How often to look; None: as often as data arrives, within the controller's bounds."""
    tolerance: float = 1.2
    """How many times stable's rate of bad requests the canary's may be."""
    min_requests: int = 50
    """The least number of canary requests that a step must have seen before it can pass."""
    false_rollback_budget: float = 0.01
    """Alpha: the chance, per release, of rolling back a canary that is not worse than allowed."""
    evidence: EvidenceRule = EvidenceRule.BAKE
    blast_radius_budget: float = 0.005
    """The share of all requests of the service that may fail because of the canary after the next step."""
    false_promotion_budget: float = 0.01
    """Beta: the chance, per step, of passing a canary that costs more than that."""
    gates: frozenset[Gate] = frozenset()
    deadline_seconds: float = 3600.0
    on_no_data: OnNoData = OnNoData.HOLD
    drain_seconds: float = 10.0
    """How long the canary's pods live on after the last weight left them."""
    policy: str | None = None
    """The ReleasePolicy that stands behind the annotations, as the owner named it."""
    virtual_services: tuple[RouteRef, ...] = ()
    """Empty: every VirtualService of the namespace that routes to the service's two workloads."""
    dry_run: frozenset[str] = frozenset()
    """Names of objectives that are shown and recorded, and decide nothing."""
    paused: bool = False
    thresholds: tuple[Threshold, ...] = ()
    """Further objectives, by the threshold rule."""

    @property
    def deciding(self) -> "Plan":
        """The plan without the objectives that decide nothing."""
        if not self.dry_run:
            return self
        return replace(
            self,
            objectives=tuple(item for item in self.objectives if item.name not in self.dry_run),
            thresholds=tuple(item for item in self.thresholds if item.name not in self.dry_run),
            dry_run=frozenset(),
        )

"""What the loop needs of the world: narrow ports, implemented by adapters and by the tests' fakes.

Every call is bounded in time by the adapter. All may raise ``canary.app.errors.WorldError``: Retryable,
ConflictError, NotFound or TerminalError, and nothing else for what the world does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from canary.domain.errors import Problem
from canary.domain.istio_metrics import SOURCE
from canary.domain.measurement import Measurement, NoData
from canary.domain.metric_template import AnyTemplate
from canary.domain.observation import Requests, Routes, Workload
from canary.domain.plan import Objective, Plan, ServiceKey, Threshold
from canary.domain.policy import PolicySpec
from canary.domain.release import Release

__all__ = [
    "AnnotatedService",
    "Announcement",
    "Announcer",
    "Clock",
    "Fence",
    "LeaseRecord",
    "LeaseStore",
    "Measurements",
    "MetricTarget",
    "MetricsSource",
    "MetricsUnavailable",
    "PolicyCatalogue",
    "ReleaseStore",
    "RouteTable",
    "Sample",
    "Series",
    "ServiceCatalogue",
    "StoredPolicy",
    "StoredRelease",
    "Telemetry",
    "WorkloadPair",
    "Workloads",
]


class Clock(Protocol):
    """Time as an argument: real in the controller, virtual in tests."""

    def now(self) -> float:
        """Wall time, Unix seconds: for what is saved and shown."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for deadlines and waits."""
        ...


class Fence(Protocol):
    """Says, before each write, that this replica still leads."""

    def check(self) -> None:
        """Raise ``LeadershipLost`` when it does not."""
        ...


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease as it is stored; ``holder`` is empty after a clean release. Times are Unix seconds."""

    holder: str
    duration_seconds: float
    acquired_at: float
    renewed_at: float
    transitions: int


class LeaseStore(Protocol):
    """One named Lease object."""

    def read(self) -> tuple[LeaseRecord, str] | None:
        """Return the record and its version, or None when there is no such Lease yet."""
        ...

    def create(self, record: LeaseRecord) -> str:
        """Create the Lease and return its version; ``ConflictError`` when somebody was faster."""
        ...

    def update(self, record: LeaseRecord, version: str) -> str:
        """Write the record, guarded by ``version``, and return the new version."""
        ...


@dataclass(frozen=True, slots=True)
class AnnotatedService:
    """A Service's identity and its ``canaryctl.dev/`` annotations (prefix kept), unparsed."""

    key: ServiceKey
    uid: str
    annotations: Mapping[str, str]


class ServiceCatalogue(Protocol):
    """Annotated Services, from a watch's cache, or live where a release is to begin."""

    def get(self, key: ServiceKey) -> AnnotatedService | None:
        """The Service, or None when it does not exist or carries none of our annotations."""
        ...

    def read(self, key: ServiceKey) -> AnnotatedService | None:
        """The same, read live."""
        ...


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A ReleasePolicy as it is stored."""

    namespace: str
    name: str
    spec: PolicySpec | None
    """None when it cannot be understood: ``problems`` say why."""
    problems: tuple[Problem, ...] = ()
    consent: Mapping[str, str] = field(default_factory=dict)
    """The annotation by which its owners share it, if any."""


class PolicyCatalogue(Protocol):
    """ReleasePolicies, from a watch's cache, or live where a release is to begin."""

    def get(self, namespace: str, name: str) -> StoredPolicy | None:
        """The policy, or None when there is none that may be looked at."""
        ...

    def read(self, namespace: str, name: str) -> StoredPolicy | None:
        """The same, read live."""
        ...


@dataclass(frozen=True, slots=True)
class WorkloadPair:
    """The two workloads of a plan, read live in one go; None where one does not exist."""

    stable: Workload | None
    canary: Workload | None
    canary_matches_stable: bool
    """The canary's pod template, leaving aside what tells the two apart, equals stable's."""


class Workloads(Protocol):
    """Deployments: reading them live, promoting templates, scaling."""

    def read(self, key: ServiceKey, plan: Plan) -> WorkloadPair:
        """Both workloads as they are at this moment."""
        ...

    def stable_template(self, key: ServiceKey, stable: Workload) -> str:
        """Stable's present pod template as JSON, to be kept for a restore."""
        ...

    def promote(self, key: ServiceKey, plan: Plan, stable: Workload, revision: str) -> None:
        """Write the template of the canary's ReplicaSet ``revision`` to stable, guarded by its version.

        Stable keeps its own values of the labels that tell the two apart. Raises ``NotFound`` when
        that ReplicaSet is gone.
        """
        ...

    def holds_template_of(self, key: ServiceKey, plan: Plan, stable: Workload, revision: str) -> bool:
        """Whether stable's template already is what ``promote`` would write for ``revision``.

        Raises ``NotFound`` when the canary or that ReplicaSet is gone.
        """
        ...

    def restore(self, key: ServiceKey, stable: Workload, template: str) -> None:
        """Write a template kept by ``stable_template`` back to stable, guarded by its version."""
        ...

    def holds_template(self, key: ServiceKey, stable: Workload, template: str) -> bool:
        """Whether stable's template already is ``template``."""
        ...

    def scale(self, key: ServiceKey, workload: Workload, replicas: int) -> None:
        """Ask for ``replicas`` pods, guarded by the workload's version."""
        ...


class RouteTable(Protocol):
    """The weights of a service's VirtualServices."""

    def read(self, key: ServiceKey, plan: Plan) -> Routes:
        """Every route that sends to the pair, read live; what is wrong comes as ``problems``, not raised."""
        ...

    def shift(self, key: ServiceKey, routes: Routes, canary_percent: int) -> None:
        """Give the canary ``canary_percent`` of every route's pair, and touch nothing else.

        One JSON Patch per VirtualService, with ``test`` operations on the version and the old values;
        raises ``ConflictError`` when they no longer hold. All or none, but at 0 %: traffic returns to stable
        wherever it may, whoever refuses elsewhere.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredRelease:
    """A release as it is stored: its state, the version a write must carry, and what people ask for."""

    release: Release
    version: str
    uid: str
    requests: Requests


class ReleaseStore(Protocol):
    """Release objects."""

    def list(self, key: ServiceKey) -> tuple[StoredRelease, ...]:
        """All releases of a service, read live, oldest first."""
        ...

    def create(self, release: Release) -> StoredRelease:
        """Create the object and save its first status. Idempotent: one that exists already is returned."""
        ...

    def save(self, stored: StoredRelease, release: Release) -> StoredRelease:
        """Write ``release`` as the status of the object, guarded by ``stored.version``."""
        ...

    def delete(self, stored: StoredRelease) -> None:
        """Remove a finished release from history; one that is gone already is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that happened, for people."""

    reason: str
    message: str
    warning: bool = False


class Announcer(Protocol):
    """Kubernetes Events, logs, notifications: best effort, never blocking, never raising."""

    def announce(self, key: ServiceKey, release: Release | None, announcement: Announcement) -> None:
        """Tell whoever listens. Repeats within a while are told once."""
        ...


class Telemetry(Protocol):
    """The controller's own metrics; never raises."""

    def pass_finished(self, key: ServiceKey, outcome: str, seconds: float) -> None:
        """One reconcile pass ended: ``done``, ``conflict``, ``retry``, ``terminal`` or ``defect``."""
        ...

    def release_observed(self, release: Release) -> None:
        """The present state of a service's newest release."""
        ...

    def forget(self, key: ServiceKey) -> None:
        """Remove every series of a service that is gone."""
        ...

    def query_finished(self, provider: str, outcome: str, seconds: float) -> None:
        """One look at Prometheus ended, of a query for each metric: ``ok`` or a NoData reason."""
        ...


@dataclass(frozen=True, slots=True)
class MetricTarget:
    """An active release, as the collector needs to know it."""

    key: ServiceKey
    release: str
    """The Release object's name."""
    stable_workload: str
    canary_workload: str
    hosts: frozenset[str]
    """FQDNs of the destinations: what ``destination_service`` says in Istio's metrics."""
    objectives: tuple[Objective, ...]
    window_seconds: float
    evaluated_until: float
    """As saved: what was measured later may be asked for again."""
    interval_seconds: float | None = None
    """How often the release is to be looked at; None: whenever there is data."""
    dry_run: frozenset[str] = frozenset()
    """Names of objectives that decide nothing, so that nothing waits for them."""
    reporter: str = SOURCE
    """Whose count of the requests judges."""
    history_until: float | None = None
    """The end of the history that the release still has to learn from; None when it has."""
    thresholds: tuple[Threshold, ...] = ()

    @property
    def awaited(self) -> tuple[Objective, ...]:
        """The objectives without which there is too little to judge by."""
        return tuple(each for each in self.objectives if each.name not in self.dry_run)

    @property
    def templates(self) -> tuple[AnyTemplate, ...]:
        """Every metric template that has to be looked at."""
        counted = (each.template for each in self.objectives)
        looked_at = (each.template for each in self.thresholds)
        return tuple(each for each in (*counted, *looked_at) if each is not None)


@dataclass(frozen=True, slots=True)
class Sample:
    """One scraped value: Unix seconds of the scrape, and the cumulative count or the gauge's value."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """A time series of cumulative counts, of a gauge, or of a target's process start time."""

    labels: Mapping[str, str]
    """All labels, ``__name__`` included."""
    samples: tuple[Sample, ...]


class MetricsUnavailable(Exception):
    """A query brought nothing that may be counted; ``no_data`` says why."""

    def __init__(self, no_data: NoData) -> None:
        super().__init__(str(no_data))
        self.no_data = no_data


class MetricsSource(Protocol):
    """A Prometheus API, asked for the raw samples of many releases at once."""

    def fetch(self, targets: Sequence[MetricTarget], at: float, range_seconds: float) -> tuple[Series, ...]:
        """Return the samples in (at - range, at] of every family: ONE query per metric for all targets.

        Raises ``MetricsUnavailable``.
        """
        ...

    def bucket_edges(self, target: MetricTarget, at: float) -> tuple[float, ...]:
        """Return the edges (ms) that the latency histograms of the target's hosts have: to name the nearest.

        Raises ``MetricsUnavailable``.
        """
        ...

    def has_native_histogram(self, target: MetricTarget, at: float) -> bool:
        """Whether the durations of the target's hosts come as native histograms. Raises as ``fetch``."""
        ...

    def queries(self, target: MetricTarget) -> Mapping[str, str]:
        """By metric: the query for one window of this target alone, for a person to paste. No I/O.

        Raises ``MetricsUnavailable`` when the target's names cannot be put into a query.
        """
        ...


@dataclass(frozen=True, slots=True)
class Measurements:
    """What the collector has for one release: windows in order, and why there is nothing newer."""

    windows: tuple[Measurement, ...] = ()
    no_data: NoData | None = None
    queries: Mapping[str, str] = field(default_factory=dict)
    """By metric: the query of one window."""
    history: tuple[Measurement, ...] | None = None
    """Windows from before the release; None while they are not known."""

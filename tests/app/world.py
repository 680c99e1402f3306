"""A simulated world behind the reconciler's ports: workloads, routes, releases, traffic, a virtual clock.

It keeps its own account of what users would have seen, so that tests can make claims about the world
rather than about calls. ``Crash`` ends the simulated process before or right after any write.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

from canary.app.ports import Announcement, StoredPolicy
from canary.domain.edges import edges_beside
from canary.domain.errors import Problem
from canary.domain.measurement import NOTHING, ArmCounts, Counts, GaugeReading, Measurement, NoData, Window
from canary.domain.observation import Requests
from canary.domain.plan import ObjectiveKind, ServiceKey
from canary.domain.release import Release
from canary.domain.weight import Split

KEY = ServiceKey("shop", "checkout")
EPOCH = 1_700_000_000.0
STARTUP_SECONDS = 3
EDGES = edges_beside(500.0)


class Crash(BaseException):
    """The process dies here; nothing in it may catch this."""


@dataclass
class Behaviour:
    """How a version answers: fractions of bad requests."""

    errors: float = 0.0
    slow: float = 0.0
    median_ms: float | None = None
    """Where this is said, logarithms of durations are normal, and what is slow is so by 500 ms."""

    def slower_than(self, edge_ms: float) -> float:
        """The fraction of requests that take longer."""
        if self.median_ms is None:
            return self.slow
        return 1.0 - NormalDist(math.log(self.median_ms), 0.8).cdf(math.log(edge_ms))


@dataclass
class Deployment:
    name: str
    template: str
    replicas: int
    version: int = 1
    old_template: str = ""
    changed_at: float = 0.0
    was_serving: bool = True


@dataclass
class World:
    """Everything outside the controller."""

    annotations: dict[str, str] | None
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    never_ready: set[str] = field(default_factory=set)
    proxies_deaf_at: int | None = None
    """The canary's share in percent that the proxies keep to, for they hear of no change."""
    astray: bool = False
    """A broken route lets no request reach any workload."""
    dead: set[str] = field(default_factory=set)
    rate: float = 100.0
    no_data: NoData | None = None
    lacking: NoData | None = None
    """Said of every look, although requests are measured: one objective has no data."""
    gauges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """What the canary's and stable's gauges say now, by objective; scraped each second, or not there."""
    now_at: float = EPOCH

    def __post_init__(self) -> None:
        self.deployments = {
            "checkout": Deployment("checkout", "v1", 4, changed_at=EPOCH - 100),
            "checkout-canary": Deployment("checkout-canary", "v1", 0, changed_at=EPOCH - 100),
        }
        self.routes: dict[str, list[Split]] = {"checkout": [Split(100, 0)]}
        self.route_version = 1
        self.policies: dict[tuple[str, str], StoredPolicy] = {}
        self.releases: dict[str, tuple[Release, int, Requests]] = {}
        self.windows: dict[float, Measurement] = {}
        self.weights: list[int] = [0]
        self.announced: list[Announcement] = []
        self.sent_to_unready = 0
        self.failed_requests = 0.0
        self._debts: dict[str, float] = {}
        self.writes = 0
        self.before_write: Callable[[int], None] = lambda number: None
        self.after_write: Callable[[int], None] = lambda number: None
        self.templates = {"checkout-canary": {"v1"}}
        self.route_problems: tuple[Problem, ...] = ()
        self.withheld: set[str] = set()
        """VirtualServices whose owners do not consent."""
        self.writes_without_consent = 0
        self.routes_hidden = False

    # Time and traffic

    def now(self) -> float:
        return self.now_at

    def monotonic(self) -> float:
        return self.now_at - EPOCH

    def advance(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now_at += 1
            self._serve_one_second()

    def ready(self, deployment: Deployment) -> tuple[int, bool]:
        """Ready pods, and whether the newest template is fully rolled out."""
        if deployment.name in self.dead or deployment.replicas == 0:
            return 0, False
        started = self.now_at - deployment.changed_at >= STARTUP_SECONDS
        if started and deployment.template not in self.never_ready:
            return deployment.replicas, True
        return (max(1, deployment.replicas - 1) if deployment.was_serving else 0), False

    def serving_template(self, deployment: Deployment) -> str:
        return (
            deployment.template
            if self.ready(deployment)[1]
            else deployment.old_template or deployment.template
        )

    def _serve_one_second(self) -> None:
        if self.astray:
            lost = Counts(int(self.rate), int(self.rate))
            self._record({"checkout": (0, 0, 0), "checkout-canary": (0, 0, 0)}, lost, {})
            return
        percent = self.percent() if any(self.routes.values()) else self._percent_of_pods()
        if self.proxies_deaf_at is not None:
            percent = self.proxies_deaf_at
        counts = {}
        above: dict[str, dict[float, Counts]] = {}
        unattributed = Counts(0, 0)
        for name, share in (("checkout-canary", percent / 100), ("checkout", 1 - percent / 100)):
            requests = self._whole(f"{name}/n", self.rate * share)
            deployment = self.deployments.get(name)
            serves = deployment is not None and self.ready(deployment)[0] > 0
            if not serves and requests:
                self.sent_to_unready += requests
                self.failed_requests += requests
                unattributed = Counts(requests, requests)
                counts[name] = (0, 0, 0)
                continue
            behaviour = Behaviour()
            if deployment is not None:
                behaviour = self.behaviours.get(self.serving_template(deployment), Behaviour())
            bad = min(requests, self._whole(f"{name}/e", requests * behaviour.errors))
            slow = min(requests, self._whole(f"{name}/s", requests * behaviour.slower_than(500.0)))
            self.failed_requests += bad
            counts[name] = (requests, bad, slow)
            if behaviour.median_ms is not None:
                above[name] = {edge: self._above(name, requests, behaviour, edge) for edge in EDGES}
        if self.no_data is None and self.rate > 0:
            self._record(counts, unattributed, above)

    def _above(self, name: str, requests: int, behaviour: Behaviour, edge_ms: float) -> Counts:
        slow = self._whole(f"{name}/{edge_ms}", requests * behaviour.slower_than(edge_ms))
        return Counts(requests, min(requests, slow))

    def _record(
        self,
        counts: dict[str, tuple[int, int, int]],
        unattributed: Counts,
        above: Mapping[str, Mapping[float, Counts]],
    ) -> None:
        canary, stable = counts["checkout-canary"], counts["checkout"]
        total = canary[0] + stable[0] + unattributed.requests
        arms = {
            ObjectiveKind.ERRORS: ArmCounts(Counts(canary[0], canary[1]), Counts(stable[0], stable[1])),
            ObjectiveKind.LATENCY: ArmCounts(Counts(canary[0], canary[2]), Counts(stable[0], stable[2])),
        }
        window = Window(self.now_at - 1, self.now_at)
        by_kind = {kind.value: value for kind, value in arms.items()}
        said = {name: GaugeReading(*values, self.now_at, self.now_at) for name, values in self.gauges.items()}
        lost = Counts(total, unattributed.bad)
        at_edges = {
            f"{edge:g}": ArmCounts(*(above.get(name, {}).get(edge, NOTHING) for name in counts))
            for edge in EDGES
            if above
        }
        self.windows[self.now_at] = Measurement(window, by_kind, lost, gauges=said, edges=at_edges)

    def _percent_of_pods(self) -> float:
        """Where no route is left, each ready pod gets as many requests as the next."""
        canary = self.deployments.get("checkout-canary")
        stable = self.deployments.get("checkout")
        pods = [self.ready(each)[0] if each is not None else 0 for each in (canary, stable)]
        return 100 * pods[0] / sum(pods) if any(pods) else 0.0

    def _whole(self, name: str, amount: float) -> int:
        """Whole requests with the given mean: what is left over is carried to the next second."""
        owed = self._debts.get(name, 0.0) + amount
        self._debts[name] = owed - int(owed)
        return int(owed)

    def percent(self) -> int:
        split = next(iter(self.routes.values()))[0]
        return round(100 * split.canary / split.total) if split.total else 0

    # Writes: each may be the last thing that the process does

    def _write(self) -> "World":
        self.writes += 1
        self.before_write(self.writes)
        return self

    def deploy(self, name: str, template: str) -> None:
        """Somebody pushes a template."""
        deployment = self.deployments[name]
        deployment.old_template = self.serving_template(deployment)
        deployment.was_serving = self.ready(deployment)[0] > 0
        deployment.template = template
        deployment.changed_at = self.now_at
        deployment.version += 1
        self.templates.setdefault(name, set()).add(template)

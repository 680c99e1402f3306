"""Metrics in memory behind the collector's port: samples appear when stored, not when dated."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from canary.app.book import Timing
from canary.app.collector import Collector
from canary.app.ports import Measurements, MetricsUnavailable, MetricTarget, Sample, Series
from canary.domain.istio_metrics import BUCKETS, LIVES, PROCESS_START, REQUESTS, UP
from canary.domain.measurement import Counts, NoData, NoDataReason
from canary.domain.metric_template import Counter as TemplateCounter
from canary.domain.metric_template import MetricTemplate
from canary.domain.plan import Objective, ObjectiveKind, ServiceKey

EPOCH = 1_700_000_000.0
HOST = "checkout.shop.svc.cluster.local"
ERRORS = Objective("errors", ObjectiveKind.ERRORS, 0.01)
LATENCY = Objective("latency", ObjectiveKind.LATENCY, 0.01, bound_ms=500)
PAYMENT_TEMPLATE = MetricTemplate(
    total=TemplateCounter("payments_total"),
    bad=TemplateCounter("payments_total", {"result": ("failed", "lost")}),
)
PAYMENTS = Objective("payments", ObjectiveKind.TEMPLATE, 0.005, template=PAYMENT_TEMPLATE)
TARGET = MetricTarget(
    key=ServiceKey("shop", "checkout"),
    release="checkout-abc",
    stable_workload="checkout",
    canary_workload="checkout-canary",
    hosts=frozenset({HOST}),
    objectives=(ERRORS,),
    window_seconds=5.0,
    evaluated_until=EPOCH,
)
SLO = replace(TARGET, objectives=(ERRORS, LATENCY))


def request_labels(workload: str = "checkout-canary", code: str = "200", **more: str) -> dict[str, str]:
    """Istio's labels of a request to the service."""
    return {
        "__name__": REQUESTS,
        "reporter": "source",
        "destination_service": HOST,
        "destination_workload": workload,
        "destination_workload_namespace": "shop",
        "response_code": code,
        **more,
    }


def bucket_labels(le: str, workload: str = "checkout-canary", **more: str) -> dict[str, str]:
    """Istio's labels of a bucket of the latency histogram."""
    return {**request_labels(workload, **more), "__name__": BUCKETS, "le": le}


def payment_labels(result: str = "ok", **more: str) -> dict[str, str]:
    """The labels of an application's own counter; its pod and namespace are those of its scrape target."""
    return {"__name__": "payments_total", "result": result, **more}


def pod_of(workload: str, number: int = 0, namespace: str = "shop") -> dict[str, str]:
    """The labels of a pod as a scrape target."""
    return {"namespace": namespace, "pod": f"{workload}-5d9c7b8f6d-x7k2{'bcdfghjklmnpqrstvwxz'[number]}"}


@dataclass
class MetricsWorld:
    """A clock, a provider and what it has stored: ``Clock``, ``MetricsSource`` and ``Telemetry``."""

    now_at: float = EPOCH
    failure: NoData | None = None
    poisoned: frozenset[str] = frozenset()
    """Hosts that make the provider refuse any query that names them."""
    on_fetch: Callable[[], None] = lambda: None
    """Happens while an answer is on its way."""
    edges: tuple[float, ...] = ()
    is_native: bool = False
    fetches: list[tuple[frozenset[str], float, float]] = field(default_factory=list)
    edge_lookups: int = 0
    outcomes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stored: list[tuple[float, dict[str, str], Sample]] = []

    def now(self) -> float:
        return self.now_at

    def monotonic(self) -> float:
        return self.now_at

    def scrape(
        self,
        at: float,
        values: Sequence[tuple[dict[str, str], float]],
        *,
        client: str = "gateway",
        pod: Mapping[str, str] | None = None,
        started_at: float | None = 0.0,
        delay: float = 0.0,
    ) -> None:
        """Store what a scrape of ``client`` at ``EPOCH + at`` brought; seen ``delay`` seconds later.

        ``pod`` are further labels of the target; without them it is known by its address alone.
        """
        where = {"job": "mesh", "instance": client, **(pod or {})}
        rows = [*values, ({"__name__": UP}, 1.0)]
        if started_at is not None:
            rows.append(({"__name__": PROCESS_START}, EPOCH + started_at))
        for labels, value in rows:
            self._stored.append((EPOCH + at + delay, {**labels, **where}, Sample(EPOCH + at, value)))

    def include(self, other: "MetricsWorld") -> None:
        """Store what another world has, too."""
        self._stored += other._stored

    def openmetrics(self) -> str:
        """Everything stored, for promtool."""
        names = sorted({labels["__name__"] for _, labels, _ in self._stored})
        lines = [
            f"{name}{{{_matchers(labels)}}} {sample.value!r} {sample.at:.3f}"
            for name in names
            for _, labels, sample in sorted(self._stored, key=lambda each: each[2].at)
            if labels["__name__"] == name
        ]
        return "\n".join([*lines, "# EOF", ""])

    def fetch(self, targets: Sequence[MetricTarget], at: float, range_seconds: float) -> tuple[Series, ...]:
        hosts = frozenset(host for target in targets for host in target.hosts)
        self.fetches.append((hosts, at, range_seconds))
        self.on_fetch()
        if self.failure is not None:
            raise MetricsUnavailable(self.failure)
        if hosts & self.poisoned:
            raise MetricsUnavailable(NoData(NoDataReason.REJECTED, "too many samples", self.now_at))
        found: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
        for visible_at, labels, sample in self._stored:
            is_there = visible_at <= self.now_at and at - range_seconds <= sample.at <= at
            if is_there and any(_is_asked_for(labels, target) for target in targets):
                found.setdefault(tuple(sorted(labels.items())), []).append(sample)
        return tuple(
            Series(dict(labels), tuple(sorted(samples, key=lambda each: each.at)))
            for labels, samples in found.items()
        )

    def bucket_edges(self, target: MetricTarget, at: float) -> tuple[float, ...]:
        self.edge_lookups += 1
        return self.edges

    def has_native_histogram(self, target: MetricTarget, at: float) -> bool:
        self.edge_lookups += 1
        return self.is_native

    def queries(self, target: MetricTarget) -> Mapping[str, str]:
        return {REQUESTS: f"{REQUESTS}{{{','.join(sorted(target.hosts))}}}"}

    def query_finished(self, provider: str, outcome: str, seconds: float) -> None:
        self.outcomes.append(f"{provider} {outcome}")


def _is_asked_for(labels: Mapping[str, str], target: MetricTarget) -> bool:
    name = labels["__name__"]
    if name in (REQUESTS, BUCKETS):
        return labels["destination_service"] in target.hosts
    return name in LIVES or any(
        name in {selection.metric for selection in template.selections}
        and labels.get(template.namespace_label) == target.key.namespace
        for template in target.templates
    )


def _matchers(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")


@dataclass
class _Client:
    started_at: float
    counts: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)


def churn(seed: int, begin: int, end: int) -> tuple[MetricsWorld, Counts]:
    """Clients that come, go and restart under traffic to the canary; one scrape in twenty fails.

    Each is scraped when it ends, as one that drains is. Also returns what was scraped of the canary after
    ``EPOCH``, counted request by request.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable
    world, clients = MetricsWorld(), dict[str, _Client]()
    truth: Counter[str] = Counter()

    def scrape(name: str, at: float) -> None:
        client = clients[name]
        values = [(request_labels(code=code), number) for code, number in client.counts.items()]
        world.scrape(at, values, client=name, started_at=client.started_at)
        if at > 0:
            truth.update(client.unseen)
        client.unseen.clear()

    for at in range(begin, end):
        if rng.random() < 0.02 or not clients:
            clients[f"10.0.0.{len(clients)}-{at}:15020"] = _Client(at - 2 * rng.random())
        for name in list(clients):
            for code in rng.choices(["200", "503"], [9, 1], k=rng.randint(0, 5)):
                clients[name].counts[code] += 1
                clients[name].unseen[code] += 1
            fate = rng.random()
            if fate < 0.01:
                scrape(name, at - 0.6)
                del clients[name]
                if fate < 0.005:  # The same address, another process.
                    clients[name] = _Client(at - 0.5)
            elif sum(name.encode()) % 5 == at % 5 and rng.random() < 0.95:
                scrape(name, at)
    return world, Counts(truth.total(), truth["503"])


def collector_for(world: MetricsWorld, timing: Timing | None = None) -> Collector:
    """A collector without memory."""
    return Collector(world, world, "default", world, timing or Timing())  # type: ignore[arg-type]


def measured(collector: Collector, target: MetricTarget = TARGET) -> Measurements:
    """What the collector has for a target since its ``evaluated_until``."""
    return collector.measurements(target.key, target.release, target.evaluated_until)


def look(collector: Collector, world: MetricsWorld, at: float, target: MetricTarget = TARGET) -> Measurements:
    """Tick at ``EPOCH + at`` and take what there is."""
    world.now_at = EPOCH + at
    collector.tick([target])
    return measured(collector, target)


def evaluated(target: MetricTarget, at: float) -> MetricTarget:
    """The target after its windows up to ``EPOCH + at`` were folded and saved."""
    return replace(target, evaluated_until=EPOCH + at)


def spans(found: Measurements) -> list[tuple[float, float]]:
    """Begin and end of each window, relative to the epoch."""
    return [(each.window.start - EPOCH, each.window.end - EPOCH) for each in found.windows]


def canary(found: Measurements, objective: str = "errors") -> list[Counts]:
    """The canary's counts, window by window."""
    return [each.counts[objective].canary for each in found.windows]

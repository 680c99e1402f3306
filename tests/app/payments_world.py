"""An application's pods that come, go and restart while they take payments, beside the clients' requests."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.domain.measurement import ArmCounts, Counts
from tests.app.metrics_world import MetricsWorld, churn, payment_labels, pod_of

WORKLOADS = ("checkout", "checkout-canary", "checkout-v2")
RESULTS = ("ok", "failed", "lost")


@dataclass
class _Pod:
    workload: str
    target: Mapping[str, str]
    started_at: float
    counts: Counter[str] = field(default_factory=Counter)
    """Of this process; a result is exposed from its first payment on."""
    unseen: Counter[str] = field(default_factory=Counter)


class PaymentsWorld:
    """Pods of three workloads of one namespace; what was scraped after the epoch is counted by workload."""

    def __init__(self, seed: int, begin: int) -> None:
        self.world = MetricsWorld()
        self.rng = random.Random(seed)  # noqa: S311 - repeatable
        self.restarts = self.vanished = 0
        self._pods: list[_Pod] = []
        self._seen: Counter[tuple[str, str]] = Counter()
        self._begin = begin

    def run(self, end: int) -> None:
        """One second at a time: births, payments, and an end or a scrape for each pod."""
        for at in range(self._begin, end):
            for workload in WORKLOADS:
                if self.rng.random() < 0.02 or not any(pod.workload == workload for pod in self._pods):
                    self._begin_pod(workload, at)
            for pod in list(self._pods):
                self._live_a_second(pod, at)

    def truth(self) -> ArmCounts:
        """What happened in the release's pods and was scraped."""
        canary, stable = (
            Counts(
                sum(self._seen[workload, result] for result in RESULTS),
                self._seen[workload, "failed"] + self._seen[workload, "lost"],
            )
            for workload in ("checkout-canary", "checkout")
        )
        return ArmCounts(canary, stable)

    def _begin_pod(self, workload: str, at: int) -> None:
        target = pod_of(workload)
        # Each pod has a name of its own, as each has its random end.
        end = "".join(self.rng.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
        target["pod"] = target["pod"][:-5] + end
        self._pods.append(_Pod(workload, target, at - 1 - self.rng.random()))

    def _live_a_second(self, pod: _Pod, at: int) -> None:
        for result in self.rng.choices(RESULTS, [8, 1, 1], k=self.rng.randint(0, 3)):
            pod.counts[result] += 1
            pod.unseen[result] += 1
        fate = self.rng.random()
        if fate < 0.01:
            self._scrape(pod, at - 0.6)
            if fate < 0.005:
                # The container restarts: the same pod and address, another process.
                pod.started_at, pod.counts = at - 0.5, Counter()
                self.restarts += 1
            else:
                self._pods.remove(pod)
                self.vanished += 1
        elif sum(pod.target["pod"].encode()) % 5 == at % 5 and self.rng.random() < 0.95:
            self._scrape(pod, at)

    def _scrape(self, pod: _Pod, at: float) -> None:
        values = [(payment_labels(result), number) for result, number in pod.counts.items()]
        address = f"{pod.target['pod']}:8080"
        self.world.scrape(at, values, client=address, pod=pod.target, started_at=pod.started_at)
        if at > 0:
            self._seen.update({(pod.workload, result): number for result, number in pod.unseen.items()})
        pod.unseen.clear()


def payments_churn(seed: int, begin: int, end: int) -> tuple[MetricsWorld, Counts, ArmCounts]:
    """A world of requests and payments; the requests and the payments that it holds after the epoch."""
    paid = PaymentsWorld(seed, begin)
    paid.run(end)
    assert min(paid.restarts, paid.vanished) > 2
    requested, requests = churn(seed, begin, end)
    paid.world.include(requested)
    return paid.world, requests, paid.truth()

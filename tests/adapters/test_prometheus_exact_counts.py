"""The proof that counting is exact: live pods, a real Prometheus, every request and payment of a release."""

import random
import time
from collections import Counter as Tally
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, start_http_server

from canary.adapters.prometheus.access import PrometheusAccess
from canary.adapters.prometheus.client import PrometheusSource
from canary.app.book import Timing
from canary.app.collector import Collector
from canary.domain.measurement import NOTHING, ArmCounts, Counts, Measurement, grid_floor
from canary.entrypoints.clock import SystemClock
from canary.sandbox.ports import free_port
from tests.adapters.prometheus_rig import running_prometheus
from tests.app.metrics_world import (
    ERRORS,
    PAYMENT_TEMPLATE,
    PAYMENTS,
    TARGET,
    MetricsWorld,
    pod_of,
    request_labels,
)

SECONDS = 4.0
SCRAPE_SECONDS = 0.5
PAST_REQUESTS = 1000
ARMS = ("checkout", "checkout-canary")
PAID = replace(
    PAYMENTS, template=replace(PAYMENT_TEMPLATE, namespace_label="k8s_namespace", pod_label="k8s_pod")
)


class Pod:
    """A client of the service that counts its requests to it, and a pod of a workload that counts payments.

    Its address may be used again by another one.
    """

    def __init__(self, name: str, port: int, age_seconds: float, past: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self.workload = name.rsplit("-", 2)[0]
        self.sent: Tally[tuple[str, str]] = Tally()
        self.paid: Tally[str] = Tally()
        self.is_draining = False
        registry = CollectorRegistry()
        self._fails_next = False
        labels = [name for name in request_labels() if name != "__name__"]
        self._requests = Counter("istio_requests", "Requests.", labels, registry=registry)
        payment = ["k8s_namespace", "k8s_pod", "result"]
        self._payments = Counter("payments", "Payments.", payment, registry=registry)
        self._name = name
        started = Gauge("process_start_time_seconds", "Start.", registry=registry)
        started.set(time.time() - age_seconds)
        Gauge("hiccup", "Fails one scrape.", registry=registry).set_function(self._hiccup)
        self.send("checkout", "200", past)
        self.pay("ok", past)
        self._server, self._thread = start_http_server(port, "127.0.0.1", registry)

    def send(self, workload: str, code: str, times: int = 1) -> None:
        labels = {name: value for name, value in request_labels(workload, code).items() if name != "__name__"}
        self._requests.labels(**labels).inc(times)
        self.sent[workload, code] += times

    def pay(self, result: str, times: int = 1) -> None:
        if times:
            self._payments.labels("shop", self._name, result).inc(times)
            self.paid[result] += times

    def fail_next_scrape(self) -> None:
        self._fails_next = True

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _hiccup(self) -> float:
        if self._fails_next:
            self._fails_next = False
            raise RuntimeError("this scrape fails, as asked")
        return 0.0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, "Prometheus never got there"
        time.sleep(0.05)


class Release:
    """Folds the windows of one release as the controller does, through restarts of the collector."""

    def __init__(self, source: PrometheusSource, begun_at: float) -> None:
        self._source = source
        self.target = replace(
            TARGET, objectives=(ERRORS, PAID), window_seconds=SCRAPE_SECONDS, evaluated_until=begun_at
        )
        self.windows: list[Measurement] = []
        self.restart_controller()

    def restart_controller(self) -> None:
        telemetry: Any = MetricsWorld()
        self._collector = Collector(self._source, SystemClock(), "live", telemetry, Timing(lag_seconds=0.8))

    def fold(self) -> None:
        self._collector.tick([self.target])
        until = self.target.evaluated_until
        found = self._collector.measurements(self.target.key, self.target.release, until)
        self.windows += found.windows
        if found.windows:
            self.target = replace(self.target, evaluated_until=found.windows[-1].window.end)

    def totals(self, objective: str) -> ArmCounts:
        return sum((each.counts[objective] for each in self.windows), ArmCounts())


class Fleet:
    """The pods that live, the ones that ended, and what all of them sent and took during the release."""

    def __init__(self, url: str, ports: list[int]) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False
        self.free = ports
        self.live: list[Pod] = []
        self.ended: list[Pod] = []

    def start(self, workload: str, age_seconds: float = 0.0, past: int = 0) -> Pod:
        name = pod_of(workload, len(self.live) + len(self.ended))["pod"]
        self.live.append(Pod(name, self.free.pop(0), age_seconds, past))
        return self.live[-1]

    def is_scraped(self, pod: Pod) -> bool:
        """Whether Prometheus has the last request and the last payment of ``pod``."""
        return (
            self._scraped("istio_requests_total", pod) == pod.sent.total()
            and self._scraped("payments_total", pod) == pod.paid.total()
        )

    def _scraped(self, metric: str, pod: Pod) -> float:
        query = f'sum({metric}{{instance="{pod.address}"}})'
        answer = self._session.get(f"{self._url}/api/v1/query", params={"query": query}, timeout=5).json()
        rows = answer["data"]["result"]
        return float(rows[0]["value"][1]) if rows else 0.0

    def end_those_that_drained(self) -> None:
        for pod in [each for each in self.live if each.is_draining and self.is_scraped(each)]:
            pod.stop()
            self.live.remove(pod)
            self.ended.append(pod)
            self.free.append(int(pod.address.rpartition(":")[2]))

    def close(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Pod.stop, self.live))

    def truth(self) -> ArmCounts:
        sent: Tally[tuple[str, str]] = Tally()
        for pod in (*self.live, *self.ended):
            sent.update(pod.sent)
        canary, stable = (
            Counts(sent[arm, "200"] + sent[arm, "503"], sent[arm, "503"]) for arm in reversed(ARMS)
        )
        return ArmCounts(canary, stable)

    def payments(self) -> ArmCounts:
        def of(workload: str) -> Counts:
            pods = [pod for pod in (*self.live, *self.ended) if pod.workload == workload]
            bad = sum(pod.paid["failed"] + pod.paid["lost"] for pod in pods)
            return Counts(sum(pod.paid.total() for pod in pods), bad)

        return ArmCounts(canary=of("checkout-canary"), stable=of("checkout"))


def run_traffic(fleet: Fleet, release: Release, rng: random.Random) -> None:
    """Traffic with churn: pods begin, drain and come back under old addresses, and some scrapes fail."""
    begun = last_fold = last_birth = time.monotonic()
    restarted = False
    while (now := time.monotonic()) < begun + SECONDS:
        for pod in [each for each in fleet.live if not each.is_draining]:
            pod.send(rng.choice(ARMS), "503" if rng.random() < 0.1 else "200", rng.randint(1, 3))
            pod.pay(rng.choices(["ok", "failed", "lost"], [8, 1, 1])[0], rng.randint(0, 2))
        if now > last_fold + 0.3:
            release.fold()
            fleet.end_those_that_drained()
            last_fold = now
        if now > last_birth + 0.6 and fleet.free:
            newborn = fleet.start(rng.choice(ARMS))
            # Failures before its first scrape: what a rate would never see.
            newborn.send("checkout-canary", "503", 5)
            newborn.pay("lost", 5)
            rng.choice(fleet.live).fail_next_scrape()
            rng.choice(fleet.live[:-1]).is_draining = True
            last_birth = now
        if not restarted and now > begun + SECONDS / 2:
            release.restart_controller()
            restarted = True
        time.sleep(0.02)


@pytest.mark.slow
def test_a_whole_release_is_counted_to_the_request_and_to_the_payment_through_churn(tmp_path: Path) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]
    rng = random.Random(3)  # noqa: S311 - repeatable
    ports = [free_port() for _ in range(6)]
    with running_prometheus(tmp_path, [f"127.0.0.1:{port}" for port in ports], SCRAPE_SECONDS) as url:
        fleet = Fleet(url, ports)
        source = PrometheusSource(PrometheusAccess(url), SystemClock())
        try:
            # Two old clients with a past that is none of the release's business.
            for arm in ARMS:
                fleet.start(arm, age_seconds=9000, past=PAST_REQUESTS)
            wait_for(lambda: all(fleet.is_scraped(pod) for pod in fleet.live))
            scraped_at = time.time()
            wait_for(lambda: grid_floor(time.time(), SCRAPE_SECONDS) > scraped_at)
            release = Release(source, grid_floor(time.time(), SCRAPE_SECONDS))
            run_traffic(fleet, release, rng)
            for pod in fleet.live:
                pod.is_draining = True
            wait_for(lambda: all(fleet.is_scraped(pod) for pod in fleet.live))
            last_scrape = time.time()

            def is_folded() -> bool:
                release.fold()
                return release.target.evaluated_until > last_scrape

            wait_for(is_folded)
        finally:
            source.close()
            fleet.close()
    truth = fleet.truth()
    stable = Counts(truth.stable.requests - 2 * PAST_REQUESTS, truth.stable.bad)
    expected = ArmCounts(truth.canary, stable)
    assert len(fleet.ended) >= 3
    assert release.totals("errors") == expected
    paid = fleet.payments()
    assert release.totals("payments") == ArmCounts(
        Counts(paid.canary.requests - PAST_REQUESTS, paid.canary.bad),
        Counts(paid.stable.requests - PAST_REQUESTS, paid.stable.bad),
    )
    assert min(paid.canary.bad, paid.stable.bad) >= 5
    unattributed = sum((each.unattributed for each in release.windows), NOTHING)
    assert unattributed.requests == expected.canary.requests + expected.stable.requests
    begins = [each.window.start for each in release.windows[1:]]
    assert begins == [each.window.end for each in release.windows[:-1]]

"""Real Envoy, real Prometheus, real applications: what is routed, and that all of it is counted exactly."""

import asyncio
import http.client
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from canary.sandbox.envoy import Envoy, EnvoyAdmin, EnvoyRefused, MeshWriter, envoy_when_ready, start_envoy
from canary.sandbox.envoy_config import ISTIO_BUCKETS, ConfigFiles
from canary.sandbox.files import read_if_there
from canary.sandbox.processes import Child, Processes, wait_until
from canary.sandbox.prometheus import (
    PrometheusMissing,
    prometheus_binary,
    scrape_configuration,
    start_prometheus,
)
from canary.sandbox.routes import MeshObjects, VirtualHost, translate
from canary.sandbox.traffic import Traffic, TrafficPlan
from canary.sandbox.traffic_log import Totals, read_totals
from tests.sandbox.objects import (
    FULL,
    NONSENSE,
    Json,
    destination_rule,
    places,
    pod,
    service,
    split,
    to,
    virtual_service,
    with_nonsense,
)

pytestmark = pytest.mark.slow

COUNTED_SECONDS = 15.0
BEHAVIOURS = {"v1": "", "v2": "errors=20%", "slow": "latency=300ms", "doomed": ""}


@dataclass(slots=True)
class DataPlane:
    """The components, and one service per test so that each test counts its own requests."""

    directory: Path
    envoy: Envoy
    prometheus_url: str
    writer: MeshWriter
    addresses: dict[str, str]
    applications: dict[str, Child]

    def route(self, name: str, *routes: Json, subsets: tuple[str, ...] = ("stable", "canary")) -> None:
        """Bring into force: `stable` is v1, `canary` is v2, other subsets are the version of their name."""
        versions = {"stable": "v1", "canary": "v2"}
        labels: dict[str, Json] = {subset: {"version": versions.get(subset, subset)} for subset in subsets}
        rule = destination_rule(name, **labels)
        pods = tuple(
            pod("myapp-1a" if version == "v1" else f"myapp-{version}-2b", address, version=version)
            for version, address in self.addresses.items()
        )
        objects = MeshObjects((service(name),), pods, (rule,), (virtual_service(*routes, hosts=(name,)),))
        mesh = translate(objects)
        assert mesh.problems == ()
        self.writer.apply(mesh)

    def send(self, name: str, count: int, rate: float = 1000.0) -> Totals:
        """Send that many requests; what came back."""
        log = self.directory / f"{name}.jsonl"
        plan = TrafficPlan(
            url=self.envoy.url,
            host=f"{name}.shop.svc.cluster.local",
            rate_per_second=rate,
            duration_seconds=count / rate,
            seed=1,
            timeout_seconds=5.0,
            in_flight=count,
            paths=("/",),
            slow_above_ms=250.0,
        )
        with log.open("a") as out:
            asyncio.run(Traffic(plan, out).run(asyncio.Event()))
        return read_totals(log)

    def answer(self, name: str, path: str = "/", **headers: str) -> tuple[int, str]:
        """Status and version of one request."""
        connection = http.client.HTTPConnection(urlsplit(self.envoy.url).netloc, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": f"{name}.shop.svc.cluster.local", **headers})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("x-sandbox-version", "")
        finally:
            connection.close()

    def query(self, text: str) -> list[Json]:
        found = requests.get(f"{self.prometheus_url}/api/v1/query", params={"query": text}, timeout=5).json()
        assert found["status"] == "success", found
        result: list[Json] = found["data"]["result"]
        return result

    def counted(self, name: str, metric: str, *labels: str) -> dict[tuple[str, ...], int]:
        host = f"{name}.shop.svc.cluster.local"
        samples = self.query(f'{metric}{{destination_service="{host}"}}')
        return {tuple(item["metric"][label] for label in labels): int(item["value"][1]) for item in samples}

    def await_requests(self, name: str, count: int) -> None:
        """Wait until Prometheus has seen `count` requests of the service."""
        self._await("istio_requests_total", name, count)

    def await_durations(self, name: str, count: int) -> None:
        """Wait until it has seen the durations too, which Envoy gives out once a second."""
        self._await("istio_request_duration_milliseconds_count", name, count)

    def _await(self, metric: str, name: str, count: int) -> None:
        until(lambda: sum(self.counted(name, metric, *LABELS).values()) >= count)


LABELS = ("destination_workload", "response_code", "response_flags")


def until(condition: Callable[[], bool], seconds: float = COUNTED_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    directory = tmp_path_factory.mktemp("plane")
    with Processes(directory) as processes:
        applications = {
            version: processes.start(version, application(version, behaviour, directory / version))
            for version, behaviour in BEHAVIOURS.items()
        }
        envoy = envoy_when_ready(start_envoy(processes, directory / "envoy"), directory / "envoy")
        scraping = scrape_configuration(envoy.admin_url, interval_seconds=0.25)
        prometheus = start_prometheus(processes, directory / "prometheus", scraping)
        addresses = {
            version: wait_until(lambda file=directory / version: read_if_there(file), child)  # type: ignore[misc]
            for version, child in applications.items()
        }
        writer = MeshWriter(ConfigFiles(directory / "envoy"), EnvoyAdmin(envoy.admin_url))
        yield DataPlane(directory, envoy, prometheus.url, writer, addresses, applications)


def application(version: str, behaviour: str, file: Path) -> list[str]:
    options = [f"--version={version}", f"--behaviour={behaviour}", f"--address-file={file}"]
    return [sys.executable, "-m", "canary.sandbox.application", *options]


def test_split_follows_the_weights(plane: DataPlane) -> None:
    plane.route("share", split(90, 10, "share"))
    totals = plane.send("share", 1000)
    assert sum(totals.requests.values()) == 1000
    # Five standard deviations of the proxy's own choice.
    assert abs(totals.share("v2") - 0.1) < 5 * (0.1 * 0.9 / 1000) ** 0.5


def test_new_weights_are_live_within_a_second(plane: DataPlane) -> None:
    for stable, canary, version in ((100, 0, "v1"), (0, 100, "v2"), (100, 0, "v1")):
        plane.route("live", split(stable, canary, "live"))
        until(lambda version=version: all(plane.answer("live")[1] == version for _ in range(5)), 1.0)  # type: ignore[misc]
        assert {plane.answer("live")[1] for _ in range(20)} == {version}


def test_routes_with_matches_come_first(plane: DataPlane) -> None:
    testers = {
        "match": [{"headers": {"x-user": {"exact": "tester"}}}],
        "route": [to("testers", subset="canary")],
    }
    plane.route("testers", testers, split(100, 0, "testers"))
    until(lambda: plane.answer("testers")[1] == "v1")
    assert {plane.answer("testers", **{"x-user": "tester"})[1] for _ in range(5)} == {"v2"}
    assert {plane.answer("testers", **{"x-user": "other"})[1] for _ in range(5)} == {"v1"}


def test_unknown_host_is_not_routed(plane: DataPlane) -> None:
    plane.route("known", split(1, 0, "known"))
    assert plane.answer("unknown") == (404, "")


def test_weights_change_under_load_without_a_single_failure(plane: DataPlane) -> None:
    def shift(slow: int) -> None:
        routes = {"route": [to("churn", "stable", 100 - slow), to("churn", "slow", slow)]}
        plane.route("churn", routes, subsets=("stable", "slow") if slow else ("stable",))

    async def send_and_shift() -> Totals:
        sending = asyncio.create_task(asyncio.to_thread(plane.send, "churn", 200, 200.0))
        for slow in (10, 50, 100, 0):
            await asyncio.to_thread(shift, slow)
            await asyncio.sleep(0.15)
        return await sending

    shift(0)
    totals = asyncio.run(send_and_shift())
    assert sum(totals.requests.values()) == 200
    assert totals.requests.keys() == {("v1", 200), ("slow", 200)}


def test_configuration_that_envoy_refuses_is_reported_and_the_last_one_stays(plane: DataPlane) -> None:
    plane.route("stays", split(100, 0, "stays"))
    until(lambda: plane.answer("stays") == (200, "v1"))
    twice = VirtualHost("a", ("same.example.com", "same.example.com"), ())
    writer = MeshWriter(
        ConfigFiles(plane.directory / "envoy"), EnvoyAdmin(plane.envoy.admin_url), timeout_seconds=0.3
    )
    mesh = translate(MeshObjects())
    with pytest.raises(EnvoyRefused, match=r"routes\.json"):
        writer.apply(type(mesh)((), (twice,), (), {}))
    assert plane.answer("stays") == (200, "v1")


def test_whatever_the_translation_lets_through_envoy_takes(plane: DataPlane) -> None:
    mutants = [with_nonsense(path, nonsense) for path in places(FULL["spec"]) for nonsense in NONSENSE]
    for number, mutant in enumerate(mutants):
        mutant["metadata"]["name"] = f"mutant-{number}"
        if mutant["spec"].get("hosts") == FULL["spec"]["hosts"]:
            # Each has a host of its own, so that none is passed over for an older one.
            mutant["spec"]["hosts"] = [f"host-{number}.example.com"]
    mesh = translate(MeshObjects(services=(service(),), virtual_services=tuple(mutants)))
    assert len(mesh.virtual_hosts) > 50
    plane.writer.apply(mesh)


def test_scrape_is_shorter_than_its_interval() -> None:
    settings = scrape_configuration("http://127.0.0.1:9901", interval_seconds=2.0)["global"]
    assert settings == {"scrape_interval": "2000ms", "scrape_timeout": "1600ms"}


def test_missing_prometheus_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrometheusMissing, match="apt-get install --no-install-recommends prometheus"):
        prometheus_binary()


def test_every_request_is_counted_once_by_workload_and_status(plane: DataPlane) -> None:
    plane.route("exact", split(60, 40, "exact"))
    totals = plane.send("exact", 600)
    plane.await_requests("exact", 600)
    plane.await_durations("exact", 600)
    workloads = {"v1": "myapp", "v2": "myapp-v2"}
    expected = {
        (workloads[version], str(status), "-"): count for (version, status), count in totals.requests.items()
    }
    assert len(expected) == 3
    assert plane.counted("exact", "istio_requests_total", *LABELS) == expected
    assert plane.counted("exact", "istio_request_duration_milliseconds_count", *LABELS) == expected


def test_retried_request_is_counted_as_the_client_saw_it(plane: DataPlane) -> None:
    retries = {"attempts": 3, "retryOn": "5xx"}
    plane.route(
        "retried", {"route": [to("retried", subset="canary")], "retries": retries}, subsets=("canary",)
    )
    totals = plane.send("retried", 300)
    plane.await_requests("retried", 300)
    counted = plane.counted("retried", "istio_requests_total", "response_code")
    assert sum(counted.values()) == 300
    assert counted == {(str(status),): count for (_, status), count in totals.requests.items()}
    # A fifth of 300 failed at first; hardly one fails four times in a row.
    assert counted.get(("500",), 0) < 10


def test_labels_and_buckets_are_istios(plane: DataPlane) -> None:
    plane.route("labels", split(100, 0, "labels"))
    plane.send("labels", 10)
    plane.await_requests("labels", 10)
    plane.await_durations("labels", 10)
    host = "labels.shop.svc.cluster.local"
    (sample,) = plane.query(f'istio_requests_total{{destination_service="{host}"}}')
    expected = {
        "reporter": "source",
        "destination_workload": "myapp",
        "destination_workload_namespace": "shop",
        "destination_app": "myapp",
        "destination_version": "v1",
        "destination_service": host,
        "destination_service_name": "labels",
        "destination_service_namespace": "shop",
        "request_protocol": "http",
        "response_code": "200",
        "response_flags": "-",
    }
    assert expected.items() <= sample["metric"].items()
    assert not [name for name in sample["metric"] if name.startswith(("envoy", "requested"))]
    buckets = plane.counted("labels", "istio_request_duration_milliseconds_bucket", "le")
    assert sorted(float(edge) for (edge,) in buckets) == [*ISTIO_BUCKETS, float("inf")]


def test_nothing_but_istios_metrics_is_stored(plane: DataPlane) -> None:
    plane.route("names", split(1, 0, "names"))
    plane.send("names", 1)
    plane.await_requests("names", 1)
    plane.await_durations("names", 1)
    names = {item["metric"]["__name__"] for item in plane.query('count by (__name__) ({__name__=~".+"})')}
    names = {name for name in names if name != "up" and not name.startswith("scrape_")}
    durations = {f"istio_request_duration_milliseconds_{part}" for part in ("bucket", "sum", "count")}
    assert names == {"istio_requests_total", "process_start_time_seconds", *durations}


def test_start_of_the_reporting_process_is_exported(plane: DataPlane) -> None:
    plane.route("started", split(1, 0, "started"))
    plane.send("started", 1)
    plane.await_requests("started", 1)
    (sample,) = plane.query("process_start_time_seconds")
    assert 0 <= time.time() - float(sample["value"][1]) < 3600
    (target,) = plane.query("up")
    assert sample["metric"]["instance"] == target["metric"]["instance"]


def test_slow_answers_are_in_the_upper_buckets(plane: DataPlane) -> None:
    plane.route("slow", {"route": [to("slow", subset="slow")]}, subsets=("slow",))
    plane.send("slow", 20, rate=100)
    plane.await_requests("slow", 20)
    plane.await_durations("slow", 20)
    buckets = plane.counted("slow", "istio_request_duration_milliseconds_bucket", "le")
    assert (buckets["250",], buckets["+Inf",]) == (0, 20)


def test_timeout_is_booked_on_the_workload_that_was_too_slow(plane: DataPlane) -> None:
    route = {"route": [to("late", subset="slow")], "timeout": "50ms"}
    plane.route("late", route, subsets=("slow",))
    assert plane.send("late", 10, rate=100).requests == {("", 504): 10}
    plane.await_requests("late", 10)
    assert plane.counted("late", "istio_requests_total", *LABELS) == {("myapp-slow", "504", "UT"): 10}


def test_subset_without_pods_or_without_definition_gives_503_of_an_unknown_workload(plane: DataPlane) -> None:
    undefined = {"match": [{"uri": {"exact": "/undefined"}}], "route": [to("dead", subset="undefined")]}
    plane.route("dead", undefined, {"route": [to("dead", subset="empty")]}, subsets=("empty",))
    assert [plane.answer("dead"), plane.answer("dead"), plane.answer("dead", "/undefined")] == [(503, "")] * 3
    plane.await_requests("dead", 3)
    assert plane.counted("dead", "istio_requests_total", *LABELS) == {
        ("unknown", "503", "UH"): 2,
        ("unknown", "503", "NC"): 1,
    }


def test_refused_connection_is_booked_on_the_workload_that_was_chosen(plane: DataPlane) -> None:
    plane.route("refused", {"route": [to("refused", subset="doomed")]}, subsets=("doomed",))
    assert plane.answer("refused") == (200, "doomed")
    plane.applications["doomed"].signal(signal.SIGKILL)
    plane.applications["doomed"].wait(5)
    assert plane.answer("refused") == (503, "")
    plane.await_requests("refused", 2)
    codes = plane.counted("refused", "istio_requests_total", "destination_workload", "response_code")
    assert codes == {("myapp-doomed", "200"): 1, ("myapp-doomed", "503"): 1}

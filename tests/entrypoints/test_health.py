"""Health: what the kubelet and Prometheus get when they ask, over real HTTP on loopback."""

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from canary.entrypoints.health import Heartbeat, health_server
from canary.entrypoints.http_server import HttpServer
from tests.entrypoints.browser import ask


class Process:
    """What the checks look at; a test makes it fail."""

    def __init__(self) -> None:
        self.loop: str | None = None
        self.watches: str | None = None
        self.has_defect = False

    def check_loop(self) -> str | None:
        return self.loop

    def check_watches(self) -> str | None:
        if self.has_defect:
            raise KeyError("services")
        return self.watches


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def server(process: Process) -> Iterator[HttpServer]:
    registry = CollectorRegistry()
    Gauge("canary_leader", "1 while this replica decides.", registry=registry).set(1)
    checks = {"watches": process.check_watches}
    server = health_server(("127.0.0.1", 0), registry, {"loop": process.check_loop}, checks)
    server.start()
    yield server
    server.stop()


def get(server: HttpServer, path: str, accept: str = "*/*") -> tuple[int, str]:
    reply = ask(server, path, accept=accept)
    return reply.status, reply.text


def test_healthy_process_answers_200(server: HttpServer) -> None:
    assert get(server, "/livez") == (200, "livez ok\n")
    assert get(server, "/readyz") == (200, "readyz ok\n")


def test_failing_check_answers_503_and_says_what_is_wrong(server: HttpServer, process: Process) -> None:
    process.watches = "/api/v1/services: silent for 200 s"
    assert get(server, "/readyz") == (
        503,
        "[-] watches: /api/v1/services: silent for 200 s\nreadyz failed\n",
    )


def test_process_that_is_not_ready_is_alive_all_the_same(server: HttpServer, process: Process) -> None:
    process.watches = "no list yet"
    assert get(server, "/livez")[0] == 200


def test_check_that_cannot_be_made_has_failed(server: HttpServer, process: Process) -> None:
    process.has_defect = True
    status, text = get(server, "/readyz")
    assert status == 503
    assert "[-] watches: could not be checked: KeyError" in text


def test_verbose_names_the_checks_that_pass(server: HttpServer) -> None:
    assert get(server, "/livez?verbose") == (200, "[+] loop\nlivez ok\n")


def test_metrics_are_served_in_the_format_that_is_asked_for(server: HttpServer) -> None:
    assert "canary_leader 1.0" in get(server, "/metrics")[1]
    assert get(server, "/metrics", "application/openmetrics-text;version=1.0.0")[1].endswith("# EOF\n")


def test_unknown_path_says_what_there_is(server: HttpServer) -> None:
    assert get(server, "/healthz") == (404, "nothing here; there are /metrics, /livez, /readyz\n")


def test_loop_that_is_silent_for_too_long_is_not_alive() -> None:
    now = 100.0
    heartbeat = Heartbeat(60.0, lambda: now)
    now = 160.0
    assert heartbeat() is None
    now = 161.0
    assert heartbeat() == "no tick for 61 s; at most 60 s are expected"
    heartbeat.beat()
    assert heartbeat() is None

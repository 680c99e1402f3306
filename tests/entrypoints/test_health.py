"""Health: what the kubelet and Prometheus get when they ask, over real HTTP on loopback."""

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from canary.entrypoints.health import MOST_AT_ONCE, HealthServer, Heartbeat

PATIENCE_SECONDS = 5.0


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
def server(process: Process) -> Iterator[HealthServer]:
    registry = CollectorRegistry()
    Gauge("canary_leader", "1 while this replica decides.", registry=registry).set(1)
    checks = {"watches": process.check_watches}
    server = HealthServer(("127.0.0.1", 0), registry, {"loop": process.check_loop}, checks)
    server.start()
    yield server
    server.stop()


def get(server: HealthServer, path: str, accept: str = "*/*") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_healthy_process_answers_200(server: HealthServer) -> None:
    assert get(server, "/livez") == (200, "livez ok\n")
    assert get(server, "/readyz") == (200, "readyz ok\n")


def test_failing_check_answers_503_and_says_what_is_wrong(server: HealthServer, process: Process) -> None:
    process.watches = "/api/v1/services: silent for 200 s"
    assert get(server, "/readyz") == (
        503,
        "[-] watches: /api/v1/services: silent for 200 s\nreadyz failed\n",
    )


def test_process_that_is_not_ready_is_alive_all_the_same(server: HealthServer, process: Process) -> None:
    process.watches = "no list yet"
    assert get(server, "/livez")[0] == 200


def test_check_that_cannot_be_made_has_failed(server: HealthServer, process: Process) -> None:
    process.has_defect = True
    status, text = get(server, "/readyz")
    assert status == 503
    assert "[-] watches: could not be checked: KeyError" in text


def test_verbose_names_the_checks_that_pass(server: HealthServer) -> None:
    assert get(server, "/livez?verbose") == (200, "[+] loop\nlivez ok\n")


def test_metrics_are_served_in_the_format_that_is_asked_for(server: HealthServer) -> None:
    assert "canary_leader 1.0" in get(server, "/metrics")[1]
    assert get(server, "/metrics", "application/openmetrics-text;version=1.0.0")[1].endswith("# EOF\n")


def test_unknown_path_says_what_there_is(server: HealthServer) -> None:
    assert get(server, "/healthz") == (404, "nothing here; there are /metrics, /livez, /readyz\n")


def test_start_says_which_port_was_free() -> None:
    server = HealthServer(("127.0.0.1", 0), CollectorRegistry(), {}, {})
    try:
        assert server.start() == server.port != 0
    finally:
        server.stop()


def test_stopped_server_frees_its_port(server: HealthServer) -> None:
    port = server.port
    server.stop()
    with socket.create_server(("127.0.0.1", port)) as again:
        assert again.getsockname()[1] == port


def test_server_that_never_started_stops_too() -> None:
    HealthServer(("127.0.0.1", 0), CollectorRegistry(), {}, {}).stop()


def test_taken_port_is_an_error_at_once(server: HealthServer) -> None:
    with pytest.raises(OSError, match="in use"):
        HealthServer(("127.0.0.1", server.port), CollectorRegistry(), {}, {})


def test_client_that_says_nothing_keeps_nobody_else_waiting(server: HealthServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS):
        assert get(server, "/livez")[0] == 200


def test_clients_without_end_do_not_become_threads_without_end(server: HealthServer) -> None:
    before = threading.active_count()
    address = ("127.0.0.1", server.port)
    clients = [socket.create_connection(address, PATIENCE_SECONDS) for _ in range(3 * MOST_AT_ONCE)]
    try:
        # The last one is turned away: by then all others have been looked at.
        clients[-1].settimeout(PATIENCE_SECONDS)
        assert clients[-1].recv(1) == b""
        assert threading.active_count() - before <= MOST_AT_ONCE
    finally:
        for client in clients:
            client.close()


def test_loop_that_is_silent_for_too_long_is_not_alive() -> None:
    now = 100.0
    heartbeat = Heartbeat(60.0, lambda: now)
    now = 160.0
    assert heartbeat() is None
    now = 161.0
    assert heartbeat() == "no tick for 61 s; at most 60 s are expected"
    heartbeat.beat()
    assert heartbeat() is None

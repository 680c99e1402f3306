"""The application of the sandbox's pods, as a real process and, where time matters, by its own clock."""

import asyncio
import http.client
import json
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.sandbox.application import Application
from canary.sandbox.behaviour import parse_behaviour
from canary.sandbox.files import read_if_there
from canary.sandbox.processes import Child, Processes, wait_until


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with Processes(tmp_path_factory.mktemp("applications")) as owned:
        yield owned


def start(processes: Processes, directory: Path, *options: str) -> tuple[Child, int]:
    file = directory / "address"
    argv = [sys.executable, "-m", "canary.sandbox.application", f"--address-file={file}", *options]
    child = processes.start("application", argv)
    return child, int(wait_until(lambda: read_if_there(file), child).rpartition(":")[2])


def statuses(port: int, count: int, path: str = "/") -> list[int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    found = []
    for _ in range(count):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        found.append(answer.status)
    connection.close()
    return found


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def judgements(behaviour: str, seed: int, times: list[float]) -> list[tuple[int, float]]:
    async def judge() -> list[tuple[int, float]]:
        application = Application(parse_behaviour(behaviour), "v1", "a", seed)
        return [application.judge(time) for time in times]

    return asyncio.run(judge())


def test_every_path_is_answered_with_version_and_pod(processes: Processes, tmp_path: Path) -> None:
    _, port = start(processes, tmp_path, "--version=v7", "--pod=a-1")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/any/path?x=1", body=b"hello")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"version": "v7", "pod": "a-1"})
    assert (answer.headers["x-sandbox-version"], answer.headers["x-sandbox-pod"]) == ("v7", "a-1")
    connection.close()


def test_health_is_not_affected_by_errors(processes: Processes, tmp_path: Path) -> None:
    _, port = start(processes, tmp_path, "--behaviour=errors=100% status=503")
    assert statuses(port, 3) == [503, 503, 503]
    assert statuses(port, 3, "/healthz") == [200, 200, 200]


def exposed(port: int) -> dict[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.headers.get_content_type()) == (200, "text/plain")
    lines = answer.read().decode().splitlines()
    connection.close()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_orders_are_counted_apart_from_how_requests_are_answered(
    processes: Processes, tmp_path: Path
) -> None:
    _, port = start(processes, tmp_path, "--behaviour=failed-orders=50%")
    assert exposed(port).keys() == {"process_start_time_seconds", "orders_waiting"}
    assert statuses(port, 40) == [200] * 40
    assert statuses(port, 3, "/healthz") == [200] * 3
    counted = exposed(port)
    failed = counted['orders_total{result="failed"}']
    assert failed + counted['orders_total{result="ok"}'] == 40
    assert 0 < failed < 40


def test_orders_that_wait_are_shown_by_a_gauge_and_answered_all_the_same(
    processes: Processes, tmp_path: Path
) -> None:
    _, port = start(processes, tmp_path, "--behaviour=waiting-orders=50%")
    assert exposed(port)["orders_waiting"] == 0
    assert statuses(port, 40) == [200] * 40
    assert exposed(port)["orders_waiting"] == 20


def test_pipelined_requests_are_all_answered(processes: Processes, tmp_path: Path) -> None:
    _, port = start(processes, tmp_path)
    assert raw(port, b"GET / HTTP/1.1\r\n\r\n" * 2000).count(b"HTTP/1.1 200 OK") == 2000


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70000, b"413"),
    ],
)
def test_what_is_no_request_is_refused_and_the_service_goes_on(
    processes: Processes, tmp_path: Path, request_text: bytes, status: bytes
) -> None:
    _, port = start(processes, tmp_path)
    assert raw(port, request_text).startswith(b"HTTP/1.1 " + status)
    assert statuses(port, 1) == [200]


def test_application_that_is_never_ready_says_so_to_all(processes: Processes, tmp_path: Path) -> None:
    _, port = start(processes, tmp_path, "--behaviour=never-ready")
    assert statuses(port, 1, "/healthz") == [503]
    assert statuses(port, 1) == [503]


def test_crash_ends_the_process_with_code_1(processes: Processes, tmp_path: Path) -> None:
    child, _ = start(processes, tmp_path, "--behaviour=crash-after=10ms")
    assert child.wait(5) == 1


def test_mistyped_behaviour_is_refused_with_the_reason(processes: Processes) -> None:
    child = processes.start(
        "mistyped", [sys.executable, "-m", "canary.sandbox.application", "--behaviour=errors"]
    )
    assert child.wait(5) == 1
    assert "write it like errors=20%" in child.log_tail()


def test_drain_fails_readiness_and_answers_what_is_under_way(processes: Processes, tmp_path: Path) -> None:
    child, port = start(processes, tmp_path, "--behaviour=latency=400ms", "--drain-quiet=0.3")
    answers: list[int] = []
    slow = threading.Thread(target=lambda: answers.extend(statuses(port, 1)))
    probe = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    probe.connect()
    slow.start()
    child.signal(signal.SIGTERM)

    def health() -> bool | None:
        probe.request("GET", "/healthz")
        answer = probe.getresponse()
        answer.read()
        return True if answer.status == 503 else None

    assert wait_until(health, child)
    slow.join(5)
    assert answers == [200]
    assert child.wait(5) == 0


def test_errors_are_a_pattern_of_the_seed() -> None:
    times = [float(time) for time in range(2000)]
    first, again, other = (judgements("errors=20%", seed, times) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert 0.15 < sum(status == 500 for status, _ in first) / 2000 < 0.25


def test_failing_orders_do_not_shift_the_pattern_of_errors() -> None:
    times = [float(time) for time in range(200)]
    assert judgements("errors=20% failed-orders=50%", 1, times) == judgements("errors=20%", 1, times)


def test_late_errors_come_from_their_request_on_and_not_before() -> None:
    found = [
        status for status, _ in judgements("errors=100% late=15", 1, [float(time) for time in range(20)])
    ]
    assert found == [200] * 15 + [500] * 5


def test_latency_meets_its_share_of_the_requests() -> None:
    slow = [delay for _, delay in judgements("latency=800ms@50%", 1, [float(time) for time in range(2000)])]
    assert set(slow) == {0.0, 0.8}
    assert 0.45 < slow.count(0.8) / 2000 < 0.55


def test_service_is_slow_only_while_its_rate_is_above_the_limit() -> None:
    def delays(rate: int, begin: float) -> list[float]:
        return [begin + request / rate for request in range(rate * 4)]

    few, many, few_again = delays(10, 1000.0), delays(50, 1004.0), delays(10, 1008.0)
    found = [delay for _, delay in judgements("latency=700ms slow-above=30/s", 1, few + many + few_again)]
    assert set(found[:40]) == {0.0}
    assert set(found[100:240]) == {0.7}
    assert set(found[-20:]) == {0.0}

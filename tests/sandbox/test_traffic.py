"""The source of traffic: bounded, on loopback only, on a schedule, and complete in what it records."""

import asyncio
import io
import json
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from canary.sandbox.files import read_if_there
from canary.sandbox.processes import Processes, wait_until
from canary.sandbox.traffic import RefusedTraffic, Traffic, TrafficPlan, schedule
from canary.sandbox.traffic_log import Outcome, Tally, read_totals


def plan(url: str = "http://127.0.0.1:1", rate: float = 100.0, **changes: float) -> TrafficPlan:
    return TrafficPlan(
        url=url,
        host="myapp.shop.svc.cluster.local",
        rate_per_second=rate,
        duration_seconds=changes.get("duration", 1.0),
        seed=int(changes.get("seed", 0)),
        timeout_seconds=changes.get("timeout", 5.0),
        in_flight=int(changes.get("in_flight", 100)),
        paths=("/a", "/b"),
        slow_above_ms=500.0,
    )


@pytest.mark.parametrize("rate", [0, -1, 2001, float("nan"), float("inf")])
def test_rate_out_of_bounds_is_refused(rate: float) -> None:
    with pytest.raises(RefusedTraffic, match="must be above 0 and at most 2000"):
        plan(rate=rate)


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:80",
        "http://example.com",
        "http://localhost:80",
        "https://127.0.0.1",
        "127.0.0.1:80",
        "http://",
    ],
)
def test_url_that_is_not_an_address_on_loopback_is_refused(url: str) -> None:
    with pytest.raises(RefusedTraffic, match="only http URLs with a loopback address"):
        plan(url=url)


def test_schedule_has_one_request_in_every_slot() -> None:
    due = [seconds for seconds, _ in schedule(plan(rate=100.0, duration=3.0))]
    assert [int(seconds * 100) for seconds in due] == list(range(300))


def test_schedule_is_a_function_of_its_seed() -> None:
    first, again, other = (list(islice(schedule(plan(seed=seed)), 50)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_seconds_are_written_once_they_are_over() -> None:
    tally = Tally(slow_above_ms=500.0)
    for second, latency in ((10, 5.0), (10, 600.0), (11, 7.0)):
        tally.add(second, Outcome("v1", "a", 200, "", latency))
    (line,) = tally.take_before(11)
    record = json.loads(line)
    assert (record["second"], record["count"], record["slow"], record["latency_ms_max"]) == (10, 2, 1, 600.0)
    assert record["latency_ms_sum"] == 605.0
    assert tally.take_before(11) == []


def test_totals_leave_out_a_line_that_is_still_being_written(tmp_path: Path) -> None:
    tally = Tally(slow_above_ms=500.0)
    tally.add(10, Outcome("v1", "a", 200, "", 5.0))
    tally.add(11, Outcome("v2", "b", 500, "", 700.0))
    first, second = tally.take_before(99)
    log = tmp_path / "log"
    log.write_text(first + second[:20])
    assert read_totals(log).requests == {("v1", 200): 1}
    log.write_text(first + second)
    assert read_totals(log, since_second=11).slow == {"v2": 1}
    assert read_totals(tmp_path / "none").requests == {}


def test_request_without_an_answer_is_recorded_with_its_reason() -> None:
    out = io.StringIO()
    asyncio.run(Traffic(plan(rate=50.0, duration=0.2), out).run(asyncio.Event()))
    records = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {(record["status"], record["error"]) for record in records} == {(0, "ConnectionRefusedError")}
    assert sum(record["count"] for record in records) == 10


def test_slow_service_gets_its_requests_on_time_and_what_is_too_much_is_recorded(tmp_path: Path) -> None:
    address = tmp_path / "address"
    log = tmp_path / "log"
    argv = [
        sys.executable,
        "-m",
        "canary.sandbox.application",
        f"--address-file={address}",
        "--behaviour=latency=2s",
        "--drain-limit=0",
    ]
    with Processes(tmp_path) as processes:
        child = processes.start("application", argv)
        url = f"http://{wait_until(lambda: read_if_there(address), child)}"
        with log.open("w") as out:
            limited = plan(url, rate=100.0, duration=0.5, in_flight=20, timeout=1.5)
            asyncio.run(Traffic(limited, out).run(asyncio.Event()))
    reasons = Counter[str]()
    for line in log.read_text().splitlines():
        record = json.loads(line)
        reasons[record["error"]] += record["count"]
    # All are sent before the first could be given up, so 20 wait and 30 find no room.
    assert reasons == {"timeout": 20, "overload": 30}


@pytest.mark.slow
def test_process_sends_the_whole_plan_and_records_who_answered(tmp_path: Path) -> None:
    address, log = tmp_path / "address", tmp_path / "log"
    application = [
        sys.executable,
        "-m",
        "canary.sandbox.application",
        f"--address-file={address}",
        "--version=v3",
    ]
    with Processes(tmp_path) as processes:
        child = processes.start("application", application)
        url = f"http://{wait_until(lambda: read_if_there(address), child)}"
        options = ["--host=a", f"--url={url}", f"--out={log}", "--rate=200", "--duration=0.5"]
        traffic = processes.start("traffic", [sys.executable, "-m", "canary.sandbox.traffic", *options])
        assert traffic.wait(10) == 0, traffic.log_tail()
    totals = read_totals(log)
    assert totals.requests == {("v3", 200): 100}
    assert totals.share("v3") == 1.0

"""Logs: one line per event with stable keys, without secrets, whatever becomes of a listener."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from canary.app.ports import Announcement, Announcer
from canary.domain.plan import ServiceKey
from canary.domain.release import Release
from canary.entrypoints.logs import LogAnnouncer, announcers, configure_logs
from tests.entrypoints.examples import BAKING, KEY

SECRET = "hunter2-in-the-clear"
ROLLBACK = Announcement("ObjectiveBreached", "errors: 12 of 200 requests failed", warning=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fail_with(credential: str) -> None:
    raise RuntimeError(f"refused: {len(credential)} letters")


class Recorder:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def announce(self, key: ServiceKey, release: Release | None, announcement: Announcement) -> None:
        self.heard.append(f"{key} {announcement.reason}")


class Broken:
    def announce(self, key: ServiceKey, release: Release | None, announcement: Announcement) -> None:
        raise RuntimeError("the API server is down")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_announcement_is_one_line_that_names_service_release_and_reason() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    LogAnnouncer().announce(KEY, BAKING, ROLLBACK)
    (line,) = lines(stream)
    line.pop("timestamp")
    verdict = line.pop("verdict")
    assert line == {
        "level": "warning",
        "event": "errors: 12 of 200 requests failed",
        "namespace": "shop",
        "service": "checkout",
        "release": BAKING.name,
        "phase": "Progressing",
        "reason": "ObjectiveBreached",
    }
    assert (verdict["outcome"], verdict["reason"]) == ("Hold", "Baking")
    assert verdict["objectives"]["errors"]["canary"] == "0/300"
    assert verdict["log_threshold"] == pytest.approx(4.605)


def test_announcement_without_a_release_and_without_alarm_is_information() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    LogAnnouncer().announce(KEY, None, Announcement("Paused", "nothing is done"))
    (line,) = lines(stream)
    assert (line["level"], line["reason"]) == ("info", "Paused")
    assert "release" not in line


def test_keys_come_in_one_order_however_they_were_given() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.get_logger().info("said", zebra=1, reason="R", service="s", namespace="n")
    (line,) = lines(stream)
    assert list(line) == ["timestamp", "level", "event", "namespace", "service", "reason", "zebra"]


def test_text_with_line_breaks_stays_one_line_of_json() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.get_logger().info('first\nsecond "third"')
    assert [line["event"] for line in lines(stream)] == ['first\nsecond "third"']


@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO(), True),
        ("auto", Terminal(), False),
        ("console", io.StringIO(), False),
        ("json", Terminal(), True),
    ],
)
def test_format_is_console_on_a_terminal_and_json_elsewhere_unless_it_is_chosen(
    log_format: Any, stream: io.StringIO, is_json: bool
) -> None:
    configure_logs("info", log_format, stream)
    structlog.get_logger().info("started")
    assert stream.getvalue().startswith("{") is is_json
    assert "started" in stream.getvalue()


def test_what_is_below_the_level_is_not_said() -> None:
    stream = io.StringIO()
    configure_logs("warning", "json", stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("library").info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_libraries_that_log_the_old_way_come_out_the_same_way() -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    logging.getLogger("library").warning("pool of %d is full", 10)
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("pool of 10 is full", "warning")


@pytest.mark.parametrize("name", ["password", "bearer_token", "Authorization", "headers", "client_secret"])
def test_value_under_a_secretive_name_is_masked(name: str) -> None:
    stream = io.StringIO()
    configure_logs(stream=stream)
    structlog.get_logger().info("asked", **{name: SECRET})
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_traceback_shows_no_local_variables(log_format: Any) -> None:
    stream = io.StringIO()
    configure_logs("info", log_format, stream)
    try:
        fail_with(SECRET)
    except RuntimeError:
        structlog.get_logger().exception("failed")
    assert "RuntimeError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_listener_that_fails_does_not_keep_the_others_from_hearing() -> None:
    stream, first, last = io.StringIO(), Recorder(), Recorder()
    configure_logs(stream=stream)
    everybody: Announcer = announcers(first, Broken(), last)
    everybody.announce(KEY, BAKING, ROLLBACK)
    assert first.heard == last.heard == ["shop/checkout ObjectiveBreached"]
    assert [(line["level"], line["sink"]) for line in lines(stream)] == [("error", "Broken")]


def test_log_that_nobody_reads_any_more_stops_nothing() -> None:
    stream, last = io.StringIO(), Recorder()
    configure_logs(stream=stream)
    stream.close()
    announcers(LogAnnouncer(), Broken(), last).announce(KEY, BAKING, ROLLBACK)
    assert last.heard == ["shop/checkout ObjectiveBreached"]

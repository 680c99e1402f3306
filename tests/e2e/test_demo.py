"""The demo, interrupted at any moment, leaves no process and no file, and tells it by its exit code."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running_demo import Demo, running_demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

END_SECONDS = 15.0


def has_its_directory(demo: Demo) -> bool:
    return any(demo.directory.iterdir())


def starts_its_first_processes(demo: Demo) -> bool:
    return len(demo.family()) > 2


def runs_the_controller(demo: Demo) -> bool:
    return any("canary.entrypoints.controller" in command for command in demo.family().values())


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with running_demo(tmp_path) as demo:
        yield demo


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        (has_its_directory, signal.SIGINT, 130),
        (starts_its_first_processes, signal.SIGTERM, 143),
        (runs_the_controller, signal.SIGINT, 130),
        (Demo.is_amid_a_release, signal.SIGINT, 130),
        (Demo.is_amid_a_release, signal.SIGTERM, 143),
    ],
)
def test_interrupted_demo_leaves_nothing(
    demo: Demo, moment: Callable[[Demo], bool], number: signal.Signals, code: int
) -> None:
    demo.reach(moment)
    demo.process.send_signal(number)
    assert demo.process.wait(END_SECONDS) == code, demo.said()
    demo.assert_nothing_is_left()


def test_demo_that_is_interrupted_twice_still_leaves_nothing(demo: Demo) -> None:
    demo.reach(Demo.is_amid_a_release)
    demo.process.send_signal(signal.SIGINT)
    whole = len(demo.family())
    deadline = time.monotonic() + END_SECONDS
    while len(demo.family()) >= whole and demo.process.poll() is None:
        assert time.monotonic() < deadline, "nothing ends"
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(END_SECONDS) == 130, demo.said()
    demo.assert_nothing_is_left()

"""The demo, interrupted at any moment, leaves no process and no file, and tells it by its exit code."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

CANARYCTL = Path(sys.executable).with_name("canaryctl")
MARK = "E2E_MARK"
REACH_SECONDS = 30.0
END_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that runs, known to all its descendants by a variable in their environment."""

    process: subprocess.Popen[bytes]
    directory: Path
    output: Path
    mark: str

    def said(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def family(self) -> dict[int, str]:
        """The living processes that inherited the mark, by pid."""
        wanted = f"{MARK}={self.mark}".encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def reach(self, moment: Callable[["Demo"], bool]) -> None:
        deadline = time.monotonic() + REACH_SECONDS
        while not moment(self):
            assert self.process.poll() is None, f"the demo ended before that moment: {self.said()}"
            assert time.monotonic() < deadline, f"the demo never got there: {self.said()}"
            time.sleep(0.01)


def has_its_directory(demo: Demo) -> bool:
    return any(demo.directory.iterdir())


def starts_its_first_processes(demo: Demo) -> bool:
    return len(demo.family()) > 2


def runs_the_controller(demo: Demo) -> bool:
    return any("canary.entrypoints.controller" in command for command in demo.family().values())


def is_amid_a_release(demo: Demo) -> bool:
    return "Progressing step 1/3" in demo.said()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    directory, output, mark = tmp_path / "tmp", tmp_path / "output", secrets.token_hex(8)
    directory.mkdir()
    with output.open("wb") as out:
        process = subprocess.Popen(
            [str(CANARYCTL), "demo", "--fast", "--plain"],
            env={**os.environ, "TMPDIR": str(directory), MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Demo(process, directory, output, mark)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(END_SECONDS)


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        (has_its_directory, signal.SIGINT, 130),
        (starts_its_first_processes, signal.SIGTERM, 143),
        (runs_the_controller, signal.SIGINT, 130),
        (is_amid_a_release, signal.SIGINT, 130),
        (is_amid_a_release, signal.SIGTERM, 143),
    ],
)
def test_interrupted_demo_leaves_nothing(
    demo: Demo, moment: Callable[[Demo], bool], number: signal.Signals, code: int
) -> None:
    demo.reach(moment)
    demo.process.send_signal(number)
    assert demo.process.wait(END_SECONDS) == code, demo.said()
    assert demo.family() == {}
    assert list(demo.directory.iterdir()) == []
    assert "Traceback" not in demo.said()


def test_demo_that_is_interrupted_twice_still_leaves_nothing(demo: Demo) -> None:
    demo.reach(is_amid_a_release)
    demo.process.send_signal(signal.SIGINT)
    whole = len(demo.family())
    deadline = time.monotonic() + END_SECONDS
    while len(demo.family()) >= whole and demo.process.poll() is None:
        assert time.monotonic() < deadline, "nothing ends"
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(END_SECONDS) == 130, demo.said()
    assert demo.family() == {}
    assert list(demo.directory.iterdir()) == []

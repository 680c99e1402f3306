"""A command that runs as a process, and what it has in the world while it does: its processes and files."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

__all__ = ["Demo", "Run", "running", "running_demo"]

CANARYCTL = Path(sys.executable).with_name("canaryctl")
MARK = "RUNNING_DEMO_MARK"


@dataclass(frozen=True, slots=True)
class Run:
    """A command that runs, known to all its descendants by a variable in their environment."""

    process: subprocess.Popen[bytes]
    directory: Path
    """Where it may put temporary files."""
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

    def reach(self, moment: Callable[[Self], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not moment(self):
            assert self.process.poll() is None, f"it ended before that moment: {self.said()}"
            assert time.monotonic() < deadline, f"it never got there: {self.said()}"
            time.sleep(0.02)

    def assert_nothing_is_left(self) -> None:
        assert self.family() == {}
        assert list(self.directory.iterdir()) == []
        assert "Traceback" not in self.said()


@dataclass(frozen=True, slots=True)
class Demo(Run):
    """``canaryctl demo`` that runs."""

    def is_amid_a_release(self) -> bool:
        return "Progressing step 1/3" in self.said()


Kind = TypeVar("Kind", bound=Run)


@contextmanager
def running_demo(directory: Path, *arguments: str) -> Iterator[Demo]:
    """Run ``canaryctl demo --fast --plain`` while the context lasts; its files go to ``directory``."""
    with running(Demo, directory, [str(CANARYCTL), "demo", "--fast", "--plain", *arguments]) as demo:
        yield demo


@contextmanager
def running(kind: type[Kind], directory: Path, argv: Sequence[str]) -> Iterator[Kind]:
    """Run a command while the context lasts, the leader of a process group; its files go to ``directory``."""
    temporary, output, mark = directory / "tmp", directory / "output", secrets.token_hex(8)
    temporary.mkdir()
    with output.open("wb") as out:
        process = subprocess.Popen(
            argv,
            env={**os.environ, "TMPDIR": str(temporary), MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield kind(process, temporary, output, mark)
    finally:
        if process.poll() is None:
            # What it runs in turn may not outlive it either.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(15.0)

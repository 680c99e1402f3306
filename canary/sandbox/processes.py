"""The sandbox's child processes: started in their own group, logged to files, and never left behind.

Promises: every child is recorded before anybody can interrupt its start; `stop` ends all of them (SIGTERM, a
deadline, then SIGKILL) and only them, by pid; should this process be killed, the kernel kills them
(tether.py). A terminal's Ctrl-C reaches only this process, which then stops its children in order.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

_TETHER = str(Path(__file__).with_name("tether.py"))
_POLL_SECONDS = 0.02
_LOG_TAIL_BYTES = 2000

T = TypeVar("T")


class ProcessFailed(RuntimeError):
    """A child ended, or did not become ready; the message carries the end of its log."""


class Child:
    """One child process and its log file."""

    def __init__(
        self,
        name: str,
        process: subprocess.Popen[bytes],
        log: Path,
        argv: Sequence[str],
        env: Mapping[str, str],
    ) -> None:
        """``argv`` and ``env`` are what it was started with."""
        self.name = name
        self.log = log
        self.argv = argv
        self.env = env
        self._process = process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""
        return self._process.poll()

    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.exit_code() is None

    def signal(self, number: int) -> None:
        """Send a signal; one that comes too late is not an error."""
        # Popen looks for the end of the process first, so a reused pid is never hit.
        self._process.send_signal(number)

    def wait(self, timeout_seconds: float) -> int | None:
        """Wait for the end; the exit code, or None when the process still runs."""
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, deadline_seconds: float = 5.0) -> int:
        """SIGTERM, then after `deadline_seconds` SIGKILL; the exit code."""
        self.signal(signal.SIGTERM)
        code = self.wait(deadline_seconds)
        if code is None:
            self.signal(signal.SIGKILL)
            code = self._process.wait()
        return code

    def log_tail(self) -> str:
        """The last lines the process wrote to stdout and stderr."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _LOG_TAIL_BYTES))
            return file.read().decode(errors="replace").strip()


class Processes:
    """The children of one owner. Use as a context manager, or call `stop`."""

    def __init__(self, directory: Path) -> None:
        """`directory` takes the log files, `<name>.log`."""
        self._directory = directory
        self._children: list[Child] = []
        self._closed = False
        self._lock = threading.Lock()
        # The kernel's "parent" is the *thread* that forked: one that outlives the children starts them all.
        self._launcher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="launcher")

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Child:
        """Start `argv` with `env` added to this process' environment. Raises ProcessFailed if it cannot."""
        try:
            start = self._launcher.submit(self._launch, name, list(argv), dict(env or {}))
        except RuntimeError as exc:
            raise ProcessFailed(f"cannot start {name}: its owner has stopped") from exc
        return start.result()

    def named(self, name: str) -> Child:
        """The youngest child of this name. Raises KeyError."""
        with self._lock:
            found = [child for child in self._children if child.name == name]
        if not found:
            raise KeyError(name)
        return found[-1]

    def start_again(self, child: Child, env: Mapping[str, str] | None = None) -> Child:
        """Kill a child and start another one like it, but for what ``env`` changes. Raises ProcessFailed."""
        child.stop(0.0)
        self.forget(child)
        return self.start(child.name, child.argv, {**child.env, **(env or {})})

    def forget(self, child: Child) -> None:
        """Drop a child that has ended, so that the list stays as long as what runs."""
        with self._lock:
            if child in self._children and not child.is_running():
                self._children.remove(child)

    def stop(self, deadline_seconds: float = 5.0) -> None:
        """End every child, the youngest first; when interrupted, kill what is left before that goes on."""
        with self._lock:
            self._closed = True
            children = self._children[::-1]
            self._children.clear()
        try:
            _terminate(children, deadline_seconds)
        finally:
            for child in children:
                if child.is_running():
                    child.signal(signal.SIGKILL)
                    child.wait(deadline_seconds)
            # Last, for the end of this thread is what the kernel takes for the parent's death.
            self._launcher.shutdown(wait=True)

    def _launch(self, name: str, argv: list[str], env: dict[str, str]) -> Child:
        # A start takes the lock as a whole: `stop` comes before it, and it fails, or after it, and knows
        # the child.
        with self._lock:
            if self._closed:
                raise ProcessFailed(f"cannot start {name}: its owner is stopping")
            child = self._spawn(name, argv, env)
            self._children.append(child)
        return child

    def _spawn(self, name: str, argv: list[str], env: dict[str, str]) -> Child:
        log = self._directory / f"{name}.log"
        command = [sys.executable, "-I", "-S", _TETHER, str(os.getpid()), *argv]
        try:
            with log.open("ab") as output:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **env},
                    process_group=0,
                )
        except OSError as exc:
            raise ProcessFailed(f"cannot start {name} ({argv[0]}): {exc}") from exc
        return Child(name, process, log, argv, env)


def _terminate(children: Sequence[Child], deadline_seconds: float) -> None:
    for child in children:
        child.signal(signal.SIGTERM)
    deadline = time.monotonic() + deadline_seconds
    for child in children:
        child.wait(max(0.0, deadline - time.monotonic()))


def wait_until(probe: Callable[[], T | None], child: Child, timeout_seconds: float = 10.0) -> T:
    """Call `probe` until it gives something other than None.

    Raises ProcessFailed when `child` ends meanwhile or the time is over.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        result = probe()
        if result is not None:
            return result
        code = child.exit_code()
        if code is not None:
            raise ProcessFailed(
                f"{child.name} ended with code {code} before it was ready: {child.log_tail()}"
            )
        if time.monotonic() > deadline:
            raise ProcessFailed(f"{child.name} was not ready after {timeout_seconds:g} s: {child.log_tail()}")
        time.sleep(_POLL_SECONDS)

"""The Go toolchain as something to call, and a place where what it built is kept.

What is built is pinned to the byte by the go.mod and go.sum of a module of ours, and kept in
``<cache>/<name>/<hash of go.sum>``, a directory that is there whole or not at all; the cache is
``~/.cache/canary``, or what CANARY_CACHE names. A build takes minutes, and Go's own build cache 5 GB.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["ControlPlaneMissing", "Go", "Say", "built_once", "cache_directory", "find_go"]

Say = Callable[[str], None]
OLDEST_GO = (1, 26)
_VERSION_SECONDS = 30.0
_DOWNLOAD_SECONDS = 600.0
_BUILD_SECONDS = 3600.0
_PROGRESS_SECONDS = 15.0
_USUAL_PLACE = "/usr/local/go/bin/go"
_TAIL_CHARACTERS = 1500
_HASH_DIGITS = 16


class ControlPlaneMissing(RuntimeError):
    """The programs of a control plane are not there and cannot be made; the message says what to do."""


def cache_directory() -> Path:
    """CANARY_CACHE, or ``canary`` in the place for caches of this user."""
    if named := os.environ.get("CANARY_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "canary"


class Go:
    """A toolchain that is new enough. Modules are never changed: go.mod and go.sum decide."""

    def __init__(self, program: str) -> None:
        self._program = program

    def download(self, module: str) -> dict[str, Any]:
        """Have one module at one version in Go's own cache; what Go says of it. ``module``: path@version."""
        ran = _run([self._program, "mod", "download", "-json", module], _DOWNLOAD_SECONDS)
        try:
            found: dict[str, Any] = json.loads(ran.stdout)
        except ValueError:
            found = {"Error": ran.stderr.strip()}
        if error := found.get("Error"):
            raise ControlPlaneMissing(f"go mod download {module}: {error}")
        return found

    def build(self, module: Path, arguments: Sequence[str], say: Say) -> None:
        """Run ``go build`` in a module's directory, and say every few seconds how far it is."""
        argv = [self._program, "build", "-v", *arguments]
        began = said = time.monotonic()
        process = subprocess.Popen(
            argv,
            cwd=module,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines: list[str] = []
        # Reading its words waits for its end, however long that takes.
        overdue = threading.Timer(_BUILD_SECONDS, process.kill)
        overdue.start()
        with process:
            try:
                for line in process.stderr or ():
                    lines.append(line.rstrip())
                    now = time.monotonic()
                    if now - said >= _PROGRESS_SECONDS:
                        said = now
                        say(f"building: {len(lines)} packages compiled after {now - began:.0f} s")
                process.wait()
            except BaseException:
                process.terminate()
                raise
            finally:
                overdue.cancel()
        if process.returncode != 0:
            raise ControlPlaneMissing(f"{' '.join(argv)} failed:\n" + "\n".join(lines)[-_TAIL_CHARACTERS:])


def find_go(purpose: str) -> Go:
    """The toolchain of this machine. Raises ControlPlaneMissing when there is none, or only an old one."""
    program = shutil.which("go") or (_USUAL_PLACE if Path(_USUAL_PLACE).is_file() else None)
    wanted = ".".join(map(str, OLDEST_GO))
    if program is None:
        raise ControlPlaneMissing(
            f"{purpose} needs Go {wanted} or newer, and there is no `go` on the PATH or in {_USUAL_PLACE}: "
            "install it"
        )
    ran = _run([program, "env", "GOVERSION"], _VERSION_SECONDS)
    found = re.match(r"go(\d+)\.(\d+)", ran.stdout)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GO:
        says = ran.stdout.strip() or ran.stderr.strip()
        raise ControlPlaneMissing(f"{purpose} needs Go {wanted} or newer; {program} is {says}: install it")
    return Go(program)


def _run(argv: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            cwd=Path.home(),
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise ControlPlaneMissing(f"{' '.join(argv)}: {failed}") from failed


def built_once(
    name: str, module: Path, programs: Sequence[str], build: Callable[[Path], None], say: Say
) -> Path:
    """The directory that holds ``programs`` as ``module`` pins them; ``build`` fills one when there is none.

    Raises ControlPlaneMissing when ``build`` does.
    """
    digest = hashlib.sha256((module / "go.sum").read_bytes()).hexdigest()[:_HASH_DIGITS]
    kept = cache_directory() / name / digest
    if not _are_in(kept, programs):
        with _alone(kept.with_suffix(".lock"), name, say):
            # Somebody else may have built it while this process waited for its turn.
            if not _are_in(kept, programs):
                _build(kept, build, say)
    return kept


def _are_in(directory: Path, programs: Sequence[str]) -> bool:
    return all((directory / program).is_file() for program in programs)


def _build(target: Path, build: Callable[[Path], None], say: Say) -> None:
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        build(scratch)
        # It may be there in part: a person may have removed one of the programs.
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    say(f"built in {time.monotonic() - began:.0f} s; kept in {target}")


@contextmanager
def _alone(lock: Path, name: str, say: Say) -> Iterator[None]:
    """Hold a lock that the kernel lets go of however this process ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process builds the {name}; waiting for it ({lock})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _environment() -> dict[str, str]:
    # The toolchain that was checked is the one that builds, and go.sum decides what it builds from.
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}

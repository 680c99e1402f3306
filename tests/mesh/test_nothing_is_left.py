"""A run of the mesh's tests leaves nothing behind, whether it comes to its end or is told to end before."""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.running_demo import Run, running

pytestmark = pytest.mark.timeout(300)

ONE_TEST = ("tests/mesh/test_only_istio_can_tell.py", "-k", "younger")
START_SECONDS, END_SECONDS = 200.0, 60.0


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running(Run, tmp_path, [sys.executable, "-m", "tests.mesh", *ONE_TEST]) as made:
        yield made


def runs(run: Run, program: str) -> bool:
    return any(program in command for command in run.family().values())


def starts_the_control_plane(run: Run) -> bool:
    return runs(run, "kube-apiserver")


def has_users(run: Run) -> bool:
    return runs(run, "canary.sandbox.traffic")


def networks(of: Iterable[Path]) -> set[str]:
    """The network namespaces of processes, as the kernel names them."""
    found = set()
    for process in of:
        try:
            found.add(str((process / "ns" / "net").readlink()))
        except OSError:
            continue
    return found


def networks_of(run: Run) -> set[str]:
    """Those that the run has made for itself."""
    theirs = networks(Path(f"/proc/{pid}") for pid in run.family())
    return theirs - networks([Path("/proc/self")])


def assert_nothing_is_left(run: Run, made: set[str]) -> None:
    run.assert_nothing_is_left()
    assert len(made) == 1, "it ran in a network of its own"
    # A namespace lasts as long as a process is in it, or something is mounted that holds it.
    assert not made & networks(Path("/proc").glob("[0-9]*"))
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert not [name for name in (*made, str(run.directory)) if name in mounts]


def test_run_that_comes_to_its_end_leaves_nothing(run: Run) -> None:
    run.reach(has_users, START_SECONDS)
    made = networks_of(run)
    assert run.process.wait(240) == 0, run.said()
    assert "1 passed" in run.said()
    assert_nothing_is_left(run, made)


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        (starts_the_control_plane, signal.SIGTERM, 143),
        (has_users, signal.SIGINT, 130),
    ],
)
def test_run_that_is_told_to_end_leaves_nothing(
    run: Run, moment: Callable[[Run], bool], number: signal.Signals, code: int
) -> None:
    run.reach(moment, START_SECONDS)
    made = networks_of(run)
    run.process.send_signal(number)
    assert run.process.wait(END_SECONDS) == code, run.said()
    assert_nothing_is_left(run, made)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_whose_every_process_is_told_at_once_leaves_nothing(run: Run, number: signal.Signals) -> None:
    """As Ctrl-C on a terminal does it, and whoever ends a whole job."""
    run.reach(has_users, START_SECONDS)
    made = networks_of(run)
    os.killpg(run.process.pid, number)
    assert run.process.wait(END_SECONDS) == 128 + number, run.said()
    assert_nothing_is_left(run, made)

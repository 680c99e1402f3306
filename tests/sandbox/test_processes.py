"""Child processes never outlive their owner, and nobody else's are touched."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from canary.sandbox.processes import Child, Processes, ProcessFailed, wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]
PARENT = """
import sys, time
from pathlib import Path
from canary.sandbox.processes import Processes
argv = [sys.executable, "-c", "import time; time.sleep(60)"]
child = Processes(Path(sys.argv[1])).start("grandchild", argv)
print(child.pid, flush=True)
time.sleep(60)
"""


def exists(pid: int) -> bool:
    """Whether the process runs; one that only waits to be collected by its parent has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not exists(pid)


def deaf(child: Child) -> bool | None:
    return True if "deaf" in child.log_tail() else None


def test_all_children_have_ended_when_the_block_ends(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        children = [processes.start(f"child-{number}", SLEEP) for number in range(3)]
    assert not any(exists(child.pid) for child in children)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_all_children_have_ended_when_the_block_is_interrupted(
    tmp_path: Path, interruption: type[BaseException]
) -> None:
    children = []
    with pytest.raises(interruption), Processes(tmp_path) as processes:  # noqa: PT012 - the block is what is tested
        children.append(processes.start("child", SLEEP))
        raise interruption
    assert not exists(children[0].pid)


def test_child_may_end_in_its_own_way(tmp_path: Path) -> None:
    polite = (
        "import signal as s, time; s.signal(s.SIGTERM, lambda *_: exit(7)); print(1, flush=1); time.sleep(9)"
    )
    processes = Processes(tmp_path)
    child = processes.start("polite", [sys.executable, "-c", polite])
    wait_until(lambda: child.log_tail() or None, child)
    processes.stop()
    assert child.exit_code() == 7


def test_nothing_starts_after_the_end(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.stop()
    with pytest.raises(ProcessFailed, match="cannot start late: its owner has stopped"):
        processes.start("late", SLEEP)


def test_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    child = processes.start("stubborn", STUBBORN)
    wait_until(lambda: deaf(child), child)
    processes.stop(deadline_seconds=0.1)
    assert child.exit_code() == -signal.SIGKILL


def test_interruption_while_stopping_kills_what_is_left(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    child = processes.start("stubborn", STUBBORN)
    wait_until(lambda: deaf(child), child)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        processes.stop(deadline_seconds=30)
    assert child.exit_code() == -signal.SIGKILL


def test_children_of_a_killed_parent_end_too(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        parent = processes.start("parent", [sys.executable, "-c", PARENT, str(tmp_path)])
        pid = int(wait_until(lambda: parent.log_tail() or None, parent))
        assert exists(pid)
        parent.signal(signal.SIGKILL)
        assert ends(pid)


def test_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        children: list[Child] = []
        thread = threading.Thread(target=lambda: children.append(processes.start("child", SLEEP)))
        thread.start()
        thread.join()
        assert children[0].wait(0.3) is None


def test_child_is_in_a_group_of_its_own(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("child", SLEEP)
        assert os.getpgid(child.pid) == child.pid


def test_environment_is_handed_on(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        argv = [sys.executable, "-c", "import os; print(os.environ['COLOUR'])"]
        child = processes.start("child", argv, {"COLOUR": "green"})
        assert child.wait(5) == 0
        assert child.log_tail() == "green"


def test_child_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("child", [sys.executable, "-c", "raise SystemExit('no disk')"])
        with pytest.raises(ProcessFailed, match="child ended with code 1 before it was ready: no disk"):
            wait_until(lambda: None, child)


def test_child_that_does_not_get_ready_is_reported(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("child", SLEEP)
        with pytest.raises(ProcessFailed, match=r"child was not ready after 0\.1 s"):
            wait_until(lambda: None, child, timeout_seconds=0.1)


def test_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("child", ["/no/such/program"])
        with pytest.raises(ProcessFailed, match="cannot run '/no/such/program': No such file or directory"):
            wait_until(lambda: None, child)

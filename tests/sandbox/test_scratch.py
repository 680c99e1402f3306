"""Scratch directories go with their owner, also when the owner was killed."""

import signal
import sys
from pathlib import Path

from canary.sandbox.processes import Processes, wait_until
from canary.sandbox.scratch import ScratchDirectory

OWNER = """
import sys, time
from pathlib import Path
from canary.sandbox.scratch import ScratchDirectory
scratch = ScratchDirectory(Path(sys.argv[1]))
print(scratch.path, flush=True)
time.sleep(60)
"""


def test_directory_is_removed_with_its_content(tmp_path: Path) -> None:
    scratch = ScratchDirectory(tmp_path)
    (scratch.path / "deep" / "er").mkdir(parents=True)
    scratch.remove()
    assert list(tmp_path.iterdir()) == []


def test_directory_of_a_killed_owner_is_removed_by_the_next_one_and_that_of_a_living_owner_stays(
    tmp_path: Path,
) -> None:
    parent = tmp_path / "tmp"
    parent.mkdir()
    with Processes(tmp_path) as processes:
        owner = processes.start("owner", [sys.executable, "-c", OWNER, str(parent)])
        abandoned = Path(wait_until(lambda: owner.log_tail() or None, owner))
        living = ScratchDirectory(parent)
        assert abandoned.exists()
        owner.signal(signal.SIGKILL)
        owner.wait(5)
        following = ScratchDirectory(parent)
        assert set(parent.iterdir()) == {living.path, following.path}

"""Directories that live as long as their owner: removed at the end, or by the next if the owner was killed.

The owner holds a lock on a file in its directory; the kernel lets go of it when the process ends, however
it ends.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "canary-sandbox-"
_LOCK = "owner.lock"


class ScratchDirectory:
    """A new private directory, until `remove`."""

    def __init__(self, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _remove_abandoned(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        # Locked before it has the name that others look for: they never see it unlocked while its owner
        # lives.
        unnamed = self.path / f"{_LOCK}.new"
        self._lock = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unnamed.rename(self.path / _LOCK)

    def remove(self) -> None:
        """Remove the directory with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_abandoned(parent: Path) -> None:
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        if lock.is_symlink() or lock.parent.is_symlink() or lock.stat().st_uid != os.getuid():
            continue
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            shutil.rmtree(lock.parent, ignore_errors=True)
        finally:
            os.close(descriptor)

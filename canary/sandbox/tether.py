"""Runs a program that dies with its parent: `python -I -S tether.py PARENT_PID PROGRAM ARGUMENT...`.

A parent that is killed with SIGKILL cannot stop its children. The kernel can: the process asks for SIGKILL
at its parent's death, then becomes PROGRAM. Not a function run between fork and exec: the parent has
threads. Linux only; elsewhere the program runs without the tether. Imports nothing of this package: it must
start fast.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, argv: list[str]) -> None:
    """Tie this process to `parent`, then replace it by `argv`."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The parent may have died before the call above; then nobody would ever send the signal.
        if os.getppid() != parent:
            sys.exit(f"tether: parent {parent} is gone, {argv[0]} was not started")
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - an argument list, no shell
    except OSError as exc:
        sys.exit(f"tether: cannot run {argv[0]!r}: {exc.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

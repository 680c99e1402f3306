"""``python -m tests.without_namespaces COMMAND...``: run it as on a machine that allows no namespace.

A filter of system calls answers ``unshare`` with EPERM, for the command and whatever it starts; nobody else
notices. The machine is Linux, x86-64 or ARM.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_REFUSE, _ALLOW = 0x00050000 | errno.EPERM, 0x7FFF0000
_UNSHARE = {"x86_64": 272, "aarch64": 97}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def refuse_namespaces() -> None:
    """Let no ``unshare`` of this process or its descendants succeed. Raises OSError."""
    lines = (
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 1, _UNSHARE[platform.machine()]),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    )
    program = _Program(len(lines), b"".join(struct.pack("HBBI", *line) for line in lines))
    library = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if library.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    refuse_namespaces()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (what is to run is the caller's)

"""A network of one's own: this process and all that it starts from now on are alone on their loopback.

Every address of 10.200.0.0/16 is this machine there, and nothing leads out. It lasts as long as a process is
in it, so nothing is left behind. Linux only; without root, user namespaces must be allowed.
"""

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final

__all__ = ["POD_NETWORK", "NetworkRefused", "own_network", "way_in"]

POD_NETWORK: Final = "10.200"
"""The first half of every Pod's address."""
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SET_ADDRESS, _SET_MASK, _GET_FLAGS, _SET_FLAGS = 0x8916, 0x891C, 0x8913, 0x8914
_UP = 0x1
_NAME_BYTES = 16


class NetworkRefused(RuntimeError):
    """The machine does not allow a network namespace; the message says what was refused."""


def own_network() -> None:
    """Move this process into a new network. To be called before it has threads. Raises NetworkRefused."""
    is_root = os.geteuid() == 0
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(_NEW_NETWORK if is_root else _NEW_USER | _NEW_NETWORK)
        if not is_root:
            _become_root(user, group)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            _bring_up(control, "lo")
            # On loopback the whole of an address's network is local.
            _add_address(control, "lo:1", f"{POD_NETWORK}.0.1", "255.255.0.0")
    except OSError as refused:
        raise NetworkRefused(
            f"a real mesh needs a network namespace of its own, and this machine refuses one: {refused}; "
            "run it as root, or allow user namespaces (sysctl user.max_user_namespaces)"
        ) from refused


def way_in() -> str:
    """The command that brings a shell of the same user into this process' network."""
    is_roots = Path("/proc/self/uid_map").read_text(encoding="ascii").split()[:2] == ["0", "0"]
    user = "" if is_roots else "--user --preserve-credentials "
    return f"nsenter --target {os.getpid()} {user}--net $SHELL"


def _unshare(flags: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _become_root(user: int, group: int) -> None:
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")


def _bring_up(control: socket.socket, interface: str) -> None:
    request = struct.pack(f"{_NAME_BYTES}sh", interface.encode(), 0).ljust(40, b"\0")
    (flags,) = struct.unpack_from("h", fcntl.ioctl(control, _GET_FLAGS, request), _NAME_BYTES)
    changed = struct.pack(f"{_NAME_BYTES}sh", interface.encode(), flags | _UP).ljust(40, b"\0")
    fcntl.ioctl(control, _SET_FLAGS, changed)


def _add_address(control: socket.socket, interface: str, address: str, mask: str) -> None:
    for request, value in ((_SET_ADDRESS, address), (_SET_MASK, mask)):
        where = struct.pack("H2x4s8x", socket.AF_INET, socket.inet_aton(value))
        fcntl.ioctl(control, request, struct.pack(f"{_NAME_BYTES}s16s8x", interface.encode(), where))

"""The lock files as data: which package at which version, by which hashes, on which machines.

They hold for every platform (a marker says where a package is left out), so what is installed follows from a
lock file and an environment. The image's is ``IMAGE``: CPython 3.11 on Linux.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

__all__ = ["CORE", "IMAGE", "LOCKS", "Locked", "read"]

CORE: Final = Path(__file__).with_name("core.lock")
LOCKS: Final = (CORE, CORE.with_name("sandbox.lock"), CORE.with_name("dev.lock"))
IMAGE: Final[Mapping[str, str]] = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}
_HASH: Final = re.compile(r"\s--hash=(\S+)")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock file. ``hashes``: ``sha256:…`` of each file that an installer accepts for it."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: Marker | None

    def is_installed_on(self, environment: Mapping[str, str]) -> bool:
        """Whether an installer takes it there; what ``environment`` does not say is as on this machine."""
        return self.marker is None or self.marker.evaluate(dict(environment))


def read(lock: Path) -> tuple[Locked, ...]:
    """Everything in a lock file, in its order. Raises ValueError for a line that locks nothing."""
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return tuple(_locked(line, lock) for line in lines if line and not line.startswith("#"))


def _locked(line: str, lock: Path) -> Locked:
    try:
        wanted = Requirement(_HASH.sub("", line))
    except InvalidRequirement as wrong:
        raise ValueError(f"{lock.name}: {line[:60]!r} is no requirement") from wrong
    pins = [pin.version for pin in wanted.specifier if pin.operator == "=="]
    hashes = tuple(_HASH.findall(line))
    if len(pins) != 1 or not hashes:
        raise ValueError(
            f"{lock.name}: {line[:60]!r} should name one version with == and at least one --hash"
        )
    return Locked(canonicalize_name(wanted.name), pins[0], hashes, wanted.marker)

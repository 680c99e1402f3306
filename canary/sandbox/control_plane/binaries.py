"""The programs: from the directory that KUBEBUILDER_ASSETS names, or built once by the Go toolchain.

What is built is pinned to the byte by go.mod and go.sum beside this file. The programs (250 MB) are kept in
``<cache>/control-plane/<hash of go.sum>``, a directory that is there whole or not at all; the cache is
``~/.cache/canary``, or what CANARY_CACHE names. A build takes minutes, and Go's own build cache 5 GB.
"""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from canary.sandbox.control_plane.go import ControlPlaneMissing, Say, cache_directory, find_go

__all__ = ["Binaries", "find_binaries"]

MODULE = Path(__file__).parent
ASSETS = "KUBEBUILDER_ASSETS"
_ETCD = "go.etcd.io/etcd/server/v3"
_KUBERNETES = "k8s.io/kubernetes"
_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory that holds all three."""

    directory: Path

    @property
    def etcd(self) -> Path:
        """The store."""
        return self.directory / "etcd"

    @property
    def api_server(self) -> Path:
        """The API."""
        return self.directory / "kube-apiserver"

    @property
    def controller_manager(self) -> Path:
        """Deployments, ReplicaSets, EndpointSlices, garbage, namespaces."""
        return self.directory / "kube-controller-manager"

    def missing(self) -> tuple[str, ...]:
        """The names of those that are not there."""
        wanted = (self.etcd, self.api_server, self.controller_manager)
        return tuple(path.name for path in wanted if not path.is_file())


def find_binaries(say: Say) -> Binaries:
    """The programs, built now if need be; ``say`` is told what takes long. Raises ControlPlaneMissing."""
    if named := os.environ.get(ASSETS):
        return _from_assets(Path(named))
    digest = hashlib.sha256((MODULE / "go.sum").read_bytes()).hexdigest()[:_HASH_DIGITS]
    kept = Binaries(cache_directory() / "control-plane" / digest)
    if kept.missing():
        with _alone(kept.directory.with_suffix(".lock"), say):
            # Somebody else may have built it while this process waited for its turn.
            if kept.missing():
                _build(kept.directory, say)
    return kept


def _from_assets(directory: Path) -> Binaries:
    found = Binaries(directory)
    if missing := found.missing():
        hint = ""
        if "kube-controller-manager" in missing:
            hint = (
                " (archives made for envtest lack kube-controller-manager: put that of the same version in)"
            )
        raise ControlPlaneMissing(
            f"{ASSETS} names {directory}, which has no {', no '.join(missing)}{hint}; "
            f"unset {ASSETS} to have the programs built by Go"
        )
    return found


def _build(target: Path, say: Say) -> None:
    go = find_go(f"a real control plane, unless {ASSETS} names a directory with its programs,")
    version = _kubernetes_version()
    say(f"building Kubernetes {version} and etcd from their Go modules, once: some 7 minutes on 2 cores")
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        go.build(MODULE, ["-ldflags=-s -w", f"-o={scratch / 'etcd'}", _ETCD], say)
        commands = [f"{_KUBERNETES}/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager")]
        go.build(MODULE, [f"-ldflags={_version_flags(version)}", f"-o={scratch}/", *commands], say)
        # It may be there in part: a person may have removed one of the programs.
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    say(f"built in {time.monotonic() - began:.0f} s; kept in {target}")


def _kubernetes_version() -> str:
    found = re.search(rf"^\s*{re.escape(_KUBERNETES)} (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ControlPlaneMissing(f"{MODULE / 'go.mod'} requires no {_KUBERNETES}")
    return found[1]


def _version_flags(version: str) -> str:
    """Linker flags that make the programs report their version; without them it is v0.0.0-master."""
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = [f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items()]
    return " ".join(["-s", "-w", *flags])


@contextmanager
def _alone(lock: Path, say: Say) -> Iterator[None]:
    """Hold a lock that the kernel lets go of however this process ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process builds the control plane; waiting for it ({lock})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

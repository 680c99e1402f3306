"""The programs: from the directory that KUBEBUILDER_ASSETS names, or built once by the Go toolchain.

What is built is pinned by go.mod and go.sum beside this file; the programs take 250 MB.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from canary.sandbox.go import ControlPlaneMissing, Say, built_once, find_go

__all__ = ["Binaries", "find_binaries"]

MODULE = Path(__file__).parent
ASSETS = "KUBEBUILDER_ASSETS"
_ETCD = "go.etcd.io/etcd/server/v3"
_KUBERNETES = "k8s.io/kubernetes"
_PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")


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
        return tuple(name for name in _PROGRAMS if not (self.directory / name).is_file())


def find_binaries(say: Say) -> Binaries:
    """The programs, built now if need be; ``say`` is told what takes long. Raises ControlPlaneMissing."""
    if named := os.environ.get(ASSETS):
        return _from_assets(Path(named))
    return Binaries(built_once("control-plane", MODULE, _PROGRAMS, lambda scratch: _build(scratch, say), say))


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
    go.build(MODULE, ["-ldflags=-s -w", f"-o={target / 'etcd'}", _ETCD], say)
    commands = [f"{_KUBERNETES}/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager")]
    go.build(MODULE, [f"-ldflags={_version_flags(version)}", f"-o={target}/", *commands], say)


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

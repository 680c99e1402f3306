"""What a sandbox stands on: its own API server, a real control plane, or a real mesh on one.

Each is slower to start than the one before and has less in it that was written here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import assert_never

from canary.sandbox.cluster import Sandbox
from canary.sandbox.control_plane import control_plane_with_istio
from canary.sandbox.go import Say
from canary.sandbox.mesh import real_mesh

__all__ = ["Ground", "sandbox_on"]


class Ground(StrEnum):
    """By whom the API is served and Envoy is told what to do."""

    OWN = "own"
    REAL_CONTROL_PLANE = "real-control-plane"
    """A real etcd, kube-apiserver and kube-controller-manager; Envoy is the sandbox's."""
    REAL_MESH = "real-mesh"
    """The same, and Istio's istiod, in a network of its own: this process is in it from then on."""


@contextmanager
def sandbox_on(ground: Ground, say: Say) -> Iterator[Sandbox]:
    """Run a sandbox while the context lasts; ``say`` is told what takes long.

    Raises ControlPlaneMissing, NetworkRefused, ProcessFailed or ``WorldError``.
    """
    match ground:
        case Ground.OWN:
            with Sandbox() as sandbox:
                yield sandbox
        case Ground.REAL_CONTROL_PLANE:
            with control_plane_with_istio(say) as plane, Sandbox(control_plane=plane.kubeconfig) as sandbox:
                yield sandbox
        case Ground.REAL_MESH:
            with (
                real_mesh(say) as mesh,
                Sandbox(control_plane=mesh.plane.kubeconfig, istiod=mesh.istiod) as sandbox,
            ):
                yield sandbox
        case _:
            assert_never(ground)

"""A real control plane with all that a real mesh needs, in a network of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from canary.sandbox.control_plane import ControlPlane, control_plane_with_istio
from canary.sandbox.control_plane.binaries import find_binaries
from canary.sandbox.control_plane.published import ISTIO, published_crds
from canary.sandbox.go import Say
from canary.sandbox.mesh.istiod import find_istiod
from canary.sandbox.mesh.network import own_network

__all__ = ["RealMesh", "enter_network_of_mesh", "real_mesh"]


@dataclass(frozen=True, slots=True)
class RealMesh:
    """A control plane that runs, and the program that a ``Sandbox`` needs beside it."""

    plane: ControlPlane
    istiod: Path


def enter_network_of_mesh(say: Say) -> Path:
    """Move this process into a network of its own, with all programs at hand; istiod's is returned.

    Raises ControlPlaneMissing or NetworkRefused.
    """
    istiod = find_istiod(say)
    # Whatever has to be fetched is fetched now: nothing leads out of the network.
    find_binaries(say)
    published_crds(ISTIO, say)
    own_network()
    return istiod


@contextmanager
def real_mesh(say: Say) -> Iterator[RealMesh]:
    """Move this process into a network of its own, and run a control plane there while the context lasts.

    Raises ControlPlaneMissing, NetworkRefused, ProcessFailed or ``WorldError``.
    """
    istiod = enter_network_of_mesh(say)
    with control_plane_with_istio(say) as plane:
        yield RealMesh(plane, istiod)

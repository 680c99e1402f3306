"""A control plane as a cluster with Istio has it: found or built, running, and with Istio's definitions."""

from collections.abc import Iterator
from contextlib import contextmanager

from canary.adapters.kube.connection import connect
from canary.sandbox.control_plane.binaries import find_binaries
from canary.sandbox.control_plane.objects import install_crds
from canary.sandbox.control_plane.plane import ControlPlane, running_control_plane
from canary.sandbox.control_plane.published import ISTIO, published_crds
from canary.sandbox.go import Say

__all__ = ["control_plane_with_istio"]


@contextmanager
def control_plane_with_istio(say: Say) -> Iterator[ControlPlane]:
    """Run one while the context lasts. Raises ControlPlaneMissing, ProcessFailed or ``WorldError``."""
    binaries, definitions = find_binaries(say), published_crds(ISTIO, say)
    with running_control_plane(binaries) as plane:
        install_crds(connect(plane.kubeconfig), definitions)
        yield plane

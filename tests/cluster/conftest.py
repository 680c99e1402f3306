"""A real control plane for whatever wants one; collected by ``make test-cluster`` only."""

import os
from collections.abc import Iterator

import pytest

from canary.adapters.kube.connection import connect
from canary.sandbox.apiserver import RunningApiServer
from canary.sandbox.control_plane import ControlPlane, control_plane_with_istio, install_crds
from tests.adapters.conftest import faults, kube
from tests.cluster.figures import FIGURES, resident_mb
from tests.cluster.front import running_front
from tests.cluster.ground import real_ground, say
from tests.cluster.notes import DIRECTORY, note
from tests.definitions import definitions
from tests.grounds import NewGround
from tests.scenarios.conftest import shop
from tests.scenarios.world import World, running_world

# Reexported: these make the adapters' tests and the scenarios run here.
__all__ = ["faults", "kube", "shop"]

# Without the runner these would build Kubernetes in the middle of a test run.
collect_ignore_glob = [] if os.environ.get(DIRECTORY) else ["test_*.py"]


@pytest.fixture(scope="session")
def control_plane() -> NewGround:
    """Begins a real control plane wherever one is entered."""
    return real_ground


@pytest.fixture(scope="session")
def world(control_plane: NewGround) -> Iterator[World]:
    """The scenarios' world, with a note of what its controller weighs at the end."""
    with running_world(control_plane) as made:
        controller = made.start_controller()
        yield made
        note(FIGURES, ["controller: {} MB resident after its scenarios", [resident_mb(controller.pid)]])


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane of this module's own, with our definitions and Istio's."""
    with control_plane_with_istio(say) as running:
        install_crds(connect(running.kubeconfig), definitions())
        yield running


@pytest.fixture(scope="session")
def kube_server() -> Iterator[RunningApiServer]:
    """The adapters' server, shared by all their tests as in the sandbox."""
    with control_plane_with_istio(say) as running, running_front(running) as server:
        install_crds(connect(running.kubeconfig), definitions())
        yield server

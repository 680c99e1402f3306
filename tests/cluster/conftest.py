"""A real control plane for each module that wants one; collected by ``make test-cluster`` only."""

import os
from collections.abc import Iterator

import pytest

from canary.adapters.kube.connection import connect
from canary.adapters.kube.crd import crds
from canary.sandbox.apiserver import RunningApiServer
from canary.sandbox.control_plane import ControlPlane, control_plane_with_istio, install_crds
from tests.adapters.conftest import faults, kube
from tests.cluster.front import running_front

# Reexported: these make the adapters' tests run here.
__all__ = ["faults", "kube"]

# Without the runner these would build Kubernetes in the middle of a test run.
collect_ignore_glob = [] if os.environ.get("CANARY_TEST_CLUSTER") else ["test_*.py"]


def say(text: str) -> None:
    print(text, flush=True)


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """A control plane of this module's own, with our definition and Istio's."""
    with control_plane_with_istio(say) as running:
        install_crds(connect(running.kubeconfig), crds())
        yield running


@pytest.fixture(scope="module")
def kube_server(plane: ControlPlane) -> Iterator[RunningApiServer]:
    with running_front(plane) as server:
        yield server

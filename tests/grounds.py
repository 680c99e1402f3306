"""Where whole releases are tried: the sandbox's API server or a real control plane, behind one face.

Tests that take the fixture ``control_plane`` run on either: here it gives the sandbox's server, in
tests/cluster a real one, on which the controller is nobody but the chart's ServiceAccount, and in tests/mesh
that one with Istio's own control plane beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kube.connection import connect
from canary.sandbox.apiserver import RunningApiServer, running_api_server
from canary.sandbox.control_plane import create
from tests.chart.rendering import NAMESPACE as HOME

Json = dict[str, Any]


@dataclass(frozen=True)
class Ground:
    """A control plane that runs, with a namespace for the controller, without our definitions."""

    api: RunningApiServer
    """The administrator's way to it, and the tests' seam: all that the controller asks goes by there."""
    kubeconfig: Path
    """The administrator's, past the seam."""
    account: Callable[[Json], Mapping[str, str]]
    """Installs the controller's account and rights as the chart does with these values, and returns the
    variables by which a controller is that account. The namespaces that they name must exist."""
    istiod: Path | None = None
    """Istio's control plane, to be run beside it; None: the sandbox tells Envoy what to do."""


HOME_ITSELF: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
AT_HOME = {"CANARY_LEADERSHIP__NAME": "canary", "CANARY_LEADERSHIP__NAMESPACE": HOME}
"""The lease as the chart has it."""
NewGround = Callable[[], AbstractContextManager[Ground]]


@contextmanager
def sandbox_ground() -> Iterator[Ground]:
    """The sandbox's own API server, where everybody may do everything."""
    with running_api_server() as api:
        create(connect(api.kubeconfig), HOME_ITSELF)
        variables = {"KUBECONFIG": str(api.kubeconfig), **AT_HOME}
        yield Ground(api, api.kubeconfig, lambda _: variables)


@pytest.fixture(scope="session")
def control_plane() -> NewGround:
    """Begins a new control plane wherever one is entered."""
    return sandbox_ground

"""The sandbox's API server with our definitions, and namespaces in it: for tests that need no pods."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from canary.adapters.kube.connection import connect
from canary.adapters.kube.transport import Transport
from canary.sandbox.apiserver import RunningApiServer, running_api_server
from canary.sandbox.control_plane import create, install_crds
from tests.definitions import definitions

__all__ = ["new_namespace", "running_api_server_with_definitions"]


@contextmanager
def running_api_server_with_definitions() -> Iterator[RunningApiServer]:
    """An API server that serves our kinds."""
    with running_api_server() as server:
        install_crds(connect(server.kubeconfig), definitions())
        yield server


def new_namespace(transport: Transport, prefix: str) -> str:
    """Create a namespace that no other test has, and return its name."""
    name = f"{prefix}-{secrets.token_hex(4)}"
    create(transport, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name

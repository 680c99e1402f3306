"""A real API server for the adapters, shared by all their tests, and a fresh namespace for each."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from canary.adapters.kube.connection import connect
from canary.adapters.kube.transport import MERGE_PATCH, Transport, decode
from canary.app.errors import NotFound
from canary.sandbox.apiserver import Fault, RunningApiServer, SeenRequest
from tests.api_servers import new_namespace, running_api_server_with_definitions
from tests.clocks import HandClock

Json = dict[str, Any]
SECONDS = 8.0


@dataclass
class Cluster:
    """The API server, seen through our own transport, with a namespace for this test."""

    server: RunningApiServer
    transport: Transport
    namespace: str
    clock: HandClock = field(default_factory=HandClock)

    def path(self, resource: str, name: str = "") -> str:
        group, _, plural = resource.rpartition("/")
        root = "/api/v1" if group == "v1" else f"/apis/{group}"
        return f"{root}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    def create(self, resource: str, body: Json) -> Json:
        return decode(self.transport.request("POST", self.path(resource), body=body), Json, "create")

    def get(self, resource: str, name: str) -> Json:
        return self.transport.get(self.path(resource, name), Json)

    def items(self, resource: str, **query: str) -> list[Json]:
        return self.transport.list(self.path(resource), Json, query)

    def merge(self, resource: str, name: str, body: Json) -> Json:
        path = self.path(resource, name)
        answer = self.transport.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        return decode(answer, Json, "merge")

    def delete(self, resource: str, name: str) -> None:
        self.transport.request("DELETE", self.path(resource, name))

    def written_since(self, mark: int) -> list[str]:
        """The writes after the first ``mark`` requests of the log, as 'METHOD path'."""
        return [
            f"{item.method} {item.path}"
            for item in list(self.server.seam.requests)[mark:]
            if item.method != "GET"
        ]

    @property
    def mark(self) -> int:
        return len(self.server.seam.requests)


def eventually(look: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Return the first true thing that ``look`` finds; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = look()
        except NotFound:
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing came of {look} within {seconds} s"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def kube_server() -> Iterator[RunningApiServer]:
    with running_api_server_with_definitions() as server:
        yield server


@pytest.fixture
def kube(kube_server: RunningApiServer) -> Iterator[Cluster]:
    transport = connect(kube_server.kubeconfig, stop=threading.Event())
    yield Cluster(kube_server, transport, new_namespace(transport, "t"))
    kube_server.seam.before_response = None


@pytest.fixture
def faults(kube: Cluster) -> Callable[[Callable[[SeenRequest], Fault | None]], None]:
    """Install a function that says which requests fail, and how."""

    def install(hook: Callable[[SeenRequest], Fault | None]) -> None:
        kube.server.seam.before_response = hook

    return install

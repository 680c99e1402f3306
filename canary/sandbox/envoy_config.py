"""Envoy's configuration as data: the bootstrap, and the files for clusters, endpoints and routes. Pure.

Requests are counted as an Istio sidecar counts them, by Envoy's statistics access logger: once per request
when it has ended, with what the client got after all retries (a cluster's own `upstream_rq` counters leave
out what never reached a cluster, and their times what never reached a pod). The workload comes from the
endpoint that was chosen, so it is empty when none was; the service comes from the cluster, and from the
virtual host when there is no such cluster.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from canary.sandbox.routes import Cluster, Endpoint, VirtualHost

Json = dict[str, Any]

ROUTES_NAME = "mesh"
STARTED_AT = "STARTED_AT_SECONDS"
"""The variable in which Envoy finds when it was started, Unix seconds."""
METRIC_PREFIX = "istio"

ISTIO_BUCKETS = (
    0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000,
    30000, 60000, 300000, 600000, 1800000, 3600000,
)  # fmt: skip
"""Upper edges of Istio's request duration histogram, in milliseconds."""

_TYPES = "type.googleapis.com"
_METADATA = "canary"
_UNLIMITED = 4294967295

_TAGS = {
    "reporter": "source",
    "source_workload": "traffic",
    "source_workload_namespace": "sandbox",
    "destination_workload": "%UPSTREAM_METADATA(canary:workload)%",
    "destination_workload_namespace": "%UPSTREAM_METADATA(canary:namespace)%",
    "destination_app": "%UPSTREAM_METADATA(canary:app)%",
    "destination_version": "%UPSTREAM_METADATA(canary:version)%",
    "destination_service": "%METADATA(CLUSTER:canary:host)%",
    "destination_service_name": "%METADATA(CLUSTER:canary:service)%",
    "destination_service_namespace": "%METADATA(CLUSTER:canary:namespace)%",
    "requested_service": "%METADATA(VIRTUAL_HOST:canary:host)%",
    "request_protocol": "http",
    "response_code": "%RESPONSE_CODE%",
    "response_flags": "%RESPONSE_FLAGS%",
}


@dataclass(frozen=True, slots=True)
class ConfigFiles:
    """Where Envoy reads what changes while it runs. One directory each: Envoy watches the directory."""

    directory: Path

    @property
    def clusters(self) -> Path:
        """The cluster discovery file."""
        return self.directory / "clusters" / "clusters.json"

    @property
    def routes(self) -> Path:
        """The route discovery file."""
        return self.directory / "routes" / "routes.json"

    def endpoints(self, cluster: str) -> Path:
        """The endpoint discovery file of one cluster (Envoy takes one cluster per file)."""
        return self.directory / "endpoints" / f"{quote(cluster, safe='')}.json"


def bootstrap(files: ConfigFiles) -> Json:
    """The static part: admin and one listener on ephemeral loopback ports, all else from `files`."""
    return {
        "node": {"id": "sandbox", "cluster": "sandbox"},
        **statistics(),
        "admin": {"address": _loopback(0)},
        "dynamic_resources": {"cds_config": _source(files.clusters)},
        "static_resources": {
            "listeners": [
                {
                    "name": ROUTES_NAME,
                    "address": _loopback(0),
                    "filter_chains": [{"filters": [_http(files)]}],
                }
            ]
        },
    }


def clusters_document(files: ConfigFiles, clusters: Iterable[Cluster], version: str) -> Json:
    """The cluster discovery file's content."""
    return {"version_info": version, "resources": [_cluster(files, cluster) for cluster in clusters]}


def endpoints_document(cluster: Cluster) -> Json:
    """The endpoint discovery file's content for one cluster."""
    endpoints = [
        {
            "endpoint": {"address": _socket(endpoint.host, endpoint.port)},
            "metadata": _endpoint_metadata(endpoint),
        }
        for endpoint in cluster.endpoints
    ]
    assignment = {
        "@type": f"{_TYPES}/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster.name,
        "endpoints": [{"lb_endpoints": endpoints}],
    }
    return {"resources": [assignment]}


def routes_document(virtual_hosts: Iterable[VirtualHost], version: str) -> Json:
    """The route discovery file's content."""
    configuration = {
        "@type": f"{_TYPES}/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTES_NAME,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": [
            {
                "name": virtual_host.host,
                "domains": list(virtual_host.domains),
                "metadata": _metadata(host=virtual_host.host),
                "routes": list(virtual_host.routes),
            }
            for virtual_host in virtual_hosts
        ],
    }
    return {"version_info": version, "resources": [configuration]}


def _http(files: ConfigFiles) -> Json:
    router = {"@type": f"{_TYPES}/envoy.extensions.filters.http.router.v3.Router"}
    manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_TYPES}/{manager}",
            "stat_prefix": ROUTES_NAME,
            "generate_request_id": False,
            "access_log": [access_logger(_TAGS)],
            "rds": {"route_config_name": ROUTES_NAME, "config_source": _source(files.routes)},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        },
    }


def statistics() -> Json:
    """The part of a bootstrap that has durations counted in Istio's buckets."""
    buckets = {"match": {"prefix": METRIC_PREFIX}, "buckets": list(ISTIO_BUCKETS)}
    return {"stats_flush_interval": "1s", "stats_config": {"histogram_bucket_settings": [buckets]}}


def access_logger(labels: Mapping[str, str]) -> Json:
    """An access logger that counts requests as Istio does, with labels from Envoy's command operators.

    With the first request `process_start_time_seconds` is exported, too, as Istio's agent does; Envoy finds
    it in its environment (STARTED_AT).
    """
    tags = [{"name": name, "value_format": value} for name, value in labels.items()]
    return {
        "name": "envoy.access_loggers.stats",
        "typed_config": {
            "@type": f"{_TYPES}/envoy.extensions.access_loggers.stats.v3.Config",
            "stats_scope": {"prefix": METRIC_PREFIX},
            "counters": [{"stat": {"name": "requests_total", "tags": tags}, "value_fixed": 1}],
            "histograms": [
                {
                    "stat": {"name": "request_duration_milliseconds", "tags": tags},
                    "unit": "Milliseconds",
                    "value_format": "%DURATION%",
                }
            ],
            "gauges": [
                {
                    "stat": {"name": "process_start_time_seconds"},
                    "value_format": f"%ENVIRONMENT({STARTED_AT})%",
                    "set": {"log_type": "DownstreamEnd"},
                }
            ],
        },
    }


def _cluster(files: ConfigFiles, cluster: Cluster) -> Json:
    return {
        "@type": f"{_TYPES}/envoy.config.cluster.v3.Cluster",
        "name": cluster.name,
        "type": "EDS",
        "connect_timeout": "10s",
        "lb_policy": "LEAST_REQUEST",
        # As istiod: no limits unless a DestinationRule sets some. The traffic itself is bounded.
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": _UNLIMITED,
                    "max_pending_requests": _UNLIMITED,
                    "max_requests": _UNLIMITED,
                    "max_retries": _UNLIMITED,
                }
            ]
        },
        "metadata": _metadata(host=cluster.host, service=cluster.service, namespace=cluster.namespace),
        "eds_cluster_config": {
            "service_name": cluster.name,
            "eds_config": _source(files.endpoints(cluster.name)),
        },
    }


def _endpoint_metadata(endpoint: Endpoint) -> Json:
    return _metadata(
        workload=endpoint.workload, namespace=endpoint.namespace, app=endpoint.app, version=endpoint.version
    )


def _metadata(**values: str) -> Json:
    return {"filter_metadata": {_METADATA: values}}


def _source(path: Path) -> Json:
    return {
        "path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}},
        "resource_api_version": "V3",
    }


def _loopback(port: int) -> Json:
    return _socket("127.0.0.1", port)


def _socket(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}

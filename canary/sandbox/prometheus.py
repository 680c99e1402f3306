"""A real Prometheus on loopback; it scrapes the sandbox's Envoy for Istio's metrics and the pods for theirs.

The relabelling only finishes what envoy_config.py begins: names lose Envoy's prefix, empty labels become
"unknown" as in Istio, and a request without a cluster is booked on the service whose virtual host it met.
Prometheus begins to scrape about five seconds after its start, for it looks for targets that often; no
request is lost by that, for counters are cumulative.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from canary.sandbox.envoy_config import METRIC_PREFIX
from canary.sandbox.files import replace_json
from canary.sandbox.ports import free_port
from canary.sandbox.processes import Child, Processes, ProcessFailed, wait_until
from canary.sandbox.routes import workload_of
from canary.sandbox.virtual_services import full_host

JOB = "istio-proxy"
PODS_JOB = "pods"
TARGETS_SUFFIX = ".targets.json"
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 2.0
_UNKNOWN_WHEN_EMPTY = (
    "destination_workload",
    "destination_workload_namespace",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
)

Json = dict[str, Any]


class PrometheusMissing(RuntimeError):
    """There is no Prometheus on this machine; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus and its URL."""

    child: Child
    url: str


def prometheus_binary() -> str:
    """The path of the program. Raises PrometheusMissing."""
    path = shutil.which("prometheus")
    if path is None:
        raise PrometheusMissing(
            "the sandbox needs the program `prometheus`, which is not on the PATH; on Debian or Ubuntu: "
            "apt-get install --no-install-recommends prometheus"
        )
    return path


def pod_targets(address: str, pod: Json) -> list[Json]:
    """What a file in the directory of pods says: where a pod is scraped, and the labels of its target.

    The last four stand for the pod's own proxy, which would say so of each request.
    """
    metadata, workload = pod["metadata"], workload_of(pod)
    namespace, labels = metadata["namespace"], metadata.get("labels") or {}
    about = {
        "namespace": namespace,
        "pod": metadata["name"],
        "reporter": "destination",
        "destination_service": full_host(labels.get("app", workload), namespace),
        "destination_workload": workload,
        "destination_workload_namespace": namespace,
    }
    return [{"targets": [address], "labels": about}]


def scrape_configuration(
    envoy_admin_url: str,
    interval_seconds: float = 1.0,
    pods: Path | None = None,
    relabelling: Sequence[Json] = (),
) -> Json:
    """Prometheus' configuration file (JSON is YAML), scraping one Envoy and what the files in `pods` name.

    `relabelling` comes first, where Envoy's labels are not Istio's yet.
    """
    of_pods = {
        "job_name": PODS_JOB,
        "file_sd_configs": [{"files": [f"{pods}/*{TARGETS_SUFFIX}"], "refresh_interval": "1s"}],
    }
    return {
        "global": {
            "scrape_interval": _milliseconds(interval_seconds),
            "scrape_timeout": _milliseconds(interval_seconds * 0.8),
        },
        "scrape_configs": [
            {
                "job_name": JOB,
                "metrics_path": "/stats/prometheus",
                "params": {"filter": [rf"^{METRIC_PREFIX}\."]},
                "static_configs": [{"targets": [urlsplit(envoy_admin_url).netloc]}],
                "metric_relabel_configs": [*relabelling, *_relabelling()],
            },
            *([of_pods] if pods is not None else []),
        ],
    }


def start_prometheus(
    processes: Processes,
    directory: Path,
    configuration: Json,
) -> Prometheus:
    """Start Prometheus with its data in `directory`, and wait until it answers.

    Raises PrometheusMissing or ProcessFailed.
    """
    binary = prometheus_binary()
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "prometheus.json"
    replace_json(file, configuration)
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_port()
        child = processes.start("prometheus", _arguments(binary, directory, file, port))
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda url=url: _is_ready(url) or None, child)  # type: ignore[misc]
        except ProcessFailed:
            # Prometheus cannot choose its own port; somebody else may have taken ours meanwhile.
            if attempt == _ATTEMPTS or "address already in use" not in child.log_tail():
                raise
            processes.forget(child)
        else:
            return Prometheus(child, url)
    raise ProcessFailed("prometheus found no free port")


def _arguments(binary: str, directory: Path, configuration: Path, port: int) -> list[str]:
    return [
        binary,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--storage.tsdb.retention.time=2h",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    ]


def _relabelling() -> list[Json]:
    rules: list[Json] = [
        {
            "source_labels": ["__name__"],
            "regex": f"envoy_{METRIC_PREFIX}_(process_start_time_seconds)",
            "target_label": "__name__",
            "replacement": "$1",
        },
        {
            "source_labels": ["__name__"],
            "regex": f"envoy_({METRIC_PREFIX}_(?:requests_total|request_duration_milliseconds_.+))",
            "target_label": "__name__",
            "replacement": "$1",
        },
        {
            "source_labels": ["__name__"],
            "regex": f"{METRIC_PREFIX}_.+|process_start_time_seconds",
            "action": "keep",
        },
        {
            "source_labels": ["destination_service", "requested_service"],
            "regex": "unknown;(.+)|;(.+)",
            "target_label": "destination_service",
            "replacement": "$1$2",
        },
    ]
    rules += [
        {
            "source_labels": ["__name__", label],
            "regex": f"{METRIC_PREFIX}_.+;",
            "target_label": label,
            "replacement": "unknown",
        }
        for label in _UNKNOWN_WHEN_EMPTY
    ]
    return [*rules, {"regex": "requested_service", "action": "labeldrop"}]


def _is_ready(url: str) -> bool:
    with requests.Session() as session:
        # Proxies that the environment names are not for loopback.
        session.trust_env = False
        try:
            return session.get(f"{url}/-/ready", timeout=_TIMEOUT_SECONDS).status_code == 200
        except requests.RequestException:
            return False


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"

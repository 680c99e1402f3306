"""The chart, rendered by Helm itself, and the sets of values that the tests render it with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "charts" / "canary"
NAMESPACE: Final = "canary-system"
DIGEST: Final = "sha256:" + "0" * 64

Json = dict[str, Any]

NEEDED: Final[Json] = {
    "image": {"repository": "team/canary"},
    "config": {"prometheus": {"url": "http://prometheus.monitoring:9090"}},
}
"""What has no default."""

EVERYTHING: Final[Json] = {
    "image": {"repository": "team/canary", "digest": DIGEST, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "regcred"}],
    "nameOverride": "progressive",
    "commonLabels": {"team": "platform", "app.kubernetes.io/name": "never this"},
    "namespaces": ["shop", "pay"],
    "config": {
        "prometheus": {
            "url": "https://prometheus.monitoring",
            "timeout": "5s",
            "bearer_token_file": "/etc/prometheus-token/token",
            "reporter": "destination",
        },
        "controller": {"tick": "5s", "workers": 8},
        "leadership": {"lease_duration": "30s", "renew_deadline": "20s", "retry_period": "4s"},
        "http": {"port": 9091},
        "page": {"port": 9092},
        "log": {"level": "debug", "format": "json"},
    },
    "page": {
        "enabled": True,
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"nginx.ingress.kubernetes.io/auth-url": "https://login.example.com/auth"},
            "hosts": [
                {"host": "canary.example.com"},
                {"host": "tools.example.com", "paths": [{"path": "/canary", "pathType": "Exact"}]},
            ],
            "tls": [{"secretName": "canary-tls", "hosts": ["canary.example.com"]}],
        },
    },
    "replicas": 3,
    "serviceAccount": {"name": "robot", "annotations": {"iam.example/role": "canary"}},
    "metrics": {
        "scrapeAnnotations": True,
        "serviceMonitor": {"enabled": True, "interval": "30s", "labels": {"release": "prometheus"}},
        "podMonitor": {"enabled": True, "interval": "30s", "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True},
    },
    "networkPolicy": {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "pageFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "apiServer": {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [6443]},
        "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}],
    },
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "rack",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "progressive"}},
        },
    ],
    "podLabels": {"cost-center": "42"},
    "podAnnotations": {"example.dev/note": "true"},
    "extraArgs": ["--workers=2"],
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "extraEnvFrom": [{"secretRef": {"name": "canary-env"}}],
    "extraVolumes": [{"name": "token", "secret": {"secretName": "prometheus-token"}}],
    "extraVolumeMounts": [{"name": "token", "mountPath": "/etc/prometheus-token", "readOnly": True}],
}

ALONE: Final[Json] = {
    "image": {"repository": "team/canary", "tag": "dev"},
    "config": {"prometheus": {"url": "http://p:9090"}, "leadership": {"enabled": False}},
    "replicas": 1,
    "podDisruptionBudget": {"enabled": False},
    "crds": {"install": False},
    "rbac": {"people": {"aggregate": False}},
}

PAGE: Final[Json] = {**NEEDED, "page": {"enabled": True}, "networkPolicy": {"enabled": True}}

BRING_YOUR_OWN: Final[Json] = {
    **NEEDED,
    "fullnameOverride": "judge",
    "rbac": {"create": False, "people": {"create": False}},
    "serviceAccount": {"create": False, "name": "theirs"},
    "networkPolicy": {"enabled": True},
}

VALUE_SETS: Final[Mapping[str, Json]] = {
    "needed": NEEDED,
    "everything": EVERYTHING,
    "alone": ALONE,
    "page": PAGE,
    "bring-your-own": BRING_YOUR_OWN,
}


def render(values: Json, *, name: str = "canary") -> list[Json]:
    """Every object that an installation with ``values`` applies."""
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values, name=name, namespace=NAMESPACE, is_install=True)
    documents = (
        yaml.load_all(text, yaml.CSafeLoader) for path, text in files.items() if path.endswith(".yaml")
    )
    return [item for each in documents for item in each if item]


def only(objects: list[Json], kind: str, suffix: str = "") -> Json:
    """The one object of a kind whose name ends with ``suffix``."""
    found = [item for item in objects if item["kind"] == kind and item["metadata"]["name"].endswith(suffix)]
    assert len(found) == 1, f"{len(found)} objects of kind {kind} …{suffix}"
    return found[0]


def kinds(objects: list[Json]) -> set[str]:
    return {item["kind"] for item in objects}


def settings_of(objects: list[Json]) -> str:
    """The controller's configuration file."""
    maps = [item for item in objects if item["kind"] == "ConfigMap" and "config.yaml" in item["data"]]
    assert len(maps) == 1
    return str(maps[0]["data"]["config.yaml"])


def pod_of(objects: list[Json]) -> Json:
    found: Json = only(objects, "Deployment")["spec"]["template"]
    return found


def container_of(objects: list[Json]) -> Json:
    containers = pod_of(objects)["spec"]["containers"]
    assert len(containers) == 1
    found: Json = containers[0]
    return found

"""Kubernetes and Istio objects for the sandbox's tests, as short as the tests allow."""

from copy import deepcopy
from typing import Any

from canary.sandbox.routes import ADDRESS_ANNOTATION

Json = dict[str, Any]
HOST = "myapp.shop.svc.cluster.local"


def service(name: str = "myapp", namespace: str = "shop", port: int = 80, **selector: str) -> Json:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": selector or {"app": "myapp"}, "ports": [{"port": port}]},
    }


def pod(name: str, address: str, *, ready: bool = True, namespace: str = "shop", **labels: str) -> Json:
    workload, _, template_hash = name.rpartition("-")
    return {
        "metadata": {
            "name": f"{name}-x",
            "namespace": namespace,
            "labels": {"app": "myapp", "pod-template-hash": template_hash, **labels},
            "annotations": {ADDRESS_ANNOTATION: address},
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": f"{workload}-{template_hash}", "controller": True}
            ],
        },
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def destination_rule(host: str = "myapp", **subsets: Json) -> Json:
    return {
        "metadata": {"name": "myapp", "namespace": "shop"},
        "spec": {
            "host": host,
            "subsets": [{"name": name, "labels": labels} for name, labels in subsets.items()],
        },
    }


def virtual_service(
    *http: Json, name: str = "myapp", hosts: tuple[str, ...] = ("myapp",), **spec: Any
) -> Json:
    return {
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": "7"},
        "spec": {"hosts": list(hosts), "http": list(http), **spec},
    }


def to(host: str = "myapp", subset: str | None = None, weight: int | None = None, **rest: Any) -> Json:
    destination: Json = {"destination": {"host": host, **rest}}
    if subset is not None:
        destination["destination"]["subset"] = subset
    if weight is not None:
        destination["weight"] = weight
    return destination


def split(stable: int, canary: int, host: str = "myapp") -> Json:
    return {"route": [to(host, "stable", stable), to(host, "canary", canary)]}


FULL = virtual_service(
    {
        "name": "full",
        "match": [
            {
                "uri": {"prefix": "/a"},
                "headers": {"x-user": {"exact": "tester"}},
                "withoutHeaders": {"x-bot": {}},
                "queryParams": {"beta": {"exact": "1"}},
                "method": {"exact": "GET"},
                "gateways": ["mesh"],
            }
        ],
        "timeout": "5s",
        "retries": {"attempts": 1, "perTryTimeout": "1s", "retryOn": "5xx"},
        "route": [to(subset="stable", weight=90, port={"number": 80}), to(subset="canary", weight=10)],
    },
    gateways=["mesh"],
)
NONSENSE: tuple[Any, ...] = (None, True, -1, "x", [], {}, ["x"], [None], {"x": "y"}, {"x": {"y": []}})


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of everything inside a value."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [(*path, key) for key, _ in items] + [
        inner for key, item in items for inner in places(item, (*path, key))
    ]


def with_nonsense(path: tuple[str | int, ...], nonsense: object) -> Json:
    changed = deepcopy(FULL)
    parent: Any = changed["spec"]
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = nonsense
    return changed

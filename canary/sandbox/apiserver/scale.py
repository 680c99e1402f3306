"""The ``scale`` subresource: an ``autoscaling/v1`` Scale as a window onto a workload's replicas."""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.api import Api, Edit, Written
from canary.sandbox.apiserver.errors import bad_request
from canary.sandbox.apiserver.jsonpath import find
from canary.sandbox.apiserver.objects import Json, clone
from canary.sandbox.apiserver.writes import Target, WriteOptions

_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(target: Target, obj: Json) -> Json:
    """Return the Scale of a workload."""
    spec_path, status_path, selector_path = target.resource.scale_paths
    labels = (obj.get("spec", {}).get("selector") or {}).get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    if target.resource.is_custom:
        selector = str(_first(obj, selector_path) or "")
    status: Json = {"replicas": int(_first(obj, status_path) or 0)}
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in _IDENTITY if key in obj["metadata"]},
        "spec": {"replicas": int(_first(obj, spec_path) or 0)},
        "status": status,
    }


def change_scale(api: Api, target: Target, edit: Edit, options: WriteOptions) -> Written:
    """Change the replicas by editing the Scale; raises 400 for a Scale that is none, 409, 422."""
    main = Target(target.resource, target.version, target.namespace, target.name)
    path = target.resource.scale_paths[0].split(".")

    def edit_workload(obj: Json) -> Json:
        changed = edit(scale_of(target, obj))
        if not isinstance(changed, dict) or changed.get("kind") != "Scale":
            raise bad_request(f"a Scale is wanted here, found {changed!r}")
        replicas = (changed.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
            raise bad_request(f"spec.replicas must be an integer of at least 0, found {replicas!r}")
        workload = clone(obj)
        node = workload
        for part in path[:-1]:
            node = node.setdefault(part, {})
        node[path[-1]] = replicas
        metadata = changed.get("metadata") or {}
        for field in ("resourceVersion", "uid"):
            if metadata.get(field):
                workload["metadata"][field] = metadata[field]
        return workload

    written = api.patch(main, edit_workload, options)
    return Written(scale_of(target, written.object), warnings=written.warnings)


def _first(obj: Json, path: str) -> Any:
    found = find(obj, path) if path else []
    return found[0] if found else None

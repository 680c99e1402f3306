"""``kubectl get``'s columns: what the server prints of each kind (``meta.k8s.io/v1`` Table)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from canary.sandbox.apiserver.jsonpath import find
from canary.sandbox.apiserver.objects import Json, parse_time
from canary.sandbox.apiserver.resources import Column
from canary.sandbox.apiserver.writes import Target

Cells = Callable[[Json, datetime], list[Any]]

_META = "meta.k8s.io/v1"


def table(target: Target, objects: Sequence[Json], include: str, now: datetime) -> Json:
    """Return the objects as a Table; ``include`` is None, Metadata or Object: what each row carries."""
    columns, cells = _layout(target)
    definitions: list[Json] = [
        {
            "name": column.name,
            "type": column.type,
            "format": "name" if column.name == "Name" else "",
            "description": column.description,
            "priority": column.priority,
        }
        for column in columns
    ]
    rows = [{"cells": cells(obj, now), "object": _carried(obj, include)} for obj in objects]
    version = objects[0]["metadata"].get("resourceVersion", "") if len(objects) == 1 else ""
    return {
        "kind": "Table",
        "apiVersion": _META,
        "metadata": {"resourceVersion": version},
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _carried(obj: Json, include: str) -> Json | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def _layout(target: Target) -> tuple[Sequence[Column], Cells]:
    name, age = Column("Name", "", "string"), Column("Age", ".metadata.creationTimestamp", "date")
    if target.resource.is_custom:
        own = target.resource.custom[target.version].columns or (age,)
        return (name, *own), lambda obj, now: [_name(obj), *(_cell(obj, column, now) for column in own)]
    if found := _BUILTIN.get(target.resource.key):
        words, cells = found
        return [_column(word) for word in words.split()], cells
    return (name, age), lambda obj, now: [_name(obj), _age(obj, now)]


def _column(word: str) -> Column:
    """Read one column: ``Nominated_Node+`` is wide only."""
    kind = "integer" if word in {"Desired", "Current", "Data", "Restarts"} else "string"
    return Column(word.rstrip("+").replace("_", " "), "", kind, int(word.endswith("+")))


def _name(obj: Json) -> str:
    return str(obj["metadata"]["name"])


def _cell(obj: Json, column: Column, now: datetime) -> Any:
    values = find(obj, column.path)
    if not values or values[0] is None:
        return None if column.type in {"integer", "number", "boolean"} else ""
    if column.type == "date":
        return age(str(values[0]), now)
    if column.type in {"integer", "number", "boolean"}:
        return values[0]
    # A real server shows what is found first, too.
    return values[0] if isinstance(values[0], str) else msgspec.json.encode(values[0]).decode()


def age(moment: str, now: datetime) -> str:
    """Return how long ago that was, as kubectl writes it."""
    try:
        seconds = int((now - parse_time(moment)).total_seconds())
    except ValueError:
        return "<invalid>"
    seconds = max(seconds, 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if days < 2:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    return f"{days}d"


def _age(obj: Json, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp") or "", now)


def _containers(spec: Json) -> tuple[str, str]:
    containers = spec.get("containers") or []
    return ",".join(c.get("name", "") for c in containers), ",".join(c.get("image", "") for c in containers)


def _selector(selector: Json | None) -> str:
    labels = (selector or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


def _deployment(obj: Json, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    counts = [status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]
    names, images = _containers(spec["template"]["spec"])
    return [_name(obj), ready, *counts, _age(obj, now), names, images, _selector(spec.get("selector"))]


def _replica_set(obj: Json, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    counts = [spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]
    names, images = _containers(spec["template"]["spec"])
    return [_name(obj), *counts, _age(obj, now), names, images, _selector(spec.get("selector"))]


def _pod(obj: Json, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj.get("status") or {}
    states = status.get("containerStatuses") or []
    ready = sum(bool(state.get("ready")) for state in states)
    restarts = sum(int(state.get("restartCount", 0)) for state in states)
    reason = status.get("reason") or status.get("phase") or "Unknown"
    for state in states:
        for kind in ("waiting", "terminated"):
            found = (state.get("state") or {}).get(kind)
            reason = found.get("reason") or reason if found else reason
    if obj["metadata"].get("deletionTimestamp"):
        reason = "Terminating"
    where = [status.get("podIP") or "<none>", spec.get("nodeName") or "<none>"]
    total = len(spec.get("containers") or [])
    return [_name(obj), f"{ready}/{total}", reason, restarts, _age(obj, now), *where, "<none>", "<none>"]


def _service(obj: Json, now: datetime) -> list[Any]:
    spec = obj["spec"]
    ports = ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in spec.get("ports") or ())
    selector = ",".join(f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items()))
    address = spec.get("clusterIP") or "<none>"
    kind = spec.get("type", "ClusterIP")
    return [_name(obj), kind, address, "<none>", ports or "<none>", _age(obj, now), selector or "<none>"]


def _event(obj: Json, now: datetime) -> list[Any]:
    about = obj.get("involvedObject") or obj.get("regarding") or {}
    last = obj.get("lastTimestamp") or obj.get("deprecatedLastTimestamp") or obj.get("eventTime")
    last = last or obj["metadata"].get("creationTimestamp") or ""
    what = f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"
    source = (obj.get("source") or obj.get("deprecatedSource") or {}).get("component")
    source = source or obj.get("reportingComponent") or obj.get("reportingController") or ""
    message = (obj.get("message") or obj.get("note") or "").strip()
    head = [age(last, now), obj.get("type", ""), obj.get("reason", ""), what]
    first = obj.get("firstTimestamp") or obj.get("deprecatedFirstTimestamp") or last
    count = obj.get("count") or obj.get("deprecatedCount") or 1
    path = about.get("fieldPath") or ""
    return [*head, path, source, message, age(first, now), count, _name(obj)]


def _endpoint_slice(obj: Json, now: datetime) -> list[Any]:
    ports = ",".join(str(port.get("port")) for port in obj.get("ports") or ()) or "<unset>"
    addresses = [a for endpoint in obj.get("endpoints") or () for a in endpoint.get("addresses") or ()]
    shown = ",".join(addresses[:3]) + (f" + {len(addresses) - 3} more..." if len(addresses) > 3 else "")
    return [_name(obj), obj.get("addressType", ""), ports, shown or "<unset>", _age(obj, now)]


def _lease(obj: Json, now: datetime) -> list[Any]:
    return [_name(obj), (obj.get("spec") or {}).get("holderIdentity") or "", _age(obj, now)]


def _namespace(obj: Json, now: datetime) -> list[Any]:
    return [_name(obj), (obj.get("status") or {}).get("phase", ""), _age(obj, now)]


def _data(obj: Json, now: datetime) -> list[Any]:
    return [_name(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), _age(obj, now)]


def _secret(obj: Json, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("type", ""), len(obj.get("data") or {}), _age(obj, now)]


def _crd(obj: Json, _now: datetime) -> list[Any]:
    return [_name(obj), obj["metadata"].get("creationTimestamp", "")]


# The columns' names as kubectl prints them (it capitalises them); "+" marks those of -o wide.
_BUILTIN: Mapping[str, tuple[str, Cells]] = {
    "deployments.apps": ("Name Ready Up-to-date Available Age Containers+ Images+ Selector+", _deployment),
    "replicasets.apps": ("Name Desired Current Ready Age Containers+ Images+ Selector+", _replica_set),
    "pods": ("Name Ready Status Restarts Age IP+ Node+ Nominated_Node+ Readiness_Gates+", _pod),
    "services": ("Name Type Cluster-IP External-IP Port(s) Age Selector+", _service),
    "events": ("Last_Seen Type Reason Object Subobject+ Source+ Message First_Seen+ Count+ Name+", _event),
    "endpointslices.discovery.k8s.io": ("Name AddressType Ports Endpoints Age", _endpoint_slice),
    "leases.coordination.k8s.io": ("Name Holder Age", _lease),
    "namespaces": ("Name Status Age", _namespace),
    "configmaps": ("Name Data Age", _data),
    "secrets": ("Name Type Data Age", _secret),
    "customresourcedefinitions.apiextensions.k8s.io": ("Name Created_At", _crd),
}

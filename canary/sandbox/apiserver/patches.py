"""The patch formats as pure functions: document and patch give a new document; neither is changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jsonpatch

from canary.sandbox.apiserver.errors import ApiError, bad_request, patch_rejected
from canary.sandbox.apiserver.objects import Json, clone

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

MAX_OPERATIONS = 10_000

# By which field the elements of a list are the same element, in the built-in kinds.
_MERGE_KEYS = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_PRIMITIVE_MERGE = frozenset({"finalizers"})
_ATOMIC_KINDS = frozenset({"EndpointSlice", "CustomResourceDefinition", "Endpoints"})


def merge_key(kind: str, field: str, elements: Sequence[Any]) -> str | None:
    """Return the key by which a list of a built-in kind merges; None when it is replaced as a whole."""
    if kind in _ATOMIC_KINDS and field != "ownerReferences":
        return None
    if field == "ports":
        in_container = any(isinstance(item, dict) and "containerPort" in item for item in elements)
        return "containerPort" if in_container else "port" if kind == "Service" else None
    return _MERGE_KEYS.get(field)


def json_patch(document: Json, operations: Any) -> Json:
    """Apply RFC 6902; a failed ``test`` or a missing path is 422, an operation that is none is 400."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise bad_request("json: cannot unmarshal the body into a list of JSON Patch operations")
    if len(operations) > MAX_OPERATIONS:
        message = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise ApiError(413, "RequestEntityTooLarge", message)
    try:
        result = clone(document)
        for operation in operations:
            result = jsonpatch.JsonPatch([_as_carried_out(operation, result)]).apply(result, in_place=True)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as exc:
        raise patch_rejected() from exc
    if not isinstance(result, dict):
        raise patch_rejected()
    return result


def _as_carried_out(operation: Json, document: Json) -> Json:
    """Read an operation on a map as the real API server does, where it differs from RFC 6902.

    There, replacing what the map does not have adds it, and what it does not have equals null.
    """
    name, path = operation.get("op"), operation.get("path")
    if name not in {"replace", "test"} or not isinstance(path, str):
        return operation
    parent, member = jsonpatch.JsonPointer(path).to_last(document)
    if member is None or not isinstance(parent, dict):
        return operation
    if name == "replace":
        return {**operation, "op": "add"}
    if operation.get("value") is None and parent.get(member) is None:
        return {"op": "test", "path": "", "value": document}
    return operation


def merge_patch(document: Any, patch: Any) -> Any:
    """Apply RFC 7386: maps merge, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    merged: Json = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge(kind: str, document: Any, patch: Any) -> Any:
    """Apply a strategic merge patch for a built-in kind: lists with a merge key merge by element."""
    if not isinstance(patch, dict):
        return clone(patch)
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged: Json = dict(document) if isinstance(document, dict) else {}
    if isinstance(kept := patch.get("$retainKeys"), list):
        merged = {key: value for key, value in merged.items() if key in kept}
    for key, value in patch.items():
        if key.startswith("$"):
            _list_directive(merged, key, value)
        else:
            _merge_field(kind, merged, key, value)
    for key, order in patch.items():
        if key.startswith("$setElementOrder/"):
            _reorder(kind, merged, key.partition("/")[2], order)
    return merged


def _merge_field(kind: str, merged: Json, key: str, value: Any) -> None:
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, list):
        merged[key] = _merge_list(kind, key, merged.get(key), value)
    else:
        merged[key] = strategic_merge(kind, merged.get(key), value)


def _list_directive(merged: Json, key: str, value: Any) -> None:
    name, _, field = key.partition("/")
    if name == "$deleteFromPrimitiveList" and isinstance(merged.get(field), list):
        merged[field] = [item for item in merged[field] if item not in value]
    elif name not in {"$deleteFromPrimitiveList", "$setElementOrder", "$retainKeys", "$patch"}:
        raise bad_request(f"unknown directive in the strategic merge patch: {key!r}")


def _merge_list(kind: str, field: str, current: Any, patch: list[Any]) -> list[Any]:
    existing = list(current) if isinstance(current, list) else []
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [clone(item) for item in patch if item.get("$patch") != "replace"]
    if field in _PRIMITIVE_MERGE:
        return existing + [item for item in patch if item not in existing]
    key = merge_key(kind, field, [*existing, *patch])
    if key is None:
        return clone(patch)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        place = next((i for i, old in enumerate(existing) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            existing = [old for old in existing if old.get(key) != item[key]]
        elif place is None:
            existing.append(strategic_merge(kind, {}, item))
        else:
            existing[place] = strategic_merge(kind, existing[place], item)
    return existing


def _reorder(kind: str, merged: Json, field: str, order: list[Any]) -> None:
    items = merged.get(field)
    if not isinstance(items, list):
        return
    key = merge_key(kind, field, items)
    wanted = [item.get(key) if isinstance(item, dict) else item for item in order]

    def place(item: Any) -> int:
        value = item.get(key) if isinstance(item, dict) else item
        return wanted.index(value) if value in wanted else len(wanted)

    merged[field] = sorted(items, key=place)

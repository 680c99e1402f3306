"""Who wrote what: ``metadata.managedFields`` in the ``FieldsV1`` format, and server-side apply on top of it.

Kept small: ownership is by leaf path. A list with a key (``ListKeys``) is walked by element, any other list
is one leaf; an ``Update`` takes over what it changes, an ``Apply`` co-owns what it sets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.objects import Json, clone

Path = tuple[str, ...]
# (path of the list, its elements) -> names of the fields that identify an element, or None: one leaf.
ListKeys = Callable[[Path, list[Any]], tuple[str, ...] | None]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_SYSTEM = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: the manager's name, how, through which version and subresource, and when."""

    manager: str
    operation: str
    api_version: str
    time: str
    subresource: str = ""


def leaves(obj: Json, keys: ListKeys) -> dict[Path, Any]:
    """Return every leaf of the object that somebody can own, with its value."""
    found: dict[Path, Any] = {}
    for name, value in obj.items():
        if name in {"apiVersion", "kind"}:
            continue
        if name == "metadata":
            value = {key: item for key, item in value.items() if key not in _SYSTEM}  # noqa: PLW2901
        _walk(value, (f"f:{name}",), keys, found)
    found.pop(("f:metadata",), None)
    return found


def _walk(value: Any, path: Path, keys: ListKeys, found: dict[Path, Any]) -> None:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            _walk(item, (*path, f"f:{name}"), keys, found)
        return
    if isinstance(value, list) and value and (names := keys(path, value)) is not None:
        for item in value:
            _walk(item, (*path, element_key(item, names)), keys, found)
        return
    found[path] = value


def element_key(item: Any, names: tuple[str, ...]) -> str:
    """Return the ``k:{...}`` path element of one element of a keyed list."""
    # A port's protocol is part of its key and TCP when it is not said.
    found = {name: item.get(name, "TCP" if name == "protocol" else None) for name in names}
    return "k:" + json.dumps({k: v for k, v in found.items() if v is not None}, separators=(",", ":"))


def to_fields(paths: Iterable[Path]) -> Json:
    """Write paths as a ``fieldsV1`` tree."""
    tree: Json = {}
    for path in sorted(paths):
        node = tree
        for part in path:
            node = node.setdefault(part, {})
    return tree


def from_fields(tree: Json, prefix: Path = ()) -> set[Path]:
    """Read the leaf paths of a ``fieldsV1`` tree; "." (the node itself) is not a leaf of ours."""
    found: set[Path] = set()
    for part, below in tree.items():
        if part != ".":
            found |= from_fields(below, (*prefix, part)) if below else {(*prefix, part)}
    return found or ({prefix} if prefix else set())


def record(old: Json | None, new: Json, writer: Writer, keys: ListKeys) -> list[Json]:
    """Return ``managedFields`` of ``new`` after an update by ``writer``."""
    before = leaves(old, keys) if old else {}
    after = leaves(new, keys)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    return _entries(new, after, writer, changed, stolen=changed)


def record_apply(
    merged: Json, applied: set[Path], forced: set[Path], writer: Writer, keys: ListKeys
) -> list[Json]:
    """Return ``managedFields`` after an apply: the writer owns exactly what it applied."""
    return _entries(merged, leaves(merged, keys), writer, applied, stolen=forced)


def _entries(
    obj: Json, after: dict[Path, Any], writer: Writer, own: set[Path], stolen: set[Path]
) -> list[Json]:
    entries: list[Json] = []
    seen = False
    for entry in obj["metadata"].get("managedFields") or ():
        paths = {path for path in from_fields(entry.get("fieldsV1") or {}) if path in after}
        if _same(entry, writer):
            seen = True
            kept = own if writer.operation == "Apply" else paths | own
            time = entry.get("time", writer.time) if kept == paths and not own - paths else writer.time
            time = writer.time if own and writer.operation == "Update" else time
            entry = _entry(writer, kept, time)  # noqa: PLW2901
        else:
            kept = paths - stolen
            entry = {**entry, "fieldsV1": to_fields(kept)}  # noqa: PLW2901
        if kept:
            entries.append(entry)
    if not seen and own:
        entries.append(_entry(writer, own, writer.time))
    return entries


def _same(entry: Json, writer: Writer) -> bool:
    return (
        entry.get("manager") == writer.manager
        and entry.get("operation") == writer.operation
        and entry.get("subresource", "") == writer.subresource
        and (entry.get("apiVersion") == writer.api_version or writer.operation == "Update")
    )


def _entry(writer: Writer, paths: set[Path], time: str) -> Json:
    entry: Json = {
        "manager": writer.manager,
        "operation": writer.operation,
        "apiVersion": writer.api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields(paths),
    }
    return entry | ({"subresource": writer.subresource} if writer.subresource else {})


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of a server-side apply, before admission."""

    document: Json
    own: set[Path]
    forced: set[Path]


def apply(live: Json, config: Json, writer: Writer, keys: ListKeys, *, force: bool) -> Applied:
    """Merge an applied configuration into the live object; 409 when others own what it would change.

    What this manager applied before and no longer names is removed, unless somebody else owns it too.
    """
    wanted, current = leaves(config, keys), leaves(live, keys)
    previous: set[Path] = set()
    owners: dict[Path, str] = {}
    for entry in live["metadata"].get("managedFields") or ():
        paths = from_fields(entry.get("fieldsV1") or {})
        if _same(entry, writer):
            previous |= paths
        else:
            owners.update(dict.fromkeys(paths, str(entry.get("manager"))))
    contested = {p for p, value in wanted.items() if p in owners and p in current and current[p] != value}
    if contested and not force and not contested <= _client_side_applied(live, writer, keys):
        raise _apply_conflict(contested, owners)
    merged = _merge(live, config, (), keys)
    for path in sorted(previous - wanted.keys() - owners.keys(), key=len, reverse=True):
        _remove(merged, path)
    return Applied(merged, set(wanted), contested)


def _client_side_applied(live: Json, writer: Writer, keys: ListKeys) -> set[Path]:
    """Return what kubectl applied before from its own side: kubectl may take that over without force."""
    annotations = live["metadata"].get("annotations") or {}
    if writer.manager != "kubectl" or LAST_APPLIED not in annotations:
        return set()
    try:
        return set(leaves(json.loads(annotations[LAST_APPLIED]), keys))
    except (ValueError, AttributeError):
        return set()


def _apply_conflict(contested: set[Path], owners: dict[Path, str]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{owners[path]}"',
            "field": dotted(path),
        }
        for path in sorted(contested)
    ]
    word = "conflict" if len(causes) == 1 else "conflicts"
    named = ", ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    message = f"Apply failed with {len(causes)} {word}: {named}"
    return ApiError(409, "Conflict", message, {"causes": causes})


def dotted(path: Path) -> str:
    """Write a path as messages do: ``.spec.ports[k:{"port":80}]``."""
    return "".join(f".{part[2:]}" if part.startswith("f:") else f"[{part[2:]}]" for part in path)


def _merge(live: Any, config: Any, path: Path, keys: ListKeys) -> Any:
    if isinstance(live, dict) and isinstance(config, dict):
        merged = dict(live)
        for name, value in config.items():
            merged[name] = _merge(live.get(name), value, (*path, f"f:{name}"), keys)
        return merged
    if isinstance(live, list) and isinstance(config, list):
        names = keys(path, [*live, *config])
        if names is not None:
            return _merge_elements(live, config, path, keys, names)
    return clone(config)


def _merge_elements(
    live: list[Any], config: list[Any], path: Path, keys: ListKeys, names: tuple[str, ...]
) -> Any:
    merged = list(live)
    places = {element_key(item, names): place for place, item in enumerate(live)}
    for item in config:
        key = element_key(item, names)
        if key in places:
            merged[places[key]] = _merge(merged[places[key]], item, (*path, key), keys)
        else:
            merged.append(clone(item))
    return merged


def _remove(node: Any, path: Path) -> None:
    """Remove one leaf, and an element of a keyed list of which only the key is left; changes ``node``."""
    head, rest = path[0], path[1:]
    if head.startswith("f:") and isinstance(node, dict) and head[2:] in node:
        if not rest:
            del node[head[2:]]
            return
        node[head[2:]] = clone(node[head[2:]])
        _remove(node[head[2:]], rest)
        if not node[head[2:]]:
            del node[head[2:]]
    elif head.startswith("k:") and isinstance(node, list):
        wanted = json.loads(head[2:])
        for item in list(node):
            if isinstance(item, dict) and all(item.get(name) == value for name, value in wanted.items()):
                if rest:
                    _remove(item, rest)
                if not item.keys() - wanted.keys():
                    node.remove(item)

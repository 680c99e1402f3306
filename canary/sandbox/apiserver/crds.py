"""CustomResourceDefinitions: from the object a team applies to a served resource type."""

from __future__ import annotations

from importlib import resources
from typing import Any

import yaml

from canary.sandbox.apiserver.errors import Cause
from canary.sandbox.apiserver.objects import Json, name_of
from canary.sandbox.apiserver.resources import Column, CustomVersion, ResourceType, version_priority

CRD = "customresourcedefinitions.apiextensions.k8s.io"


def shipped_crds() -> list[Json]:
    """Return the definitions that every sandbox starts with: Istio's routing kinds."""
    text = resources.files(__package__).joinpath("data/istio.yaml").read_text(encoding="utf-8")
    return [document for document in yaml.safe_load_all(text) if document]


def crd_problems(crd: Json) -> list[Cause]:
    """Check what ``resource_type`` relies on."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    causes = [
        Cause(f"spec.{path}", "FieldValueRequired", "Required value")
        for path, value in (
            ("group", spec.get("group")),
            ("names.plural", names.get("plural")),
            ("names.kind", names.get("kind")),
            ("versions", spec.get("versions")),
        )
        if not value
    ]
    if causes:
        return causes
    wanted = f"{names['plural']}.{spec['group']}"
    if name_of(crd) != wanted:
        message = f'Invalid value: "{name_of(crd)}": must be spec.names.plural+"."+spec.group'
        causes.append(Cause("metadata.name", "FieldValueInvalid", message))
    if spec.get("scope") not in {"Namespaced", "Cluster"}:
        message = f'Unsupported value: "{spec.get("scope")}": supported values: "Cluster", "Namespaced"'
        causes.append(Cause("spec.scope", "FieldValueNotSupported", message))
    if sum(bool(version.get("storage")) for version in spec["versions"]) != 1:
        message = "Invalid value: must have exactly one version marked as storage version"
        causes.append(Cause("spec.versions", "FieldValueInvalid", message))
    for place, version in enumerate(spec["versions"]):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            path = f"spec.versions[{place}].schema.openAPIV3Schema"
            causes.append(Cause(path, "FieldValueRequired", "Required value: schemas are required"))
    return causes


def with_crd_defaults(crd: Json, now: str) -> None:
    """Fill names, conversion and the status conditions in place; here a definition is established at once."""
    spec = crd["spec"]
    names = spec["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", names["kind"] + "List")
    spec.setdefault("conversion", {"strategy": "None"})
    status = crd.setdefault("status", {})
    before = {condition["type"]: condition for condition in status.get("conditions") or ()}
    wanted = (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    )
    status["conditions"] = [
        before.get(kind)
        or {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}
        for kind, reason, message in wanted
    ]
    status["acceptedNames"] = dict(names)
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    status["storedVersions"] = sorted({storage, *(status.get("storedVersions") or ())})


def resource_type(crd: Json) -> ResourceType:
    """Return the type that a valid definition describes."""
    spec = crd["spec"]
    names = spec["names"]
    served = [version for version in spec["versions"] if version.get("served", True)]
    served.sort(key=lambda version: version_priority(version["name"]))
    # Subresources are per version in the API; here the storage version decides for all.
    storage = next(version for version in spec["versions"] if version.get("storage"))
    subresources = storage.get("subresources") or {}
    scale = subresources.get("scale") or {}
    return ResourceType(
        group=spec["group"],
        versions=tuple(version["name"] for version in served),
        kind=names["kind"],
        plural=names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(subresources),
        has_generation=True,
        unconditional_update=False,
        storage_version=storage["name"],
        custom={version["name"]: _custom_version(version) for version in served},
        scale_paths=(
            str(scale.get("specReplicasPath", "")).removeprefix("."),
            str(scale.get("statusReplicasPath", "")).removeprefix("."),
            str(scale.get("labelSelectorPath", "")).removeprefix("."),
        ),
    )


def _custom_version(version: Json) -> CustomVersion:
    columns = tuple(
        Column(
            column["name"],
            column["jsonPath"],
            column.get("type", "string"),
            column.get("priority", 0),
            column.get("description", ""),
        )
        for column in version.get("additionalPrinterColumns") or ()
    )
    selectable = frozenset(
        str(field["jsonPath"]).removeprefix(".") for field in version.get("selectableFields") or ()
    )
    return CustomVersion(version["schema"]["openAPIV3Schema"], columns, selectable)


def list_map_keys(schema: Any, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the keys of the list at this ``fieldsV1`` path, when the schema says that it is a map."""
    node = schema
    for part in path:
        if not isinstance(node, dict):
            return None
        if part.startswith("k:"):
            node = node.get("items")
        else:
            properties = node.get("properties") or {}
            node = properties.get(part[2:], node.get("additionalProperties"))
    if isinstance(node, dict) and node.get("x-kubernetes-list-type") == "map":
        return tuple(node.get("x-kubernetes-list-map-keys") or ())
    return None

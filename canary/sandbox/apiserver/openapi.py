"""OpenAPI documents, as much as kubectl needs: that ``fieldValidation`` exists, and schemas for ``explain``.

The built-in kinds are described loosely (a spec and a status of any shape), custom resources by their own
schema.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from canary.sandbox.apiserver.objects import Json
from canary.sandbox.apiserver.resources import Registry, ResourceType

_GVK = "x-kubernetes-group-version-kind"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_QUERY_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")

_METADATA: Json = {
    "description": "Standard object metadata.",
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "The name, unique within the namespace."},
        "namespace": {"type": "string", "description": "The namespace that the object lives in."},
        "labels": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "To select by.",
        },
        "annotations": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "For tools and people.",
        },
        "resourceVersion": {"type": "string", "description": "The version of this state of the object."},
    },
}


def answer(registry: Registry, parts: Sequence[str]) -> Json | None:
    """Answer what lies under ``/openapi``; None when there is nothing there."""
    match parts:
        case ["v2"]:
            return document_v2(registry)
        case ["v3"]:
            return index(registry)
        case ["v3", "api", version]:
            return document(registry, "", version)
        case ["v3", "apis", group, version]:
            return document(registry, group, version)
    return None


def index(registry: Registry) -> Json:
    """Answer ``/openapi/v3``: where the document of each group and version is."""
    paths: Json = {}
    for group, versions in registry.groups().items():
        for version in versions:
            place = f"apis/{group}/{version}" if group else f"api/{version}"
            digest = hashlib.sha256(msgspec.json.encode(document(registry, group, version))).hexdigest()
            paths[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest[:32].upper()}"}
    return {"paths": paths}


def document(registry: Registry, group: str, version: str) -> Json:
    """Answer ``/openapi/v3/apis/GROUP/VERSION``."""
    types = [r for r in registry.types() if r.group == group and version in r.versions]
    schemas: Json = {_META: _METADATA}
    paths: Json = {}
    for resource in types:
        schemas[_schema_name(resource, version)] = _schema(resource, version)
        paths |= _paths(resource, version)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Canary sandbox", "version": "v1.37.1"},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def document_v2(registry: Registry) -> Json:
    """Answer ``/openapi/v2``: the kinds, without shapes."""
    definitions = {
        _schema_name(resource, version): {"type": "object", _GVK: [_gvk(resource, version)]}
        for resource in registry.types()
        for version in resource.versions
    }
    info = {"title": "Canary sandbox", "version": "v1.37.1"}
    return {"swagger": "2.0", "info": info, "paths": {}, "definitions": definitions}


def _gvk(resource: ResourceType, version: str) -> Json:
    return {"group": resource.group, "version": version, "kind": resource.kind}


def _schema_name(resource: ResourceType, version: str) -> str:
    group = ".".join(reversed(resource.group.split("."))) if resource.group else "io.k8s.api.core"
    return f"{group}.{version}.{resource.kind}"


def _schema(resource: ResourceType, version: str) -> Json:
    schema: Json = {"type": "object", _GVK: [_gvk(resource, version)]}
    custom = resource.custom.get(version)
    own: Mapping[str, Any] = custom.schema if custom else {}
    schema["description"] = own.get("description", f"A {resource.kind}.")
    shapeless: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    properties: Json = (
        dict(own.get("properties") or {}) if custom else {"spec": shapeless, "status": shapeless}
    )
    properties["apiVersion"] = {"type": "string", "description": "The version of this representation."}
    properties["kind"] = {"type": "string", "description": "The kind of the object."}
    properties["metadata"] = {
        "description": "Standard object metadata.",
        "allOf": [{"$ref": f"#/components/schemas/{_META}"}],
        "default": {},
    }
    return schema | {"properties": properties}


def _paths(resource: ResourceType, version: str) -> Json:
    root = f"/apis/{resource.group}/{version}" if resource.group else f"/api/{version}"
    scope = "/namespaces/{namespace}" if resource.namespaced else ""
    collection, item = f"{root}{scope}/{resource.plural}", f"{root}{scope}/{resource.plural}/{{name}}"
    if "patch" not in resource.verbs:
        return {collection: {"post": _operation(resource, version, "post")}}
    # Strategic merge patch is left out: kubectl then takes the merge keys that it has compiled in.
    patch = _operation(resource, version, "patch")
    patch["requestBody"] = {
        "content": {"application/merge-patch+json": {}, "application/apply-patch+yaml": {}}
    }
    return {
        collection: {
            "get": _operation(resource, version, "list"),
            "post": _operation(resource, version, "post"),
        },
        item: {
            "get": _operation(resource, version, "get"),
            "put": _operation(resource, version, "put"),
            "patch": patch,
            "delete": _operation(resource, version, "delete"),
        },
    }


def _operation(resource: ResourceType, version: str, action: str) -> Json:
    reference = {"$ref": f"#/components/schemas/{_schema_name(resource, version)}"}
    content = {"application/json": {"schema": reference}}
    return {
        "x-kubernetes-action": action,
        _GVK: _gvk(resource, version),
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in _QUERY_PARAMETERS
        ],
        "responses": {"200": {"description": "OK", "content": content}},
    }

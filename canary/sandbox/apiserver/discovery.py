"""Discovery: which groups, versions and resources there are, in the old and the aggregated form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from canary.sandbox.apiserver.objects import Json
from canary.sandbox.apiserver.resources import Registry, ResourceType

VERSION: Json = {
    "major": "1",
    "minor": "37",
    "gitVersion": "v1.37.1+canary-sandbox",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SUB_KINDS = {"scale": ("autoscaling", "v1", "Scale")}
_SUB_VERBS = ["get", "patch", "update"]


def wants_aggregated(accept: str) -> bool:
    """Tell whether the client understands aggregated discovery (v2)."""
    for clause in accept.split(","):
        parts = {part.strip() for part in clause.split(";")}
        if {"application/json", "g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"} <= parts:
            return True
    return False


def plain(registry: Registry, parts: Sequence[str]) -> Json | None:
    """Answer the old form: ``/api``, ``/apis`` and below; None when there is nothing there."""
    match parts:
        case ["api"]:
            return core_versions()
        case ["apis"]:
            return groups(registry)
        case ["apis", name]:
            return group(registry, name)
        case ["api", version]:
            return resources(registry, "", version)
        case ["apis", name, version]:
            return resources(registry, name, version)
    return None


def core_versions() -> Json:
    """Answer ``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group(registry: Registry, name: str) -> Json | None:
    """Answer ``/apis/GROUP``; None when there is no such group."""
    versions = registry.groups().get(name)
    if not name or versions is None:
        return None
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": entries,
        "preferredVersion": entries[0],
    }


def groups(registry: Registry) -> Json:
    """Answer ``/apis``."""
    found = [group(registry, name) for name in registry.groups() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def resources(registry: Registry, name: str, version: str) -> Json | None:
    """Answer ``/api/v1`` and ``/apis/GROUP/VERSION``; None when nothing is served there."""
    types = _types(registry, name, version)
    if not types:
        return None
    items: list[Json] = []
    for resource in types:
        entry: Json = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        items.append(entry)
        items += [_subresource(resource, sub) for sub in sorted(resource.subresources)]
    full = f"{name}/{version}" if name else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": full, "resources": items}


def _subresource(resource: ResourceType, name: str) -> Json:
    entry: Json = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": _SUB_VERBS,
    }
    if name in _SUB_KINDS:
        group_name, version, kind = _SUB_KINDS[name]
        entry |= {"group": group_name, "version": version, "kind": kind}
    return entry


def aggregated(registry: Registry, *, core: bool) -> Json:
    """Answer ``/api`` or ``/apis`` in one piece."""
    items = []
    for name, versions in registry.groups().items():
        if (name == "") is not core:
            continue
        metadata: Json = {"creationTimestamp": None} | ({"name": name} if name else {})
        items.append(
            {
                "metadata": metadata,
                "versions": [
                    {
                        "version": version,
                        "freshness": "Current",
                        "resources": [_aggregated(r, version) for r in _types(registry, name, version)],
                    }
                    for version in versions
                ],
            }
        )
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _aggregated(resource: ResourceType, version: str) -> Json:
    entry: Json = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": sub,
                "responseKind": _response_kind(resource, version, sub),
                "verbs": _SUB_VERBS,
            }
            for sub in sorted(resource.subresources)
        ]
    return entry


def _response_kind(resource: ResourceType, version: str, subresource: str) -> Json:
    default = (resource.group, version, resource.kind)
    group_name, its_version, kind = _SUB_KINDS.get(subresource, default)
    return {"group": group_name, "version": its_version, "kind": kind}


def _types(registry: Registry, name: str, version: str) -> list[ResourceType]:
    return _sorted(r for r in registry.types() if r.group == name and version in r.versions)


def _sorted(types: Iterable[ResourceType]) -> list[ResourceType]:
    return sorted(types, key=lambda resource: resource.plural)

"""What the API serves: resource types, and the registry that finds one by its place in a path.

A type may be seen through several versions or (events) several groups; ``storage`` names where its objects
lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from canary.sandbox.apiserver.objects import Json

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of ``kubectl get``; ``path`` is a JSONPath, priority 1 shows with ``-o wide`` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class CustomVersion:
    """What a CRD says of one version: its schema (OpenAPI v3, structural), columns, selectable fields."""

    schema: Mapping[str, Any]
    columns: tuple[Column, ...] = ()
    selectable: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind and everything the generic code needs to know of it."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    has_generation: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    graceful: bool = False
    verbs: tuple[str, ...] = VERBS
    storage: str = ""
    storage_version: str = ""
    renames: tuple[tuple[str, str], ...] = ()
    custom: Mapping[str, CustomVersion] = field(default_factory=dict)
    scale_paths: tuple[str, str, str] = ("spec.replicas", "status.replicas", "")

    @property
    def name(self) -> str:
        """``plural.group``, or ``plural`` in the core group: the word used in messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def key(self) -> str:
        """Where the store keeps the objects."""
        return self.storage or self.name

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.kind.lower()

    @property
    def is_custom(self) -> bool:
        """True for types that a CustomResourceDefinition made."""
        return bool(self.custom)

    def api_version(self, version: str) -> str:
        """Return ``group/version``, or ``version`` in the core group."""
        return f"{self.group}/{version}" if self.group else version

    def present(self, obj: Json, version: str) -> Json:
        """Return a stored object as this version shows it; never changes its argument."""
        shown = {**obj, "apiVersion": self.api_version(version), "kind": self.kind}
        for stored, seen in self.renames:
            if stored in shown:
                shown[seen] = shown.pop(stored)
        return shown

    def accept(self, obj: Json) -> Json:
        """Return a client's object as the store keeps it; the reverse of ``present``."""
        kept = dict(obj)
        for stored, seen in self.renames:
            if seen in kept:
                kept[stored] = kept.pop(seen)
        version = self.storage_version or self.versions[0]
        kept["apiVersion"] = version if self.storage == self.plural else self.api_version(version)
        kept["kind"] = self.kind
        return kept


class Registry:
    """The served types; custom ones come and go."""

    def __init__(self, builtin: Iterable[ResourceType]) -> None:
        self._types: dict[tuple[str, str], ResourceType] = {}
        for resource in builtin:
            self.install(resource)

    def install(self, resource: ResourceType) -> None:
        """Serve a type, in place of one with the same group and plural."""
        self._types[resource.group, resource.plural] = resource

    def uninstall(self, group: str, plural: str) -> None:
        """Stop serving a type."""
        self._types.pop((group, plural), None)

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """Return the type at ``group/version/plural``, if it is served in that version."""
        found = self._types.get((group, plural))
        return found if found and version in found.versions else None

    def get(self, group: str, plural: str) -> ResourceType | None:
        """Return the type of this group and plural in any version."""
        return self._types.get((group, plural))

    def by_key(self, key: str) -> ResourceType:
        """Return the type of ``plural.group``; ``KeyError`` when there is none."""
        plural, _, group = key.partition(".")
        return self._types[group, plural]

    def types(self) -> list[ResourceType]:
        """Return every served type."""
        return list(self._types.values())

    def groups(self) -> dict[str, list[str]]:
        """Return the named groups with their versions, preferred first."""
        found: dict[str, list[str]] = {}
        for resource in self._types.values():
            versions = found.setdefault(resource.group, [])
            versions.extend(version for version in resource.versions if version not in versions)
        return {group: sorted(versions, key=version_priority) for group, versions in found.items()}


def version_priority(version: str) -> tuple[int, int, int]:
    """Sort key of Kubernetes versions: v2 < v1 < v1beta2 < v1beta1 < v1alpha1, preferred first."""
    text = version.removeprefix("v")
    for stage, word in ((1, "beta"), (2, "alpha")):
        major, found, minor = text.partition(word)
        if found:
            return (stage, -int(major or 0), -int(minor or 0))
    return (0, -int(text) if text.isdigit() else 0, 0)

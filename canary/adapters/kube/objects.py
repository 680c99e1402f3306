"""The parts of Kubernetes' objects that we read, decoded straight from bytes; everything else is skipped."""

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Metadata", "MetadataOnly", "OwnerReference", "path_of", "selector_of"]


class OwnerReference(msgspec.Struct, frozen=True):
    """Who owns an object."""

    uid: str
    kind: str = ""
    name: str = ""


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """An object's metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()


class MetadataOnly(msgspec.Struct, frozen=True):
    """A PartialObjectMetadata."""

    metadata: Metadata


def path_of(group_version: str, namespace: str, plural: str, name: str = "") -> str:
    """Return the path of a namespaced collection or object; the core group is ``v1``.

    An empty ``namespace`` means all of them.
    """
    root = "/api/v1" if group_version == "v1" else f"/apis/{group_version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{place}/{plural}" + (f"/{name}" if name else "")


def selector_of(labels: Mapping[str, Any]) -> str:
    """Return a label selector that all of ``labels`` must match."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))

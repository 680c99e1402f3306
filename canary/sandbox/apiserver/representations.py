"""How a client wants to see objects: as they are, metadata only, or as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from canary.sandbox.apiserver.errors import not_acceptable
from canary.sandbox.apiserver.objects import Json
from canary.sandbox.apiserver.tables import table
from canary.sandbox.apiserver.writes import Target

Shape = Literal["object", "metadata", "table"]

_META = "meta.k8s.io/v1"
_PLAIN = frozenset({"*/*", "application/*", "application/json"})


@dataclass(frozen=True, slots=True)
class View:
    """One negotiated way of showing objects of a target."""

    target: Target
    shape: Shape
    include_object: str
    now: datetime

    def one(self, obj: Json) -> Json:
        """Return one object as the client asked for it."""
        shown = self.target.resource.present(obj, self.target.version)
        match self.shape:
            case "object":
                return shown
            case "metadata":
                return partial(shown)
            case "table":
                return table(self.target, [shown], self.include_object, self.now)

    def many(self, objects: Sequence[Json], list_metadata: Json) -> Json:
        """Return a list as the client asked for it."""
        resource = self.target.resource
        items: list[Json] | None
        shown = [resource.present(obj, self.target.version) for obj in objects]
        match self.shape:
            case "object":
                kind, version, items = f"{resource.kind}List", self.target.api_version, shown
            case "metadata":
                # Null, not an empty list: so the real server says that there is no metadata of anything.
                kind, version, items = "PartialObjectMetadataList", _META, [*map(partial, shown)] or None
            case "table":
                whole = table(self.target, shown, self.include_object, self.now)
                return whole | {"metadata": list_metadata}
        return {"kind": kind, "apiVersion": version, "metadata": list_metadata, "items": items}

    def bookmark(self, version: int, *, initial_end: bool) -> Json:
        """Return the object of a BOOKMARK event."""
        metadata: Json = {"resourceVersion": str(version)}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self.shape == "metadata":
            return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": metadata}
        if self.shape == "table":
            empty = table(self.target, [], self.include_object, self.now)
            return empty | {"metadata": {"resourceVersion": str(version)}}
        return {
            "kind": self.target.resource.kind,
            "apiVersion": self.target.api_version,
            "metadata": metadata | {"creationTimestamp": None},
        }


def partial(obj: Json) -> Json:
    """Return the ``PartialObjectMetadata`` of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": _META, "metadata": obj["metadata"]}


def negotiate(accept: str) -> Shape:
    """Choose the first shape in an ``Accept`` header that this server has; raises 406."""
    for clause in (accept or "*/*").split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in _PLAIN:
            continue
        given = dict(part.split("=", 1) for part in parameters if "=" in part)
        wanted = given.get("as")
        if wanted is None:
            return "object"
        if given.get("g") != "meta.k8s.io" or given.get("v") != "v1":
            continue
        if wanted in {"PartialObjectMetadata", "PartialObjectMetadataList"}:
            return "metadata"
        if wanted == "Table":
            return "table"
    raise not_acceptable()

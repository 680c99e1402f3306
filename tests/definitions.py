"""Our CustomResourceDefinitions: as they are, as they were one version earlier, as they may be one later."""

import copy
from pathlib import Path
from typing import Any

import yaml

__all__ = ["LATER", "definitions", "one_version_earlier", "one_version_later"]

Json = dict[str, Any]

OURS = Path(__file__).parents[1] / "config" / "crd"
EARLIER = Path(__file__).parent / "one_version_earlier"
"""Copies of what config/crd was one version earlier, under the same names."""
LATER = "laterThing"
"""A field that no version has."""


def definitions() -> list[Json]:
    """All that there are."""
    return [_load(path) for path in sorted(OURS.glob("*.yaml"))]


def one_version_earlier() -> list[Json]:
    """All that there are, as they were."""
    return [_load(EARLIER / path.name) for path in sorted(OURS.glob("*.yaml"))]


def one_version_later() -> list[Json]:
    """All that there are, with a column and, in every part of spec and status, an optional field more.

    In a release's spec the server fills it in. In a policy it does not: those are people's, and what they did
    not write no version puts there.
    """
    return [_later(definition) for definition in definitions()]


def _load(path: Path) -> Json:
    found: Json = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _later(definition: Json) -> Json:
    later = copy.deepcopy(definition)
    for version in later["spec"]["versions"]:
        column = {"name": "Later", "type": "string", "jsonPath": f".spec.{LATER}"}
        version.setdefault("additionalPrinterColumns", []).append(column)
        parts = version["schema"]["openAPIV3Schema"]["properties"]
        for part in {"spec", "status"} & parts.keys():
            _add_fields(parts[part])
        if definition["spec"]["names"]["kind"] == "Release":
            parts["spec"]["properties"][LATER]["default"] = "from the server"
    return later


def _add_fields(schema: Any) -> None:
    """Add a field to the schema of an object, and to those of all objects in it."""
    if not isinstance(schema, dict):
        return
    for inner in (
        *schema.get("properties", {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ):
        _add_fields(inner)
    if "properties" in schema:
        schema["properties"][LATER] = {"type": "string"}

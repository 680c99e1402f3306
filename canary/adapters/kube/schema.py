"""Structural OpenAPI schemas of our values' stored form, derived from the types that the codec walks.

What types cannot say (bounds, patterns, CEL rules, descriptions) is laid over them by path: ``spec.steps`` is
a field, ``spec.steps[]`` each item of it.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from typing import Any, get_args, get_origin, get_type_hints

from canary.adapters.kube.wire import field_type, is_time, wire_name

__all__ = ["Json", "Schemas"]

Json = dict[str, Any]
_PRIMITIVES: Mapping[Any, Json] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
}
_LEAVES = (str, bool, int, float)


class Schemas:
    """Makes schemas with the same overlays.

    ``with_defaults``: whether what a type has as a default becomes the server's, which writes it into objects
    that lack it. ``open_enumerations`` may have values that this version does not know.
    """

    def __init__(
        self,
        overlays: Mapping[str, Json],
        *,
        with_defaults: bool = False,
        open_enumerations: frozenset[type] = frozenset(),
    ) -> None:
        self._overlays = overlays
        self._with_defaults = with_defaults
        self._open_enumerations = open_enumerations

    def of(self, kind: Any, path: str) -> Json:
        """Return the schema of a type at ``path``."""
        return self._bare(kind, path) | self._overlays.get(path, {})

    def _bare(self, kind: Any, path: str) -> Json:
        if is_dataclass(kind):
            return self._of_dataclass(kind, path)
        origin, args = get_origin(kind), get_args(kind)
        if origin is frozenset:
            return {"type": "array", "items": self.of(args[0], f"{path}[]"), "x-kubernetes-list-type": "set"}
        if origin is tuple:
            return {"type": "array", "items": self.of(args[0], f"{path}[]")}
        if origin is Mapping:
            return {"type": "object", "additionalProperties": self.of(args[1], f"{path}[]")}
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            closed = {} if kind in self._open_enumerations else {"enum": [item.value for item in kind]}
            return {"type": "string", **closed}
        return dict(_PRIMITIVES[kind])

    def _of_dataclass(self, kind: Any, path: str) -> Json:
        hints = get_type_hints(kind)
        properties: Json = {}
        required: list[str] = []
        for item in fields(kind):
            name = wire_name(item.name)
            inner, optional = field_type(hints[item.name])
            is_moment = is_time(item.name, inner)
            moment = {"type": "string", "format": "date-time"}
            properties[name] = moment if is_moment else self.of(inner, f"{path}.{name}")
            if self._with_defaults and not is_moment:
                properties[name] |= _default(item)
            if not optional and item.default is MISSING and item.default_factory is MISSING:
                required.append(name)
        found: Json = {"type": "object", "properties": properties}
        return found | ({"required": sorted(required)} if required else {})


def _default(item: "Field[Any]") -> Json:
    value = item.default.value if isinstance(item.default, StrEnum) else item.default
    return {"default": value} if isinstance(value, _LEAVES) else {}

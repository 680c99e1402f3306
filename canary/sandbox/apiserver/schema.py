"""Structural schemas of custom resources: pruning, defaults and validation.

``x-kubernetes-validations`` (CEL) is not evaluated; formats other than the integers' are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema
import msgspec

from canary.sandbox.apiserver.errors import Cause
from canary.sandbox.apiserver.objects import Json, clone

Schema = Mapping[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = frozenset({"apiVersion", "kind", "metadata"})
_GO_TYPES = ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"), (list, "array"))


def prune(value: Any, schema: Schema, path: str = "", *, root: bool = True) -> tuple[Any, list[str]]:
    """Return the value without the fields that the schema does not know, and the paths of those fields."""
    if isinstance(value, dict):
        return _prune_map(value, schema, path, root)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        dropped: list[str] = []
        kept = []
        for place, item in enumerate(value):
            pruned, unknown = prune(item, schema["items"], f"{path}[{place}]", root=False)
            kept.append(pruned)
            dropped += unknown
        return kept, dropped
    return value, []


def _prune_map(value: Json, schema: Schema, path: str, root: bool) -> tuple[Json, list[str]]:
    known: Schema = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    keeps = bool(schema.get(_PRESERVE)) or extra is True
    embedded = root or bool(schema.get("x-kubernetes-embedded-resource"))
    kept: Json = {}
    dropped: list[str] = []
    for name, item in value.items():
        here = f"{path}.{name}" if path else name
        if embedded and name in _EMBEDDED:
            kept[name] = item
        elif name in known or isinstance(extra, dict):
            inner = known.get(name, extra)
            kept[name], unknown = prune(item, inner or {}, here, root=False)
            dropped += unknown
        elif keeps:
            kept[name] = item
        else:
            dropped.append(here)
    return kept, dropped


def with_defaults(value: Any, schema: Schema) -> Any:
    """Return the value with the schema's defaults where a field is absent (or null and not nullable)."""
    if isinstance(value, dict):
        filled = dict(value)
        for name, inner in (schema.get("properties") or {}).items():
            absent = name not in filled or (filled[name] is None and not inner.get("nullable"))
            if absent and "default" in inner:
                filled[name] = clone(inner["default"])
            if name in filled:
                filled[name] = with_defaults(filled[name], inner)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            known = schema.get("properties") or {}
            filled.update({n: with_defaults(item, extra) for n, item in filled.items() if n not in known})
        return filled
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [with_defaults(item, schema["items"]) for item in value]
    return value


def violations(obj: Json, schema: Schema) -> list[Cause]:
    """Return everything in which the object breaks the schema, in kube-apiserver's words."""
    checked = {key: value for key, value in obj.items() if key not in _EMBEDDED}
    errors = sorted(_validator(msgspec.json.encode(schema)).iter_errors(checked), key=lambda e: list(e.path))
    return [*(cause for error in errors for cause in _causes(error)), *_duplicates(checked, schema, ())]


def _duplicates(value: Any, schema: Schema, path: tuple[str | int, ...]) -> Iterator[Cause]:
    """Report what stands twice in lists that are sets, or maps by some of their items' fields."""
    if isinstance(value, dict):
        known, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, item in value.items():
            inner = known.get(name, extra)
            if isinstance(inner, dict):
                yield from _duplicates(item, inner, (*path, name))
    if not isinstance(value, list):
        return
    seen: list[Any] = []
    for place, item in enumerate(value):
        yield from _duplicates(item, schema.get("items") or {}, (*path, place))
        identity = _identity(item, schema)
        if identity is not None and identity in seen:
            yield Cause(_path((*path, place)), "FieldValueDuplicate", f"Duplicate value: {_shown(identity)}")
        seen.append(identity)


def _identity(item: Any, schema: Schema) -> Any:
    """What tells an item of a list from the others; None when nothing needs to."""
    match schema.get("x-kubernetes-list-type"):
        case "set":
            return item
        case "map" if isinstance(item, dict):
            return {key: item[key] for key in schema["x-kubernetes-list-map-keys"] if key in item}
        case _:
            return None


@lru_cache(maxsize=64)
def _validator(encoded: bytes) -> Any:
    translated = _translate(msgspec.json.decode(encoded))
    # The root's own fields are the server's business.
    for name in _EMBEDDED:
        translated.get("properties", {}).pop(name, None)
    translated["required"] = [name for name in translated.get("required", []) if name not in _EMBEDDED]
    return jsonschema.Draft202012Validator(translated)


def _translate(schema: Any) -> Any:
    """Turn a structural schema into a JSON schema: int-or-string, nullable, exclusive bounds as booleans."""
    if isinstance(schema, list):
        return [_translate(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        key: {name: _translate(inner) for name, inner in value.items()}
        if key == "properties"
        else value
        if key in {"default", "enum", "example"}
        else _translate(value)
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-") and key not in {"nullable", "description", "format"}
    }
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
        result["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(result.get(exclusive), bool) and result.pop(exclusive) and bound in result:
            result[exclusive] = result.pop(bound)
    if schema.get("nullable"):
        if "type" in result:
            result["type"] = [result["type"], "null"]
        if "enum" in result and None not in result["enum"]:
            result["enum"] = [*result["enum"], None]
    return result


def _causes(error: Any) -> Iterator[Cause]:
    path = _path(error.absolute_path)
    value, bound = error.instance, error.validator_value
    shown = _shown(value)
    match error.validator:
        case "required":
            for name in bound:
                if name not in value:
                    here = f"{path}.{name}" if path else name
                    yield Cause(here, "FieldValueRequired", "Required value")
                    return
        case "enum":
            supported = ", ".join(_shown(item) for item in bound)
            message = f"Unsupported value: {shown}: supported values: {supported}"
            yield Cause(path, "FieldValueNotSupported", message)
        case "type":
            found = next((name for kind, name in _GO_TYPES if isinstance(value, kind)), "object")
            found = "null" if value is None else found
            wanted = bound if isinstance(bound, str) else bound[0]
            message = f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"'
            yield Cause(path, "FieldValueTypeInvalid", message)
        case "maxItems":
            yield Cause(path, "FieldValueTooMany", f"Too many: {len(value)}: must have at most {bound} items")
        case "maxLength":
            message = f"Too long: may not be more than {bound} bytes"
            yield Cause(path, "FieldValueTooLong", message)
        case _:
            message = (
                f"Invalid value: {shown}: {path} in body {_should(error.validator, bound, error.message)}"
            )
            yield Cause(path, "FieldValueInvalid", message)


def _should(validator: str, bound: Any, otherwise: str) -> str:
    words = {
        "minimum": f"should be greater than or equal to {bound}",
        "maximum": f"should be less than or equal to {bound}",
        "exclusiveMinimum": f"should be greater than {bound}",
        "exclusiveMaximum": f"should be less than {bound}",
        "minLength": f"should be at least {bound} chars long",
        "minItems": f"should have at least {bound} items",
        "pattern": f"should match '{bound}'",
        "multipleOf": f"should be a multiple of {bound}",
    }
    return words.get(validator, f"is not valid: {otherwise}")


def _path(parts: Any) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return re.sub(r"^\.", "", text) or "<nil>"


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()

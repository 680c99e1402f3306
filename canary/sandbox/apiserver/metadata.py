"""What every kind shares on a write: a name that is one, labels, annotations and owners that can be used."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from canary.sandbox.apiserver.errors import Cause, bad_request
from canary.sandbox.apiserver.objects import Json

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL_KEY = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
_ANNOTATION_BYTES = 262_144

_DNS_LABELS = frozenset({"namespaces", "services"})

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)


def metadata_problems(resource: str, obj: Json) -> list[Cause]:
    """Check what every kind shares: the name, labels and annotations."""
    metadata = obj["metadata"]
    name = metadata.get("name") or ""
    short = resource in _DNS_LABELS
    causes = []
    pattern, limit = (_LABEL, 63) if short else (_SUBDOMAIN, 253)
    if len(name) > limit or not pattern.match(name):
        rule = _LABEL_RULE if short else _SUBDOMAIN_RULE
        causes.append(Cause("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {rule}'))
    for place, reference in enumerate(metadata.get("ownerReferences") or ()):
        causes += [
            Cause(f"metadata.ownerReferences[{place}].{field}", "FieldValueRequired", "Required value")
            for field in ("apiVersion", "kind", "name", "uid")
            if not reference.get(field)
        ]
    for key, value in (metadata.get("labels") or {}).items():
        if not isinstance(value, str) or not _LABEL_VALUE.match(value):
            message = f'Invalid value: "{value}": a valid label must be an empty string or consist of '
            message += "alphanumeric characters, '-', '_' or '.', and at most 63 of them"
            causes.append(Cause("metadata.labels", "FieldValueInvalid", message))
        causes += _key_problems("metadata.labels", key)
    size = 0
    for key, value in (metadata.get("annotations") or {}).items():
        causes += _key_problems("metadata.annotations", key.lower())
        size += len(key) + len(str(value))
    if size > _ANNOTATION_BYTES:
        message = f"Too long: may not be more than {_ANNOTATION_BYTES} bytes"
        causes.append(Cause("metadata.annotations", "FieldValueTooLong", message))
    return causes


def check_metadata_types(obj: Json) -> None:
    """Refuse metadata of wrong types, as decoding does: 400."""
    metadata = obj["metadata"]
    for field, value in metadata.items():
        if value is None:
            continue
        wanted = next((words for fields, words, fits in _TYPES if field in fields and not fits(value)), None)
        if wanted is not None:
            raise bad_request(f"unable to decode metadata.{field}: it must be {wanted}, found {value!r}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_map(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(item, kind) for item in value)


_TYPES: Sequence[tuple[frozenset[str], str, Callable[[Any], bool]]] = (
    (frozenset({"name", "generateName", "namespace", "resourceVersion", "uid"}), "a string", _is_text),
    (frozenset({"labels", "annotations"}), "a map of strings", _is_map),
    (frozenset({"finalizers"}), "a list of strings", _is_list_of(str)),
    (frozenset({"ownerReferences", "managedFields"}), "a list of objects", _is_list_of(dict)),
)


def _key_problems(field: str, key: str) -> list[Cause]:
    if _LABEL_KEY.match(key):
        return []
    message = (
        f'Invalid value: "{key}": a qualified name is [prefix/]name with at most 63 characters in the name'
    )
    return [Cause(field, "FieldValueInvalid", message)]

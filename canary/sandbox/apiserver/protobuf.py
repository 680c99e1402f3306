"""Just enough of the API's protobuf encoding for ``kubectl create namespace`` and its kind.

kubectl sends typed creates as protobuf and does not fall back. Known are the fields that ``kubectl create``
writes for a few kinds; anything else that is not blank is refused rather than lost.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from canary.sandbox.apiserver.errors import bad_request, unsupported_media_type
from canary.sandbox.apiserver.objects import Json

PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"

# Message -> field number -> (name, type); "map", "bytes map" and "[type]" are repeated.
_Fields = Mapping[int, tuple[str, str]]
_META = (1, ("metadata", "ObjectMeta"))
_MESSAGES: Mapping[str, _Fields] = {
    "Unknown": {
        1: ("type", "TypeMeta"),
        2: ("raw", "bytes"),
        3: ("encoding", "string"),
        4: ("media", "string"),
    },
    "TypeMeta": {1: ("apiVersion", "string"), 2: ("kind", "string")},
    "ObjectMeta": {
        1: ("name", "string"),
        2: ("generateName", "string"),
        3: ("namespace", "string"),
        11: ("labels", "map"),
        12: ("annotations", "map"),
    },
    "Namespace": dict([_META]),
    "ServiceAccount": dict([_META]),
    "ConfigMap": dict([_META, (2, ("data", "map"))]),
    "Secret": dict([_META, (2, ("data", "bytes map")), (3, ("type", "string"))]),
    "Deployment": dict([_META, (2, ("spec", "DeploymentSpec"))]),
    "DeploymentSpec": {
        1: ("replicas", "int"),
        2: ("selector", "LabelSelector"),
        3: ("template", "PodTemplateSpec"),
    },
    "LabelSelector": {1: ("matchLabels", "map")},
    "PodTemplateSpec": dict([_META, (2, ("spec", "PodSpec"))]),
    "PodSpec": {2: ("containers", "[Container]")},
    "Container": {
        1: ("name", "string"),
        2: ("image", "string"),
        3: ("command", "[string]"),
        4: ("args", "[string]"),
        6: ("ports", "[ContainerPort]"),
    },
    "ContainerPort": {1: ("name", "string"), 3: ("containerPort", "int"), 4: ("protocol", "string")},
    # What is asked does not matter: the answer is yes.
    "SelfSubjectAccessReview": dict([_META, (2, ("spec", "ignored"))]),
    "SelfSubjectReview": dict([_META]),
}


def decode(raw: bytes) -> Json:
    """Decode an object; raises 400 for what is no protobuf, 415 for what is beyond this module."""
    if not raw.startswith(_MAGIC):
        raise bad_request("the body is no protobuf of the API: the magic number is missing")
    try:
        envelope = _message("Unknown", raw[len(_MAGIC) :])
        identity: Json = envelope["type"]
        # A kind that is not known has no fields: anything that it says is refused.
        return {**identity, **_message(identity["kind"], envelope.get("raw", b""))}
    except (ValueError, IndexError, KeyError) as exc:
        raise bad_request(f"the body is no protobuf that can be read here: {exc}") from exc


def _message(kind: str, raw: bytes) -> Json:
    fields = _MESSAGES.get(kind, {})
    found: Json = {}
    for number, value in _wire(raw):
        if number in fields:
            _put(found, *fields[number], value)
        elif not _is_blank(value):
            raise unsupported_media_type(("application/json", "application/yaml"))
    return found


def _put(found: Json, name: str, kind: str, value: int | bytes) -> None:
    if kind.startswith("["):
        found.setdefault(name, []).append(_value(kind[1:-1], value))
    elif kind.endswith("map") and isinstance(value, bytes):
        entry = dict(_wire(value))
        text = entry.get(2, b"")
        key, content = bytes(entry[1]).decode(), text if isinstance(text, bytes) else b""
        shown = base64.b64encode(content).decode() if kind == "bytes map" else content.decode()
        found.setdefault(name, {})[key] = shown
    elif kind != "ignored" and (kind in {"int", "bytes"} or not _is_blank(value)):
        found[name] = _value(kind, value)


def _value(kind: str, value: int | bytes) -> Any:
    if isinstance(value, int) or kind == "bytes":
        return value
    return value.decode() if kind == "string" else _message(kind, value)


def _is_blank(value: int | bytes) -> bool:
    """Tell whether nothing is said: zero, empty, or a message of such fields."""
    if not value:
        return True
    if isinstance(value, int):
        return False
    try:
        return all(_is_blank(inner) for _, inner in _wire(value))
    except (ValueError, IndexError):
        return False


def _wire(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message as they stand: number and value."""
    place = 0
    while place < len(raw):
        tag, place = _varint(raw, place)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("a field has the number 0")
        if wire_type == 0:
            value, place = _varint(raw, place)
            yield number, value
            continue
        if wire_type not in {1, 2, 5}:
            raise ValueError(f"wire type {wire_type} is not known")
        size, place = _varint(raw, place) if wire_type == 2 else (8 if wire_type == 1 else 4, place)
        if place + size > len(raw):
            raise ValueError("a field ends after the message")
        yield number, raw[place : place + size]
        place += size


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = raw[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7

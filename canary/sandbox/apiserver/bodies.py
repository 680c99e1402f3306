"""Request bodies and response bodies on the wire: JSON out; JSON, YAML and a little protobuf in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml
from starlette.requests import Request
from starlette.responses import Response

from canary.sandbox.apiserver.errors import ApiError, bad_request, unsupported_media_type
from canary.sandbox.apiserver.protobuf import PROTOBUF, decode

_JSON_TYPES = frozenset({"", "application/json", "*/*"})
_YAML_TYPES = frozenset({"application/yaml", "text/yaml", "application/x-yaml"})


class _PlainLoader(yaml.SafeLoader):
    """YAML without timestamps: times stay the strings that the API means."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def media_type(request: Request) -> str:
    """Return the content type of the body without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_object(request: Request) -> Any:
    """Decode the body of a create, update or delete; None when there is none; raises 400 and 415."""
    raw = await request.body()
    if not raw:
        return None
    kind = media_type(request)
    if kind in _JSON_TYPES:
        return parse_json(raw)
    if kind in _YAML_TYPES:
        return parse_yaml(raw)
    if kind == PROTOBUF:
        return decode(raw)
    raise unsupported_media_type(("application/json", "application/yaml"))


def parse_json(raw: bytes) -> Any:
    """Decode JSON; raises 400."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as exc:
        raise bad_request(f"the body is no valid JSON: {exc}") from exc


def parse_yaml(raw: bytes) -> Any:
    """Decode YAML (of which JSON is a part); raises 400."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        pass
    try:
        return yaml.load(raw, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader that knows fewer tags
    except yaml.YAMLError as exc:
        raise bad_request(f"the body is no valid YAML: {exc}") from exc


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(body), status, dict(headers or {}), media_type="application/json")


def error_response(error: ApiError) -> Response:
    """Answer with a Status."""
    return json_response(error.status(), error.code, error.headers)

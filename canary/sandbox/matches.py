"""Translates the `match` blocks of a VirtualService's HTTP routes into Envoy's, as istiod does. Pure.

The sandbox's proxy is one client of the mesh without labels, in no namespace of its own, with one port:
blocks that name other gateways, source labels or a source namespace never match it; `port` is taken as
matching.
"""

import re
from typing import Any

Json = dict[str, Any]

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_KNOWN = {
    "name", "uri", "scheme", "method", "authority", "headers", "withoutHeaders", "queryParams",
    "ignoreUriCase", "gateways", "sourceLabels", "sourceNamespace", "port", "statPrefix",
}  # fmt: skip


class InvalidRoute(ValueError):
    """A VirtualService that istiod would refuse, or that the sandbox does not reproduce; says where."""


def mapping(value: object, where: str) -> Json:
    """The value as an object; none counts as empty. Raises InvalidRoute."""
    if value is not None and not isinstance(value, dict):
        raise InvalidRoute(f"{where}: {value!r} must be an object")
    return value or {}


def sequence(value: object, where: str) -> list[Any]:
    """The value as a list; none counts as empty. Raises InvalidRoute."""
    if value is not None and not isinstance(value, list):
        raise InvalidRoute(f"{where}: {value!r} must be a list")
    return value or []


def applies_to_mesh(block: Json, where: str) -> bool:
    """Whether a client like the sandbox's can ever meet this match block. Raises InvalidRoute."""
    gateways = sequence(block.get("gateways"), f"{where}.gateways") or ["mesh"]
    return "mesh" in gateways and not block.get("sourceLabels") and not block.get("sourceNamespace")


def route_match(block: Json, where: str) -> Json:
    """Envoy's match for one match block. Raises InvalidRoute, naming the field below `where`."""
    unknown = sorted(block.keys() - _KNOWN)
    if unknown:
        raise InvalidRoute(f"{where}: unknown field {unknown[0]!r}")
    match = _path_match(block.get("uri"), f"{where}.uri")
    if block.get("ignoreUriCase"):
        match["case_sensitive"] = False
    headers = [
        _header(f":{name}", block[name], f"{where}.{name}")
        for name in ("method", "authority", "scheme")
        if name in block
    ]
    for name, wanted in mapping(block.get("headers"), f"{where}.headers").items():
        headers.append(_header(name, wanted, f"{where}.headers[{name}]"))
    for name, wanted in mapping(block.get("withoutHeaders"), f"{where}.withoutHeaders").items():
        unwanted = _header(name, wanted, f"{where}.withoutHeaders[{name}]")
        headers.append({**unwanted, "invert_match": True})
    if headers:
        match["headers"] = headers
    parameters = [
        _parameter(name, wanted, f"{where}.queryParams[{name}]")
        for name, wanted in mapping(block.get("queryParams"), f"{where}.queryParams").items()
    ]
    if parameters:
        match["query_parameters"] = parameters
    return match


def _path_match(wanted: object, where: str) -> Json:
    if wanted is None:
        return {"prefix": "/"}
    match = _string_match(wanted, where)
    if "exact" in match:
        return {"path": match["exact"]}
    return match


def _header(name: str, wanted: object, where: str) -> Json:
    if not _HEADER_NAME.fullmatch(name.removeprefix(":")):
        raise InvalidRoute(f"{where}: {name!r} is not a header name")
    if not wanted:
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": _string_match(wanted, where)}


def _parameter(name: str, wanted: object, where: str) -> Json:
    if not wanted:
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": _string_match(wanted, where)}


def _string_match(wanted: object, where: str) -> Json:
    if not isinstance(wanted, dict) or len(wanted) != 1:
        raise InvalidRoute(f"{where}: {wanted!r} must have exactly one of exact, prefix, regex")
    ((kind, text),) = wanted.items()
    if not isinstance(text, str):
        raise InvalidRoute(f"{where}.{kind}: {text!r} is not a string")
    match kind:
        case "exact":
            return {"exact": text}
        case "prefix" if text:
            return {"prefix": text}
        case "regex" if text:
            return {"safe_regex": {"regex": _checked_regex(text, where)}}
        case _:
            raise InvalidRoute(
                f"{where}: {wanted!r} must have exactly one of exact, prefix, regex, and not empty"
            )


def _checked_regex(text: str, where: str) -> str:
    # Envoy refuses a whole route configuration for one bad pattern, so it must not get that far. RE2, which
    # Envoy uses, knows neither look-around nor back references; the rest is close enough to Python's.
    if re.search(r"\(\?(=|!|<=|<!)|\\[1-9]", text):
        raise InvalidRoute(
            f"{where}.regex: {text!r} has look-around or a back reference, which RE2 does not know"
        )
    try:
        re.compile(text)
    except re.error as exc:
        raise InvalidRoute(f"{where}.regex: {text!r} is not a regular expression: {exc}") from exc
    return text

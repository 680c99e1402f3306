"""Our values as Kubernetes stores them, and back, without loss; and the schema of that form.

One walk over the types of frozen dataclasses gives the encoding, the decoding and the CRD's schema, so
the three cannot disagree. Fields are in camel case, None is left out, sets are sorted lists. A float
whose name says that it is a time (``at``, ``..._at``, ``..._until``, ``..._since``) is RFC 3339 in UTC
with as many digits as it takes to get the same float back. An infinite float, which JSON lacks, is
written as the largest finite one of its sign.
"""

import calendar
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from canary.domain.values import shown

__all__ = [
    "UnreadableField",
    "field_type",
    "format_time",
    "from_wire",
    "is_time",
    "parse_time",
    "to_wire",
    "wire_name",
]

T = TypeVar("T")
Json = dict[str, Any]

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


class UnreadableField(ValueError):
    """A stored value is not what it should be; ``path`` says which, ``str`` says what was found.

    ``wanted`` is what would be right, where that can be said in a word.
    """

    def __init__(self, path: str, problem: str, wanted: str | None = None) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem
        self.wanted = wanted


def wire_name(name: str) -> str:
    """Return a field's name as it is stored: ``phase_since`` is ``phaseSince``."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def is_time(name: str, kind: object) -> bool:
    """Whether the field ``name`` of type ``kind`` is a point in time."""
    words = name.split("_")
    return field_type(kind)[0] is float and words[-1] in {"at", "until", "since"}


def field_type(kind: object) -> tuple[Any, bool]:
    """Split ``X | None`` into X and True; any other type is itself and False."""
    if get_origin(kind) in {Union, UnionType}:
        inner = [arg for arg in get_args(kind) if arg is not NoneType]
        if len(inner) != 1:
            raise TypeError(f"{kind} has no wire form: only X | None does")
        return inner[0], True
    return kind, False


def format_time(seconds: float) -> str:
    """Return Unix seconds as RFC 3339 in UTC, with at least milliseconds."""
    exact = Decimal(repr(seconds))
    whole = exact.to_integral_value(ROUND_FLOOR)
    fraction = f"{exact - whole:f}".partition(".")[2]
    moment = datetime.fromtimestamp(int(whole), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction.ljust(3, '0')}Z"


def parse_time(text: str) -> float:
    """Return RFC 3339 as Unix seconds; ``ValueError`` when it is not."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time such as 2026-01-31T12:00:00Z")
    date, time, fraction, zone = found.groups()
    moment = datetime.fromisoformat(f"{date}T{time}{'+00:00' if zone in 'Zz' else zone}")
    return float(calendar.timegm(moment.utctimetuple()) + Decimal(fraction or "0"))


def to_wire(value: object) -> Any:
    """Return a dataclass (or a part of one) made of what JSON has."""
    if is_dataclass(value) and not isinstance(value, type):
        hints = _hints(type(value))
        return {
            wire_name(item.name): _field_to_wire(item.name, hints[item.name], getattr(value, item.name))
            for item in fields(value)
            if getattr(value, item.name) is not None
        }
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_wire(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(to_wire(item) for item in value)
    if isinstance(value, tuple):
        return [to_wire(item) for item in value]
    if isinstance(value, float):
        return _finite(value)
    return value


def _field_to_wire(name: str, kind: object, value: Any) -> Any:
    return format_time(value) if is_time(name, kind) else to_wire(value)


def _finite(value: float) -> float:
    if math.isnan(value):
        raise AssertionError("NaN must never be saved: a defect in the analysis")
    return math.copysign(sys.float_info.max, value) if math.isinf(value) else value


def from_wire(kind: type[T], data: object, path: str) -> T:
    """Return ``data`` as a ``kind``; ``UnreadableField`` names the first bad field below ``path``.

    Unknown fields are ignored, so that an older controller can read what a newer one wrote.
    """
    return cast("T", _read(kind, data, path))


def _read(kind: Any, data: object, path: str) -> Any:
    if is_dataclass(kind):
        return _read_dataclass(kind, data, path)
    origin, args = get_origin(kind), get_args(kind)
    if origin in {tuple, frozenset}:
        items = _expect(list, data, path)
        return origin(_read(args[0], item, f"{path}[{i}]") for i, item in enumerate(items))
    if origin is Mapping:
        found = _expect(dict, data, path)
        return {key: _read(args[1], item, f"{path}.{key}") for key, item in found.items()}
    if kind is float:
        return _read_float(data, path)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        try:
            return kind(_expect(str, data, path))
        except ValueError as exc:
            known = ", ".join(item.value for item in kind)
            raise UnreadableField(path, f"{shown(data)} is none of {known}", f"one of {known}") from exc
    if kind is int and isinstance(data, bool):
        raise _unlike(_WORDS[int], data, path)
    return _expect(kind, data, path)


def _read_dataclass(kind: Any, data: object, path: str) -> Any:
    found = _expect(dict, data, path)
    hints = _hints(kind)
    values: Json = {}
    for item in fields(kind):
        inner, optional = field_type(hints[item.name])
        where = f"{path}.{wire_name(item.name)}"
        value = found.get(wire_name(item.name))
        if value is not None:
            values[item.name] = (
                _read_time(value, where) if is_time(item.name, inner) else _read(inner, value, where)
            )
        elif optional:
            values[item.name] = None
        elif _is_required(item):
            raise UnreadableField(where, "is missing")
    try:
        return kind(**values)
    except ValueError as exc:
        raise UnreadableField(path, str(exc)) from exc


def _is_required(item: "Field[Any]") -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def _read_time(data: object, path: str) -> float:
    try:
        return parse_time(_expect(str, data, path))
    except ValueError as exc:
        raise exc if isinstance(exc, UnreadableField) else UnreadableField(path, str(exc)) from exc


def _read_float(data: object, path: str) -> float:
    if isinstance(data, bool) or not isinstance(data, (int, float)):
        raise _unlike("a number", data, path)
    value = float(data)
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def _expect(kind: type[T], data: object, path: str) -> T:
    if not isinstance(data, kind):
        raise _unlike(_WORDS[kind], data, path)
    return data


def _unlike(wanted: str, data: object, path: str) -> UnreadableField:
    return UnreadableField(path, f"{shown(data)} is not {wanted}", wanted)


_WORDS: Mapping[type, str] = {
    dict: "a mapping",
    list: "a list",
    str: "a text in quotes",
    int: "a whole number",
    bool: "true or false",
}

"""PromQL as text. Pure.

Promises: whatever a label's value holds, it stays inside its quotes; whatever an alternative of a regular
expression holds, it matches itself and nothing else.
"""

import re
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Final

__all__ = [
    "InvalidName",
    "dns_name",
    "edge_texts",
    "matcher",
    "quoted",
    "range_selector",
    "regex_literal",
    "selector",
]

_DNS_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_DNS_NAME: Final = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_REGEX_META: Final = frozenset(r"\.+*?()|[]{}^$")


class InvalidName(ValueError):
    """A name that must not be put into a query; the message shows it."""


def dns_name(text: str) -> str:
    """Return ``text`` when it is a DNS name in lower case, at most 253 characters; raises ``InvalidName``."""
    if len(text) > 253 or not _DNS_NAME.fullmatch(text):
        raise InvalidName(f"{text[:300]!r} is not a DNS name such as web.shop.svc.cluster.local")
    return text


def quoted(value: str) -> str:
    """A PromQL string literal that means ``value``; raises ``InvalidName`` for what is no Unicode text."""
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InvalidName(f"{value!r} is not Unicode text") from exc
    return '"' + "".join(_escaped(character) for character in value) + '"'


def regex_literal(text: str) -> str:
    """An RE2 expression that matches exactly ``text``."""
    return "".join(f"\\{character}" if character in _REGEX_META else character for character in text)


def matcher(label: str, values: Collection[str]) -> str:
    """``label`` has one of ``values``: an equality for one, anchored literal alternatives for several."""
    if not _LABEL_NAME.fullmatch(label):
        raise InvalidName(f"{label!r} is not a label name")
    if not values:
        raise InvalidName(f"no value to compare {label} with")
    if len(values) == 1:
        return f"{label}={quoted(next(iter(values)))}"
    return f"{label}=~{quoted('|'.join(regex_literal(value) for value in sorted(set(values))))}"


def selector(metric: str, matchers: Iterable[str]) -> str:
    """``metric{matchers}``."""
    if metric and not _METRIC_NAME.fullmatch(metric):
        raise InvalidName(f"{metric!r} is not a metric name")
    return f"{metric}{{{','.join(matchers)}}}"


def range_selector(instant_selector: str, range_seconds: float) -> str:
    """The raw samples of a selector over ``range_seconds``, rounded up to whole milliseconds."""
    milliseconds = -int(-range_seconds * 1000 // 1)
    return f"{instant_selector}[{max(1, milliseconds)}ms]"


def edge_texts(edge: float) -> tuple[str, ...]:
    """The ways in which ``le`` may say ``edge``: 500, 500.0 and 5e+02, as exporters and servers differ."""
    decimal = Decimal(repr(edge)).normalize()
    plain = format(decimal, "f")
    _, digits, _ = decimal.as_tuple()
    mantissa = f"{digits[0]}" + (f".{''.join(map(str, digits[1:]))}" if len(digits) > 1 else "")
    scientific = f"{mantissa}e{decimal.adjusted():+03d}"
    texts = (plain, plain if "." in plain else f"{plain}.0", scientific)
    return tuple(dict.fromkeys(texts))


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character < " " or character == "\x7f":
        return f"\\x{ord(character):02x}"
    return character

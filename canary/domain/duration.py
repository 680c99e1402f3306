"""Durations as Go and Kubernetes write them, such as ``1m30s``; the one parser for all wishes and settings.

Unlike Go's, durations here are never negative. Reading back what ``format_duration`` wrote gives the same
duration, to the nanosecond.
"""

import re
from typing import Final

__all__ = ["format_duration", "parse_duration"]

_NANOSECONDS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART: Final = re.compile(r"(\d{0,20})(?:\.(\d{0,20}))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NUMBER: Final = re.compile(r"\d+(\.\d+)?", re.ASCII)
_LONGEST_TEXT: Final = 100
_LONGEST_NANOSECONDS: Final = 2**63 - 1
"""What Go can hold: about 292 years."""


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``90s``, ``1m30s``, ``1.5h`` or ``500ms``.

    A bare ``0`` needs no unit. Raises ``ValueError`` with what would be right; the message does not repeat
    ``text``, because whoever reports it says what was found and where.
    """
    if text == "0":
        return 0.0
    if text.startswith(("-", "+")):
        raise ValueError('write a duration without a sign, such as "90s"')
    if _NUMBER.fullmatch(text):
        units = [f'"{text[:20]}{unit}"' for unit in ("s", "ms", "m")]
        raise ValueError(f'a duration needs a unit: write {", ".join(units)} or "{text[:20]}h"')
    position, nanoseconds = 0, 0
    while 0 < len(text) <= _LONGEST_TEXT and position < len(text):
        part = _PART.match(text, position)
        if part is None or not (part[1] or part[2]):
            break
        nanoseconds += _nanoseconds(part[1], part[2] or "", _NANOSECONDS[part[3]])
        position = part.end()
    if not text or position < len(text):
        raise ValueError(
            'write a duration such as "90s", "1m30s" or "500ms"; the units are h, m, s, ms, us, ns'
        )
    if nanoseconds > _LONGEST_NANOSECONDS:
        raise ValueError("write a duration of less than 292 years")
    return nanoseconds / 1e9


def _nanoseconds(whole: str, fraction: str, unit: int) -> int:
    # In integers: 0.1 is not a binary fraction, and durations are compared for equality.
    scale: int = 10 ** len(fraction)
    return int(whole or "0") * unit + int(fraction or "0") * unit // scale


def format_duration(seconds: float) -> str:
    """Write seconds as the shortest such text: ``1m30s``, ``1h``, ``500ms``, ``0s``.

    Raises ``ValueError`` for a negative or endless duration.
    """
    if not 0.0 <= seconds < float("inf"):
        raise ValueError(f"a duration is at least zero and ends, unlike {seconds}")
    nanoseconds = round(seconds * 1e9)
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < _NANOSECONDS["s"]:
        unit = next(name for name in ("ms", "us", "ns") if nanoseconds >= _NANOSECONDS[name])
        return _decimal(nanoseconds, unit)
    hours, rest = divmod(nanoseconds, _NANOSECONDS["h"])
    minutes, rest = divmod(rest, _NANOSECONDS["m"])
    return (
        (f"{hours}h" if hours else "")
        + (f"{minutes}m" if minutes else "")
        + (_decimal(rest, "s") if rest else "")
    )


def _decimal(nanoseconds: int, unit: str) -> str:
    whole, rest = divmod(nanoseconds, _NANOSECONDS[unit])
    digits = len(str(_NANOSECONDS[unit])) - 1
    fraction = f"{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{whole}.{fraction}{unit}" if fraction else f"{whole}{unit}"

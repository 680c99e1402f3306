"""Text as users of kubectl know it: aligned columns without boxes, ages as ``5m``, dashes for nothing.

Pure.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

__all__ = ["duration", "last_known", "marked", "moment", "printable", "shortened", "table"]

MINUTE, HOUR, DAY = 60, 3600, 86400


def printable(text: str) -> str:
    """Replace control characters but line ends: what tenants wrote must not steer a reader's terminal."""
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows under a header, each column as wide as its widest cell, three spaces apart."""
    cells = [tuple(header), *(tuple(printable(cell) or "-" for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def marked(allowed: str, *, dry_run: bool) -> str:
    """Return what is allowed, marked where it is on a dry run: exceeding it has no effect."""
    return f"{allowed}, dry run" if dry_run else allowed


def duration(seconds: float) -> str:
    """Write an age or a wait as kubectl does: ``45s``, ``3m20s``, ``25m``, ``5h12m``, ``3d4h``, ``40d``."""
    whole = max(0, math.ceil(seconds - 1e-6))
    if whole < 2 * MINUTE:
        return f"{whole}s"
    if whole < 10 * MINUTE:
        return _two(whole, MINUTE, "m", 1, "s")
    if whole < 2 * HOUR:
        return f"{whole // MINUTE}m"
    if whole < 8 * HOUR:
        return _two(whole, HOUR, "h", MINUTE, "m")
    if whole < 2 * DAY:
        return f"{whole // HOUR}h"
    if whole < 8 * DAY:
        return _two(whole, DAY, "d", HOUR, "h")
    return f"{whole // DAY}d"


def moment(at: float) -> str:
    """Write a time, Unix seconds, to the second and in UTC: ``2026-01-31T12:00:00Z``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def last_known(error: str, seconds_ago: float | None = None) -> str:
    """Say that what is shown is not the present, since when if that is known, and why."""
    ago = "" if seconds_ago is None else f" {duration(seconds_ago)} ago"
    return f"the cluster cannot be asked, this is what was known{ago}: {error}"


def _two(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{large_unit}" + (f"{rest}{small_unit}" if rest else "")


def shortened(text: str, longest: int) -> str:
    """Cut ``text`` to ``longest`` characters, the last of them an ellipsis when something is missing."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"

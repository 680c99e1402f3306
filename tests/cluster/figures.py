"""What was measured, and what was asked for: told at the end of a run; figures are never asserted."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from tests.chart.permissions import Permission, as_table, granted_by, wherever
from tests.chart.rendering import NEEDED, render
from tests.cluster.notes import notes

__all__ = ["FIGURES", "REQUESTS", "asked", "measured", "refused", "report", "resident_mb"]

FIGURES: Final = "figures"
"""The kind of note: a sentence with the figure's place in it, and its values."""
REQUESTS: Final = "requests"
"""The kind of note: permissions, each with whether it was refused, and how often."""


def resident_mb(pid: int) -> int:
    """How much memory a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def asked() -> Counter[Permission]:
    """How often each permission was asked for, in whichever namespace."""
    counts: Counter[Permission] = Counter()
    for fields, _, count in _requests():
        counts[next(iter(wherever([Permission(**fields)])))] += count
    return counts


def refused() -> list[str]:
    """The requests that the server refused for want of permission."""
    return [str(Permission(**fields)) for fields, is_refused, _ in _requests() if is_refused]


def report() -> Iterator[str]:
    """The table of what was granted and how often it was asked for, and the figures."""
    counts, granted = asked(), wherever(granted_by(render(NEEDED)))
    yield "permissions granted, and how often each was asked for:"
    yield from as_table(granted | set(counts), lambda item: f"{item.verb} {counts[item]}").splitlines()
    yield from measured()


def measured() -> Iterator[str]:
    """The figures, a sentence each."""
    told = notes(FIGURES)
    for sentence in sorted({sentence for sentence, _ in told}):
        values = [value for other, values in told if other == sentence for value in values]
        of_several = f" (the median of {len(values)})" if len(values) > 1 else ""
        yield sentence.format(f"{median(values):g}") + of_several


def _requests() -> Iterator[tuple[dict[str, str], bool, int]]:
    for found in notes(REQUESTS):
        yield from found

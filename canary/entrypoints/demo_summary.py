"""The demo's summary: what users saw of each release, counted from the source of traffic's own log."""

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Ending", "ReleaseSummary", "format_summary", "summarise"]

WIDTH = 100


@dataclass(frozen=True, slots=True)
class ReleaseSummary:
    """One release as the users of the demo's application met it."""

    title: str
    expected: str
    ended: str
    why: str
    requests: int
    canary_requests: int
    failed: int
    """Requests that were answered with a server error, or not at all."""
    slow: int
    """Requests that were answered, but slower than the objective's bound."""
    bad_seconds: int | None
    """From the first bad request to the last one; None when there was none."""
    as_expected: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How a release ended, and how it ought to have ended."""

    title: str
    version: str
    expected: str
    ended: str
    why: str
    as_expected: bool


def summarise(
    ending: Ending, records: Iterable[Mapping[str, Any]], since: float, until: float
) -> ReleaseSummary:
    """Count the records of the seconds from ``since`` to ``until`` (Unix seconds)."""
    requests = canary = failed = slow = 0
    bad_seconds: list[int] = []
    for record in records:
        if not int(since) <= record["second"] <= int(until):
            continue
        requests += record["count"]
        if record["version"] == ending.version:
            canary += record["count"]
        is_failed = record["status"] == 0 or record["status"] >= 500
        failed += record["count"] if is_failed else 0
        slow += 0 if is_failed else record["slow"]
        if is_failed or record["slow"]:
            bad_seconds.append(record["second"])
    return ReleaseSummary(
        title=ending.title,
        expected=ending.expected,
        ended=ending.ended,
        why=ending.why,
        requests=requests,
        canary_requests=canary,
        failed=failed,
        slow=slow,
        bad_seconds=max(bad_seconds) - min(bad_seconds) + 1 if bad_seconds else None,
        as_expected=ending.as_expected,
    )


def format_summary(summaries: Iterable[ReleaseSummary]) -> str:
    """Return the summary as a plain table, with one line of explanation for each release."""
    header = ("RELEASE", "ENDED", "EXPECTED", "REQUESTS", "TO CANARY", "FAILED", "SLOW", "BAD FOR")
    summaries = tuple(summaries)
    rows = [header, *(_row(item) for item in summaries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    for item in summaries:
        lines += ["", textwrap.fill(f"{item.title}: {item.why}", WIDTH)]
    return "\n".join(lines)


def _row(item: ReleaseSummary) -> tuple[str, ...]:
    ended = item.ended if item.as_expected else f"{item.ended} (!)"
    bad = "-" if item.bad_seconds is None else f"{item.bad_seconds} s"
    counts = (item.requests, item.canary_requests, item.failed, item.slow)
    return (item.title, ended, item.expected, *(str(count) for count in counts), bad)

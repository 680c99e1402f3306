"""What the source of traffic saw, as JSON lines: one per second, version, pod and status.

    {"second": 1790000000, "version": "v1", "pod": "a", "status": 200, "error": "", "count": 90, "slow": 0,
     "latency_ms_sum": 181.2, "latency_ms_max": 7.9}

`second` is when the requests ended (Unix time). `status` is 0 for a request without an answer; `error` then
says why. A line is final when it is written, so a reader may follow the file.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_Key = tuple[int, str, str, int, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: which version and pod answered ("" when none did), how, and how long it took."""

    version: str
    pod: str
    status: int
    error: str
    latency_ms: float


@dataclass(slots=True)
class _Cell:
    count: int = 0
    slow: int = 0
    latency_ms_sum: float = 0.0
    latency_ms_max: float = 0.0


@dataclass(slots=True)
class Tally:
    """Adds requests up until their second is over."""

    slow_above_ms: float
    _cells: dict[_Key, _Cell] = field(default_factory=dict)

    def add(self, second: int, outcome: Outcome) -> None:
        """Count a request that ended in `second`."""
        key = (second, outcome.version, outcome.pod, outcome.status, outcome.error)
        cell = self._cells.setdefault(key, _Cell())
        cell.count += 1
        cell.slow += outcome.latency_ms > self.slow_above_ms
        cell.latency_ms_sum += outcome.latency_ms
        cell.latency_ms_max = max(cell.latency_ms_max, outcome.latency_ms)

    def take_before(self, second: int) -> list[str]:
        """Remove the seconds before `second`; their lines, in order."""
        keys = sorted(key for key in self._cells if key[0] < second)
        return [_line(key, self._cells.pop(key)) for key in keys]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a log: requests by (version, status), slow requests by version."""

    requests: Counter[tuple[str, int]]
    slow: Counter[str]

    def share(self, version: str) -> float:
        """The share of answered requests that this version answered; 0 when none was answered."""
        answered = sum(count for (name, _), count in self.requests.items() if name)
        return sum(count for (name, _), count in self.requests.items() if name == version) / max(1, answered)


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """The records written so far, oldest first; nothing when there is no file yet."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            # A line without its end is still being written.
            if line.endswith("\n"):
                yield json.loads(line)


def read_totals(path: Path, since_second: int = 0) -> Totals:
    """Sums over the seconds from `since_second` on."""
    requests: Counter[tuple[str, int]] = Counter()
    slow: Counter[str] = Counter()
    for record in read_log(path):
        if record["second"] >= since_second:
            requests[record["version"], record["status"]] += record["count"]
            slow[record["version"]] += record["slow"]
    return Totals(requests, slow)


def _line(key: _Key, cell: _Cell) -> str:
    second, version, pod, status, error = key
    record = {
        "second": second,
        "version": version,
        "pod": pod,
        "status": status,
        "error": error,
        "count": cell.count,
        "slow": cell.slow,
        "latency_ms_sum": round(cell.latency_ms_sum, 3),
        "latency_ms_max": round(cell.latency_ms_max, 3),
    }
    return json.dumps(record) + "\n"

"""Measurements: what was counted in one window, or why nothing was. Never zero by default."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from canary.domain.istio_metrics import SOURCE

__all__ = [
    "NOTHING",
    "ArmCounts",
    "Counts",
    "GaugeReading",
    "Measurement",
    "NoData",
    "NoDataReason",
    "Window",
    "grid_floor",
]


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The half-open stretch (start, end] of the measurement grid, in Unix seconds."""

    start: float
    end: float


def grid_floor(at: float, step_seconds: float) -> float:
    """The latest grid point not after ``at``; the grid is anchored at the Unix epoch."""
    # Quotients of Unix times are exact to about 5e-7: a grid point must not floor to the one before.
    return math.floor(at / step_seconds + 1e-6) * step_seconds


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests, and how many of them were bad."""

    requests: int
    bad: int

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.requests:
            raise ValueError(f"{self.bad} bad of {self.requests} requests cannot be")

    def __add__(self, other: "Counts") -> "Counts":
        # Many a window adds nothing to an arm, and every sum begins with nothing: that makes no new counts.
        if not other.requests:
            return self
        return Counts(self.requests + other.requests, self.bad + other.bad) if self.requests else other

    @property
    def bad_ratio(self) -> float | None:
        """The fraction that was bad; None when there were no requests."""
        return self.bad / self.requests if self.requests else None


NOTHING = Counts(0, 0)


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """The counts of both arms for one objective in one window."""

    canary: Counts = NOTHING
    stable: Counts = NOTHING

    def __add__(self, other: "ArmCounts") -> "ArmCounts":
        return ArmCounts(self.canary + other.canary, self.stable + other.stable)


@dataclass(frozen=True, slots=True)
class GaugeReading:
    """What a gauge said of the canary at the end of a window, by the latest sample of each of its series."""

    canary: float
    stable: float | None
    """What it said of stable; None where it said nothing of late."""
    oldest_at: float
    """When the oldest of the canary's samples was scraped, Unix seconds."""
    newest_at: float
    """The same of the newest."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One window's counts, by objective name.

    ``unattributed`` counts the requests to the service's hosts (all of them), and as bad those that
    failed before they reached any workload: a dead canary is silent, not healthy.
    """

    window: Window
    counts: Mapping[str, ArmCounts]
    unattributed: Counts = NOTHING
    stable_parts: Mapping[str, tuple[Counts, ...]] = field(default_factory=dict)
    """By objective: stable's counts by groups of its pods, by these pods' own account; empty where pods do
    not count."""
    reporter: str = SOURCE
    """Whose count judges: the clients', or the pods' own."""
    beside: Mapping[str, ArmCounts] = field(default_factory=dict)
    """By objective: the same by the other reporter, where there is one."""
    gauges: Mapping[str, GaugeReading] = field(default_factory=dict)
    """By the name of an objective by the threshold rule; without those that had nothing fresh to say."""
    edges: Mapping[str, ArmCounts] = field(default_factory=dict)
    """By name (``edges.name_at``): counts at further edges of a latency objective's histogram, without those
    that it lacks. What is known of stable's pods at these is in ``stable_parts``."""


class NoDataReason(StrEnum):
    """Why a window could not be measured. None of these may ever look like health."""

    UNREACHABLE = "Unreachable"
    TIMEOUT = "Timeout"
    REJECTED = "QueryRejected"
    """The server refused the query: 400 or 422."""
    SERVER_ERROR = "ServerError"
    UNAUTHORIZED = "Unauthorized"
    NOT_PROMETHEUS = "NotPrometheus"
    """An answer that is not the Prometheus API's, such as an HTML page."""
    PARTIAL = "PartialAnswer"
    """The answer came with warnings: some of the data may be missing."""
    ABSENT = "NoSeries"
    """No series of the service was scraped in the window."""
    NOT_A_NUMBER = "NotANumber"
    NOT_A_BUCKET = "BoundIsNoBucketEdge"
    NATIVE_HISTOGRAM = "NativeHistogram"
    """Latency comes as a native histogram only, of which no bucket can be counted."""


@dataclass(frozen=True, slots=True)
class NoData:
    """A look that brought nothing to judge by; it can only hold."""

    reason: NoDataReason
    detail: str
    at: float
    """When the look was taken, Unix seconds."""

    def __str__(self) -> str:
        """Reason and detail in one line."""
        return f"{self.reason.value}: {self.detail}"

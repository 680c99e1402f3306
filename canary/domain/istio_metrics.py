"""Istio's request metrics: their names, and what their labels say about a request.

Pure knowledge of the format, shared by whoever asks for the series and whoever counts them.
"""

from collections.abc import Mapping
from typing import Final

__all__ = [
    "AGENT_START",
    "BUCKETS",
    "DESTINATION",
    "GRPC_SERVER_ERRORS",
    "LIVES",
    "NATIVE",
    "PROCESS_START",
    "REQUESTS",
    "SOURCE",
    "UP",
    "Labels",
    "bucket_edge",
    "is_error",
    "is_hang_up",
    "reached_no_workload",
    "scrape_target",
    "series_key",
]

Labels = Mapping[str, str]

SOURCE: Final = "source"
DESTINATION: Final = "destination"
"""Who reports a request: the proxy of the client or gateway that sent it, or that of the pod that got it."""
REQUESTS: Final = "istio_requests_total"
BUCKETS: Final = "istio_request_duration_milliseconds_bucket"
NATIVE: Final = "istio_request_duration_milliseconds"
"""As a native histogram, which has no series for its buckets."""
UP: Final = "up"
AGENT_START: Final = "istio_agent_process_start_time_seconds"
PROCESS_START: Final = "process_start_time_seconds"
LIVES: Final = (UP, AGENT_START, PROCESS_START)
"""What tells how long a scraped process lives. The agent's start comes before the plain one: with merged
metrics the latter is the application's, which may restart while the proxy goes on counting."""

GRPC_SERVER_ERRORS: Final = frozenset({"2", "4", "12", "13", "14", "15"})
"""UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: the statuses that
OpenTelemetry's conventions call errors of a server. RESOURCE_EXHAUSTED (8) is gRPC's 429, not a 5xx."""

_TARGET_LABELS: Final = ("cluster", "namespace", "pod", "job", "instance")


def is_hang_up(labels: Labels) -> bool:
    """The client went away before there was an answer: not the server's error."""
    return labels.get("response_code") == "0" or "DC" in labels.get("response_flags", "").split(",")


def is_error(labels: Labels) -> bool:
    """HTTP 5xx, or a gRPC status that means a server error (gRPC failures come with HTTP 200)."""
    code = labels.get("response_code", "")
    if len(code) == 3 and code.startswith("5"):
        return True
    return (
        labels.get("request_protocol") == "grpc"
        and labels.get("grpc_response_status", "") in GRPC_SERVER_ERRORS
    )


def reached_no_workload(labels: Labels) -> bool:
    """The request ended before any pod: no endpoints, no connection, no route."""
    return labels.get("destination_workload", "") in ("", "unknown")


def bucket_edge(labels: Labels) -> float | None:
    """The upper edge of a histogram bucket, in the metric's unit; None when ``le`` is no number."""
    try:
        return float(labels["le"])
    except (KeyError, ValueError):
        return None


def scrape_target(labels: Labels) -> str:
    """What was scraped: the same text for all series of one process; empty parts where labels lack."""
    return "\x1f".join(labels.get(name, "") for name in _TARGET_LABELS)


def series_key(labels: Labels) -> str:
    """One text per distinct set of labels."""
    return "\x1f".join(f"{name}\x1e{value}" for name, value in sorted(labels.items()))

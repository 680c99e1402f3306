"""What users saw and what a release was judged by, in the same shape, to be compared to the request."""

import json
import time
import urllib.parse
import urllib.request

from canary.domain.measurement import ArmCounts, Counts
from canary.domain.release import Release
from canary.sandbox.traffic_log import Totals

__all__ = [
    "CANARY",
    "FAULTY_CANARY",
    "FAULTY_STABLE",
    "LENIENT",
    "STABLE",
    "assert_exact",
    "is_scraped",
    "number_of",
]

STABLE, CANARY = "v1", "v2"
FAULTY_STABLE, FAULTY_CANARY = "errors=5% latency=900ms@3%", "errors=10% latency=900ms@5%"
"""How both versions behave, so that there is something to count of everything."""
LENIENT = {"max_error_rate": "40%", "max_latency": "60% < 500ms", "tolerance": "100x"}
"""A plan by which that passes."""
SETTLED_SECONDS = 2.0
"""Longer than the windows: what was scraped this long ago is in no window that begins now."""
METRICS = ("istio_requests_total", "istio_request_duration_milliseconds_count")


def number_of(totals: Totals) -> int:
    """All requests that users have made."""
    return sum(totals.requests.values())


def is_scraped(prometheus_url: str, host: str, requests: int) -> bool:
    """Whether Prometheus has had exactly these requests to a host, in both metrics, for a while."""
    at = time.time() - SETTLED_SECONDS
    return {_scraped(prometheus_url, metric, host, at) for metric in METRICS} == {float(requests)}


def _scraped(prometheus_url: str, metric: str, host: str, at: float) -> float:
    query = f'sum({metric}{{reporter="source",destination_service="{host}"}})'
    arguments = urllib.parse.urlencode({"query": query, "time": f"{at:.3f}"})
    with urllib.request.urlopen(f"{prometheus_url}/api/v1/query?{arguments}", timeout=5) as answer:
        rows = json.load(answer)["data"]["result"]
    return float(rows[0]["value"][1]) if rows else 0.0


def seen_by_users(totals: Totals) -> dict[str, ArmCounts]:
    """What the traffic log says of both versions, shaped as the evidence is."""

    def errors(version: str) -> Counts:
        fine, failed = totals.requests[version, 200], totals.requests[version, 500]
        return Counts(fine + failed, failed)

    def latency(version: str) -> Counts:
        return Counts(errors(version).requests, totals.slow[version])

    return {
        "error-rate": ArmCounts(canary=errors(CANARY), stable=errors(STABLE)),
        "latency": ArmCounts(canary=latency(CANARY), stable=latency(STABLE)),
    }


def assert_exact(release: Release, totals: Totals) -> None:
    """Every request was counted once, for the version that answered it, and none was answered by nobody."""
    expected = seen_by_users(totals)
    assert release.evidence.release_counts == expected
    errors, latency = expected["error-rate"], expected["latency"]
    # The claim is only worth something when there was something to count in every cell.
    assert min(errors.canary.bad, errors.stable.bad, latency.canary.bad, latency.stable.bad) > 0
    assert errors.canary.requests + errors.stable.requests == number_of(totals)

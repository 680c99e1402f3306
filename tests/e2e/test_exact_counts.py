"""What a release was judged by is what its users saw, to the request, although the controller was killed."""

import json
import time
import urllib.parse
import urllib.request

import pytest

from canary.domain.measurement import ArmCounts, Counts
from canary.domain.release import Phase, Release
from canary.domain.verdict import Reason
from canary.sandbox.cluster import Sandbox
from canary.sandbox.showcase import SERVICE, ShowcaseRelease, template_patch
from canary.sandbox.traffic_log import Totals, read_totals
from tests.e2e.stage import DEPLOYMENTS, HOST, STRATEGIC, Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

STABLE, CANARY = "v1", "v2"
SETTLED_SECONDS = 2.0
"""Longer than the windows: what was scraped this long ago is in no window that begins now."""


def scraped(sandbox: Sandbox, metric: str, at: float) -> float:
    """The sum of a counter over all series of the service, as Prometheus knew it at a time."""
    query = f'sum({metric}{{destination_service="{HOST}"}})'
    arguments = urllib.parse.urlencode({"query": query, "time": f"{at:.3f}"})
    with urllib.request.urlopen(f"{sandbox.prometheus_url}/api/v1/query?{arguments}", timeout=5) as answer:
        rows = json.load(answer)["data"]["result"]
    return float(rows[0]["value"][1]) if rows else 0.0


def wait_until_scraped(made: Stage, requests: int) -> None:
    """Wait until Prometheus has had exactly these requests, in both metrics, for a while."""

    def is_settled() -> bool:
        at = time.time() - SETTLED_SECONDS
        metrics = ("istio_requests_total", "istio_request_duration_milliseconds_count")
        return {scraped(made.sandbox, metric, at) for metric in metrics} == {float(requests)}

    made.wait(is_settled, f"Prometheus to have {requests} requests")


def number_of(totals: Totals) -> int:
    return sum(totals.requests.values())


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


def push_both(made: Stage) -> None:
    """Both versions fail and dawdle now and then, within what the plan allows."""
    made.annotate(
        gates="first-step", max_error_rate="40%", max_latency="60% < 500ms", tolerance="100x", drain="1s"
    )
    stable = ShowcaseRelease(STABLE, "", "errors=5% latency=900ms@3%", "", None)
    made.patch(f"{DEPLOYMENTS}/{SERVICE}", template_patch(stable), STRATEGIC)
    made.push(CANARY, "errors=10% latency=900ms@5%")


def test_every_request_of_a_release_is_counted_once_and_for_the_right_workload() -> None:
    with stage(steps="10@3s,50@4s,100@2m") as made:
        push_both(made)
        made.start_controller()
        made.wait(
            lambda: (made.newest().phase, made.newest().reason) == (Phase.PENDING, Reason.GATE_CLOSED),
            "the first gate, both workloads ready",
        )
        # What was before is none of the release's business, and no window may hold any of it.
        made.sandbox.stop_traffic()
        before = number_of(made.totals())
        assert before > 0
        wait_until_scraped(made, before)
        name = made.newest().name
        wish = json.dumps({"spec": {"approvals": ["first-step"]}})
        made.kubectl("patch", "release", name, "--type=merge", "-p", wish)
        made.wait(lambda: made.percent() == 10, "the first step")
        log = made.sandbox.start_traffic(HOST, 150, name="judged")
        made.wait(lambda: made.percent() == 50, "the second step")
        made.kill_controller()
        made.wait(lambda: made.percent() == 100, "the third step")
        reached = number_of(read_totals(log))
        made.wait(lambda: number_of(read_totals(log)) > reached + 200, "traffic at the third step")
        made.sandbox.stop_traffic()
        totals = read_totals(log)
        wait_until_scraped(made, before + number_of(totals))
        complete_at = time.time()

        def is_evaluated() -> bool:
            return made.newest().evidence.evaluated_until > complete_at

        made.wait(is_evaluated, "the windows up to now to be saved")
        baking = made.newest()
        assert baking.phase is Phase.PROGRESSING, baking.message
        assert_exact(baking, totals)
        made.kubectl("patch", "release", name, "--type=merge", "-p", '{"spec":{"promote":true}}')
        promoted = made.wait_until_finished()
        assert promoted.phase is Phase.SUCCEEDED, promoted.message
        assert_exact(promoted, totals)


def assert_exact(release: Release, totals: Totals) -> None:
    expected = seen_by_users(totals)
    assert release.evidence.release_counts == expected
    errors, latency = expected["error-rate"], expected["latency"]
    # The claim is only worth something when there was something to count in every cell.
    assert min(errors.canary.bad, errors.stable.bad, latency.canary.bad, latency.stable.bad) > 0
    assert errors.canary.requests + errors.stable.requests == number_of(totals)

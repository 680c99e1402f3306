"""What a release was judged by is what its users saw, to the request, although the controller was killed."""

import json
import time

import pytest

from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.showcase import SERVICE, ShowcaseRelease, template_patch
from canary.sandbox.traffic_log import read_totals
from tests.e2e.stage import DEPLOYMENTS, HOST, STRATEGIC, Stage, stage
from tests.exact_counts import (
    CANARY,
    FAULTY_CANARY,
    FAULTY_STABLE,
    LENIENT,
    STABLE,
    assert_exact,
    is_scraped,
    number_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def wait_until_scraped(made: Stage, requests: int) -> None:
    def look() -> bool:
        return is_scraped(made.sandbox.prometheus_url, HOST, requests)

    made.wait(look, f"Prometheus to have {requests} requests")


def push_both(made: Stage) -> None:
    """Both versions fail and dawdle now and then, within what the plan allows."""
    made.annotate(gates="first-step", drain="1s", **LENIENT)
    stable = ShowcaseRelease(STABLE, "", FAULTY_STABLE, "", None)
    made.patch(f"{DEPLOYMENTS}/{SERVICE}", template_patch(stable), STRATEGIC)
    made.push(CANARY, FAULTY_CANARY)


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

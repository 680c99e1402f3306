"""Every request is accounted for: what users saw is what was counted, while pods come and go."""

import time

import pytest

from canary.adapters.kube.releases import Wish
from canary.domain.plan import Gate
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.sandbox.showcase import SERVICE
from canary.sandbox.traffic_log import read_totals
from tests.exact_counts import (
    CANARY,
    FAULTY_CANARY,
    FAULTY_STABLE,
    LENIENT,
    STABLE,
    assert_exact,
    is_scraped,
)
from tests.scenarios.shop import Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def rest(shop: Shop) -> None:
    """End the traffic, and wait until all of it is in windows of the past."""
    shop.end_traffic()
    requests = shop.requests()
    shop.until(
        lambda: is_scraped(shop.sandbox.prometheus_url, shop.host, requests),
        f"Prometheus to have {requests} requests",
    )


def delete_a_pod_of_each(shop: Shop) -> dict[str, set[str]]:
    """Delete one of stable's pods and one of the canary's; the names that there were."""
    before = {track: shop.pods(track) for track in ("stable", "canary")}
    for names in before.values():
        shop.transport.request("DELETE", f"{shop.pods_path}/{min(names)}")
    return before


def replace_a_pod_of_each(shop: Shop) -> None:
    """Delete one of stable's pods and one of the canary's, and wait until others serve in their place."""
    before = delete_a_pod_of_each(shop)

    def are_replaced() -> bool:
        return shop.is_ready() and all(len(shop.pods(track) - names) == 1 for track, names in before.items())

    shop.until(are_replaced, "new pods to serve")


def test_every_request_is_counted_once_for_the_right_workload_while_pods_are_replaced(shop: Shop) -> None:
    shop.open("10@3s,50@4s,100@2m", gates="first-step", drain="1s", **LENIENT)
    shop.push(STABLE, f"ready-after=1s {FAULTY_STABLE}", to=SERVICE)
    shop.push(CANARY, f"ready-after=1s {FAULTY_CANARY}")
    shop.wait_for(Phase.PENDING, Reason.GATE_CLOSED)
    shop.until(shop.is_ready, "both workloads")
    # What was before is none of the release's business, and no window may hold any of it.
    rest(shop)
    shop.approve(Gate.FIRST_STEP)
    shop.wait_for_weights(90, 10)
    log = shop.start_traffic()
    replace_a_pod_of_each(shop)
    shop.wait_for_weights(50, 50)
    replace_a_pod_of_each(shop)
    shop.wait_for_weights(0, 100)
    replace_a_pod_of_each(shop)
    shop.wait_for_requests(200)
    rest(shop)
    complete_at = time.time()

    def is_evaluated() -> bool:
        return shop.newest().release.evidence.evaluated_until > complete_at

    shop.until(is_evaluated, "the windows up to now to be saved")
    totals = read_totals(log)
    assert_exact(shop.newest().release, totals)
    shop.ask(Wish(promote=True))
    assert_exact(shop.wait_for(Phase.SUCCEEDED).release, totals)


def test_none_is_lost_while_pods_are_replaced_in_the_middle_of_a_promotion(shop: Shop) -> None:
    shop.open("50@3s", drain="1s")
    shop.push("v2", "ready-after=1s")
    shop.wait_for_stage(Stage.COPYING)
    delete_a_pod_of_each(shop)
    shop.wait_for(Phase.SUCCEEDED)
    rest(shop)
    assert shop.statuses() == {200}


def test_none_is_lost_but_to_the_canarys_errors_while_pods_are_replaced_in_a_rollback(shop: Shop) -> None:
    shop.open("10@3s,50@60s", drain="1s")
    shop.push("v2", "ready-after=1s errors=20%")
    shop.wait_for_weights(90, 10)
    delete_a_pod_of_each(shop)
    shop.wait_for(Phase.ROLLED_BACK)
    rest(shop)
    totals = read_totals(shop.logs[0])
    assert set(totals.requests) <= {("v1", 200), ("v2", 200), ("v2", 500)}
    assert totals.requests["v2", 500] > 0

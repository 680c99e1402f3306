"""Canaries that are slow, or die, or work as canaries only: how they end, and what users see of it."""

import pytest

from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.sandbox.showcase import CANARY, SERVICE
from canary.sandbox.traffic_log import read_totals
from tests.scenarios.shop import ALL_ON_STABLE, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_canary_that_becomes_slow_under_load_is_rolled_back_for_its_latency(shop: Shop) -> None:
    shop.open("10@3s,50@30s")
    version = str(shop.virtual_service()["metadata"]["resourceVersion"])
    shop.push("v2", "latency=700ms slow-above=20/s")
    ended = shop.wait_for(Phase.ROLLED_BACK).release
    assert ended.verdict is not None
    assert ended.verdict.objective == "latency"
    assert shop.weights_since(version) == [(90, 10), (50, 50), ALL_ON_STABLE]
    assert shop.version_of(SERVICE) == "v1"
    assert shop.statuses() == {200}


def test_canary_that_is_several_times_as_slow_within_the_bound_is_rolled_back_by_comparison(
    shop: Shop,
) -> None:
    shop.open("20@150s,100@60s")
    version = str(shop.virtual_service()["metadata"]["resourceVersion"])
    shop.push("v2", "latency=150ms")
    ended = shop.wait_for(Phase.ROLLED_BACK, Reason.WORSE_THAN_STABLE).release
    assert ended.verdict is not None
    assert ended.verdict.objective == "latency"
    assert "took longer than 100 ms, while of stable's" in ended.verdict.sentence
    assert shop.weights_since(version) == [(80, 20), ALL_ON_STABLE]
    assert shop.statuses() == {200}


def test_canary_whose_pods_all_die_is_rolled_back_and_only_requests_sent_to_it_are_lost(shop: Shop) -> None:
    shop.open("20@60s,100@60s")
    shop.push("v2", "crash-after=8s")
    shop.wait_for_weights(80, 20)
    ended = shop.wait_for(Phase.ROLLED_BACK).release
    assert ended.reason in {
        Reason.CANARY_FAILING,
        Reason.CANARY_NOT_READY,
        Reason.UNATTRIBUTED_ERRORS,
        Reason.OBJECTIVE_BREACHED,
        Reason.WORSE_THAN_STABLE,
    }
    assert (shop.weights(), shop.version_of(SERVICE)) == (ALL_ON_STABLE, "v1")
    shop.end_traffic()
    requests = read_totals(shop.logs[0]).requests
    assert {status for version, status in requests if version == "v1"} == {200}
    # A fifth of them was the canary's, and not all of these were lost.
    lost = sum(count for (version, _), count in requests.items() if not version)
    assert lost < 0.2 * requests.total()
    assert requests["v2", 200] > 0
    log = shop.start_traffic()
    shop.wait_for_requests(200)
    assert {status for _, status in read_totals(log).requests} == {200}


def test_stable_that_cannot_run_what_was_judged_gets_its_own_back_unnoticed_by_users(
    shop: Shop,
) -> None:
    """The canary's pods have something that stable's lack; then the fix is pushed."""
    shop.open("50@2s,100@2s", drain="1s")
    shop.patch(shop.deployment_path(SERVICE), {"spec": {"progressDeadlineSeconds": 10}})
    version = str(shop.virtual_service()["metadata"]["resourceVersion"])
    shop.push("v2", f"ready-in={CANARY}")
    shop.wait_for_stage(Stage.COPYING)
    shop.until(lambda: shop.version_of(SERVICE) == "v2", "the template to be copied")
    assert shop.weights() == (0, 100)
    shop.wait_for(Phase.ROLLED_BACK, Reason.PROMOTION_FAILED)
    assert shop.weights_since(version) == [(50, 50), (0, 100), ALL_ON_STABLE]
    assert shop.version_of(SERVICE) == "v1"
    shop.wait_for_event("RolledBack", "does not run the judged template")
    shop.push("v3")
    shop.wait_for(Phase.SUCCEEDED, count=2)
    assert shop.version_of(SERVICE) == "v3"
    assert shop.statuses() == {200}

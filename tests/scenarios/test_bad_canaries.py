"""Canaries that are slow, or die, or never get ready, or work as canaries only: how they end, and what users
see of it.
"""

import pytest

from canary.adapters.kube.releases import Wish
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.sandbox.showcase import CANARY, SERVICE
from canary.sandbox.traffic_log import read_totals
from tests.scenarios.shop import ALL_ON_STABLE, RATE_PER_SECOND, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LOST_SECONDS = 3
"""The longest that routes may lead to a canary whose pods somebody has taken away."""


def test_canary_that_becomes_slow_under_load_is_rolled_back_for_its_latency(shop: Shop) -> None:
    shop.open("10@3s,50@30s")
    version = shop.version
    shop.push("v2", "latency=700ms slow-above=20/s")
    ended = shop.wait_for(Phase.ROLLED_BACK).release
    assert ended.verdict is not None
    assert ended.verdict.objective == "latency"
    assert shop.weights_since(version) == [(90, 10), (50, 50), ALL_ON_STABLE]
    assert shop.version_of(SERVICE) == "v1"
    assert shop.statuses() == {200}


def test_fault_that_starts_late_in_a_release_is_found_before_users_meet_it_everywhere(shop: Shop) -> None:
    """All was well at the first steps; it is no merit that outweighs what comes then."""
    shop.open("10@3s,50@60s,100@2s")
    version = shop.version
    shop.push("v2", "errors=20% late=300")
    ended = shop.wait_for(Phase.ROLLED_BACK).release
    assert ended.verdict is not None
    assert ended.verdict.objective == "error-rate"
    assert shop.weights_since(version) == [(90, 10), (50, 50), ALL_ON_STABLE]
    shop.end_traffic()
    answered = read_totals(shop.logs[0]).requests
    assert answered["v2", 200] > 300, "no pod had answered otherwise before"
    assert 0 < answered["v2", 500] < 200


def test_canary_that_is_several_times_as_slow_within_the_bound_is_rolled_back_by_comparison(
    shop: Shop,
) -> None:
    shop.open("20@150s,100@60s")
    version = shop.version
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
    version = shop.version
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


def test_canary_that_never_gets_ready_gets_no_traffic_and_ends_at_its_deadline(shop: Shop) -> None:
    """The pods of the revision before it are ready all the while, and count for nothing."""
    shop.open("10@2s,50@2s", deadline="15s", drain="1s")
    shop.patch(shop.deployment_path(CANARY), {"spec": {"progressDeadlineSeconds": 5}})
    version = shop.version
    shop.push("v2", "never-ready")
    waiting = shop.wait_for(Phase.PENDING, Reason.CANARY_NOT_READY).release
    ready = f"2 of 2 pods of {CANARY} are ready, but the rollout of revision {waiting.revision}"
    assert waiting.message.startswith(f"{ready} is not complete")
    ended = shop.wait_for(Phase.ROLLED_BACK, Reason.CANARY_NOT_READY).release
    assert ended.message.startswith(f"not ready to begin in time: {ready}")
    assert "ProgressDeadlineExceeded" in ended.message
    shop.wait_for_event("RolledBack", f"not ready to begin in time: {ready}")
    assert shop.weights_since(version) == []
    assert (shop.version_of(SERVICE), shop.deployment(CANARY)["spec"]["replicas"]) == ("v1", 0)
    shop.push("v3")
    shop.wait_for(Phase.SUCCEEDED, count=2)
    assert shop.version_of(SERVICE) == "v3"
    shop.end_traffic()
    requests = read_totals(shop.logs[0]).requests
    assert {status for _, status in requests} == {200}
    assert {answered for answered, _ in requests} == {"v1", "v3"}


def test_canary_that_somebody_scales_to_zero_is_rolled_back_until_a_retry_is_asked_for(shop: Shop) -> None:
    shop.open("20@10s,50@2s", drain="1s")
    shop.patch(shop.deployment_path(CANARY), {"spec": {"replicas": 1}})
    shop.until(lambda: len(shop.pods("canary")) == 1, "the canary to have one pod")
    shop.push("v2")
    shop.wait_for_weights(80, 20)
    shop.wait_for_requests(2 * RATE_PER_SECOND)
    shop.patch(shop.deployment_path(CANARY), {"spec": {"replicas": 0}})
    ended = shop.wait_for(Phase.ROLLED_BACK, Reason.CANARY_NOT_READY).release
    assert ended.message == f"no pod of {CANARY} is ready any more: it is scaled to 0"
    assert (shop.weights(), shop.version_of(SERVICE)) == (ALL_ON_STABLE, "v1")
    shop.wait_for_event("RolledBack", "it is scaled to 0")
    shop.patch(shop.deployment_path(CANARY), {"spec": {"replicas": 1}})
    shop.until(lambda: shop.deployment(CANARY)["status"].get("readyReplicas") == 1, "the canary's pod")
    shop.wait_for_requests(3 * RATE_PER_SECOND)
    assert (shop.count(), shop.weights()) == (1, ALL_ON_STABLE)
    shop.ask(Wish(retry=True))
    again = shop.wait_for(Phase.SUCCEEDED, count=2).release
    assert (again.revision, again.attempt) == (ended.revision, 2)
    shop.end_traffic()
    requests = read_totals(shop.logs[0]).requests
    assert set(requests) <= {("v1", 200), ("v2", 200), ("", 503)}
    # Nobody announced it: what is lost is a fifth, until the controller has looked again.
    assert requests["", 503] < LOST_SECONDS * 0.2 * RATE_PER_SECOND

"""What a release needs is taken away: it says what is missing, and goes on when that is back."""

from typing import Any

import pytest

from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import CANARY, SERVICE
from tests.scenarios.shop import ALL_ON_STABLE, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = "10@3s,50@2s"
SLOW_STEPS = "10@60s,50@60s"


def reach_the_first_step(shop: Shop, steps: str) -> None:
    shop.open(steps, drain="1s")
    shop.push("v2")
    shop.wait_for_weights(90, 10)


def test_opting_out_returns_all_traffic_and_leaves_the_pods(shop: Shop) -> None:
    reach_the_first_step(shop, SLOW_STEPS)
    shop.annotate(enabled=None)
    ended = shop.wait_for(Phase.ROLLED_BACK, Reason.OPTED_OUT).release
    assert "no longer annotated canaryctl.dev/enabled" in ended.message
    assert (shop.weights(), shop.version_of(SERVICE)) == (ALL_ON_STABLE, "v1")
    assert shop.deployment(CANARY)["spec"]["replicas"] == 2
    shop.wait_for_event("RolledBack", "no longer annotated")
    assert shop.statuses() == {200}


def test_deleted_service_returns_all_traffic_and_leaves_the_pods(shop: Shop) -> None:
    reach_the_first_step(shop, SLOW_STEPS)
    shop.delete(shop.service_path)
    ended = shop.wait_for(Phase.ROLLED_BACK, Reason.OPTED_OUT).release
    assert "the service is gone" in ended.message
    assert (shop.weights(), shop.version_of(SERVICE)) == (ALL_ON_STABLE, "v1")
    assert shop.deployment(CANARY)["spec"]["replicas"] == 2
    shop.wait_for_event("RolledBack", "the service is gone")


def test_deleted_virtual_service_ends_the_canarys_pods_and_the_next_attempt_waits_for_it(shop: Shop) -> None:
    reach_the_first_step(shop, STEPS)
    kept = shop.delete(f"{shop.virtual_services_path}/{SERVICE}")
    waiting = shop.wait_for(Phase.PENDING, Reason.ROUTES_INVALID, count=2).release
    assert f"VirtualServices of namespace {shop.namespace}" in waiting.message
    first = shop.releases.list(shop.key)[0].release
    assert (first.phase, first.reason) == (Phase.ROLLED_BACK, Reason.ROUTES_INVALID)
    shop.wait_for_event("RolledBack", "VirtualServices of namespace")
    create(shop.transport, kept)
    shop.wait_for(Phase.SUCCEEDED, count=2)
    assert shop.version_of(SERVICE) == "v2"
    assert shop.statuses() == {200}


def test_missing_subset_returns_all_traffic_and_names_it(shop: Shop) -> None:
    reach_the_first_step(shop, STEPS)
    subsets = shop.get(shop.destination_rule_path)["spec"]["subsets"]
    set_subsets(shop, [item for item in subsets if item["name"] != "canary"])
    shop.wait_for_weights(100, 0)
    shop.wait_for_event("RollingBack", "subset canary")
    assert "which no DestinationRule" in shop.newest().release.message
    set_subsets(shop, subsets)
    shop.wait_for(Phase.SUCCEEDED, count=2)
    first = shop.releases.list(shop.key)[0].release
    assert (first.phase, first.reason) == (Phase.ROLLED_BACK, Reason.ROUTES_INVALID)


def set_subsets(shop: Shop, subsets: list[Any]) -> None:
    shop.patch(shop.destination_rule_path, {"spec": {"subsets": subsets}})


def test_deleted_canary_returns_all_traffic_and_is_tried_again_when_it_is_back(shop: Shop) -> None:
    reach_the_first_step(shop, STEPS)
    kept = shop.delete(shop.deployment_path(CANARY))
    ended = shop.wait_for(Phase.ROLLED_BACK, Reason.CANARY_MISSING).release
    assert ended.message == f"workload {CANARY} does not exist any more"
    assert (shop.weights(), shop.version_of(SERVICE)) == (ALL_ON_STABLE, "v1")
    shop.wait_for_event("CanaryMissing", f"workload {CANARY} does not exist")
    create(shop.transport, kept)
    again = shop.wait_for(Phase.SUCCEEDED, count=2).release
    assert (again.revision, again.attempt) == (ended.revision, 2)


def test_deleted_stable_holds_the_release_until_it_is_back(shop: Shop) -> None:
    reach_the_first_step(shop, STEPS)
    kept = shop.delete(shop.deployment_path(SERVICE))
    held = shop.wait_for(Phase.HELD, Reason.STABLE_MISSING).release
    assert f"workload {SERVICE} does not exist" in held.message
    shop.wait_for_event("Held", f"workload {SERVICE} does not exist")
    assert shop.weights() == (90, 10)
    create(shop.transport, kept)
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.version_of(SERVICE) == "v2"


def test_typo_at_opt_in_is_named_with_its_remedy_and_nothing_begins(shop: Shop) -> None:
    shop.open(STEPS)
    for typo, value, remedy in (
        ("stepz", "10,50", "did you mean canaryctl.dev/steps?"),
        ("canary", "MyApp", "canaryctl.dev/canary"),
        ("on-no-data", "rolback", 'did you mean "rollback"?'),
    ):
        shop.annotate(stepz=None, canary=None)
        shop.annotate(**{typo: value})
        shop.wait_for_event("InvalidPlan", remedy)
    shop.push("v2")
    shop.until(shop.is_ready, "the canary to be rolled out")
    shop.wait_for_requests(300)
    assert (shop.count(), shop.weights()) == (0, ALL_ON_STABLE)
    shop.annotate(on_no_data=None)
    shop.wait_for(Phase.PROGRESSING)
    shop.wait_for_weights(90, 10)

"""The ordinary ways of a release: promoted, rolled back, superseded, and its plan edited on the way."""

import pytest

from canary.adapters.kube.releases import Wish
from canary.domain.plan import Gate
from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.showcase import CANARY, SERVICE
from tests.scenarios.shop import Json, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = "10@2s,50@2s,100@2s"
SLOW_STEPS = "10@30s,50@30s"


def without_weights(virtual_service: Json) -> Json:
    for leg in virtual_service["spec"]["http"][1]["route"]:
        leg.pop("weight", None)
    return virtual_service["spec"]


def test_a_healthy_release_goes_through_its_steps_and_is_promoted(shop: Shop) -> None:
    shop.open(STEPS)
    before = shop.virtual_service()
    shop.push("v2")
    shop.until(lambda: learns_from_stables_pods(shop), "stable's pods to be told apart")
    ended = shop.wait_for(Phase.SUCCEEDED)
    assert ended.release.reason is Reason.PROMOTED
    assert ended.release.evidence.history_until is not None
    weights = shop.weights_since(before["metadata"]["resourceVersion"])
    assert weights == [(90, 10), (50, 50), (0, 100), (100, 0)]
    assert shop.version_of(SERVICE) == "v2"
    assert shop.deployment(CANARY)["spec"]["replicas"] == 0
    assert without_weights(shop.virtual_service()) == without_weights(before)
    shop.wait_for_event("Succeeded", "is stable now")
    assert shop.statuses() == {200}


def learns_from_stables_pods(shop: Shop) -> bool:
    """A block of time is soon whole, and the next one empty: any moment of the release will do."""
    return any(
        part.requests
        for found in shop.releases.list(shop.key)
        for block in found.release.evidence.dispersion.get("error-rate", ())
        for part in block.parts
    )


def test_a_step_that_must_show_that_going_on_is_safe_is_held_until_it_has(shop: Shop) -> None:
    """At 50 % of the requests a canary may cost 5 % of all: a hundred good answers show that it does not."""
    shop.open("10@1s,50@1s", evidence="budget", blast_radius_budget="5%", min_requests="1")
    shop.push("v2")
    held = shop.wait_for(Phase.HELD, Reason.NOT_SHOWN_SAFE).release
    assert "step 1 of 2 (10 %) goes on to 50 % when it is shown" in held.message
    ended = shop.wait_for(Phase.SUCCEEDED).release
    verdict = ended.verdict
    assert verdict is not None
    assert "shown that at 100 % it costs less than 5.0 % of all requests" in verdict.sentence
    assert shop.version_of(SERVICE) == "v2"
    assert shop.statuses() == {200}


def test_a_canary_with_errors_is_rolled_back_and_tried_again_only_when_asked(shop: Shop) -> None:
    shop.open(STEPS)
    version = shop.version
    shop.push("v2", "errors=20%")
    ended = shop.wait_for(Phase.ROLLED_BACK)
    assert ended.release.verdict is not None
    assert ended.release.verdict.objective == "error-rate"
    weights = shop.weights_since(version)
    assert weights[-1] == (100, 0)
    assert max(canary for _, canary in weights) <= 50
    assert shop.version_of(SERVICE) == "v1"
    # A reason for the controller to look again, and time in which it would begin.
    shop.annotate(steps=SLOW_STEPS)
    shop.wait_for_requests(400)
    assert shop.count() == 1, "the same revision must not be tried again by itself"
    shop.ask(Wish(retry=True))
    again = shop.wait_for(Phase.ROLLED_BACK, count=2)
    assert (again.release.revision, again.release.attempt) == (ended.release.revision, 2)


def test_a_new_revision_supersedes_the_release_and_begins_at_its_first_step(shop: Shop) -> None:
    shop.open(SLOW_STEPS)
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    version = shop.version
    shop.push("v3")
    newer = shop.wait_for(Phase.PROGRESSING, count=2)
    older = shop.releases.list(shop.key)[0]
    assert older.release.phase is Phase.SUPERSEDED
    assert newer.release.revision != older.release.revision
    assert newer.release.step == 0
    shop.wait_for_weights(90, 10)
    assert shop.weights_since(version) == [(100, 0), (90, 10)]
    assert shop.version_of(SERVICE) == "v1"


def test_going_back_to_what_stable_runs_ends_the_release_and_promotes_nothing(shop: Shop) -> None:
    shop.open(SLOW_STEPS)
    stable = shop.deployment(SERVICE)["spec"]
    version = shop.version
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    shop.push("v1")
    shop.wait_for(Phase.SUPERSEDED, Reason.MATCHES_STABLE)
    assert shop.weights_since(version) == [(90, 10), (100, 0)]
    assert shop.deployment(SERVICE)["spec"] == stable
    assert shop.count() == 1
    assert shop.statuses() == {200}


def test_an_edit_of_the_steps_waits_for_the_next_release_and_moves_no_weight(shop: Shop) -> None:
    shop.open("10@4s,50@2s")
    version = shop.version
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    shop.annotate(steps="80@2s,100@2s")
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == [(90, 10), (50, 50), (100, 0)]
    version = shop.version
    shop.push("v3")
    shop.wait_for(Phase.SUCCEEDED, count=2)
    assert shop.weights_since(version) == [(20, 80), (0, 100), (100, 0)]


def test_a_plan_that_is_spoiled_on_the_way_is_told_of_and_moves_no_weight(shop: Shop) -> None:
    shop.open("10@4s,50@2s")
    version = shop.version
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    shop.annotate(steps="101")
    shop.wait_for_event("InvalidPlan", "canaryctl.dev/steps")
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == [(90, 10), (50, 50), (100, 0)]


def test_a_plan_that_is_mended_before_the_first_step_is_the_one_that_counts(shop: Shop) -> None:
    shop.open("10@30s", gates="first-step")
    version = shop.version
    shop.push("v2")
    shop.wait_for(Phase.PENDING, Reason.GATE_CLOSED)
    shop.annotate(steps="20@2s")
    shop.wait_for(Phase.PENDING, Reason.GATE_CLOSED, count=2)
    first = shop.releases.list(shop.key)[0].release
    assert (first.phase, first.reason) == (Phase.SUPERSEDED, Reason.PLAN_CHANGED)
    shop.approve(Gate.FIRST_STEP)
    shop.wait_for(Phase.SUCCEEDED, count=2)
    assert shop.weights_since(version) == [(80, 20), (100, 0)]

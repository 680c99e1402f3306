"""People step in, wherever a release is: abort, pause, promote, approve. Traffic stays where it is served."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from canary.adapters.kube.release_codec import Abort
from canary.adapters.kube.releases import Wish
from canary.domain.plan import Gate
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.sandbox.showcase import CANARY, SERVICE
from tests.scenarios.shop import ALL_ON_STABLE, Json, Shop
from tests.scenarios.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SLOW_STEPS = "10@60s,50@60s"
ABORT = Wish(abort=Abort("ada", "wrong ticket"))


def conditions(shop: Shop) -> dict[str, str]:
    name = shop.newest().release.name
    found = shop.get(f"/apis/canaryctl.dev/v1alpha1/namespaces/{shop.namespace}/releases/{name}")
    return {item["type"]: item["status"] for item in found["status"]["conditions"]}


def assert_aborted(shop: Shop, template: Json) -> None:
    """The release says who ended it; stable runs what it ran, has all traffic, and nobody saw a failure."""
    ended = shop.wait_for(Phase.ROLLED_BACK, Reason.ABORTED).release
    assert ended.message.startswith("aborted by ada: wrong ticket")
    assert shop.count() == 1
    assert shop.weights() == ALL_ON_STABLE
    stable = shop.deployment(SERVICE)
    assert stable["spec"]["template"] == template
    assert stable["status"]["readyReplicas"] == 2
    assert shop.deployment(CANARY)["spec"]["replicas"] == 0
    assert conditions(shop) == {"Completed": "True", "Succeeded": "False", "Progressing": "False"}
    assert shop.statuses() == {200}


def reach_pending(shop: Shop) -> None:
    shop.open(SLOW_STEPS, gates="first-step")
    shop.push("v2")
    shop.wait_for(Phase.PENDING, Reason.GATE_CLOSED)


def reach_progressing(shop: Shop) -> None:
    shop.open(SLOW_STEPS)
    shop.push("v2")
    shop.wait_for_weights(90, 10)


def reach_held(shop: Shop) -> None:
    shop.open("50@2s", gates="promotion")
    shop.push("v2")
    shop.wait_for(Phase.HELD, Reason.GATE_CLOSED)
    assert shop.weights() == (50, 50)


@pytest.mark.parametrize("reach", [reach_pending, reach_progressing, reach_held])
def test_abort_before_promotion_returns_all_traffic(shop: Shop, reach: object) -> None:
    assert callable(reach)
    reach(shop)
    template = shop.deployment(SERVICE)["spec"]["template"]
    shop.ask(ABORT)
    assert_aborted(shop, template)


@contextmanager
def reaching(shop: Shop, stage: Stage) -> Iterator[Json]:
    """A promotion that stays in a stage while the context lasts; gives stable's template from before."""
    behaviour = "ready-after=3s" if stage is Stage.COPYING else ""
    shop.open("100@2s", drain="4s" if stage is Stage.DRAINING else "1s")
    template = shop.deployment(SERVICE)["spec"]["template"]
    shop.push("v2", behaviour)
    shop.wait_for_weights(0, 100)
    # Returning lasts as long as the weights cannot be written.
    stays = stage is Stage.RETURNING
    with shop.refusing("PATCH", "virtualservices") if stays else nullcontext():
        shop.until(lambda: shop.version_of(SERVICE) == "v2", "stable to get the judged template")
        shop.wait_for_stage(stage)
        yield template


@pytest.mark.parametrize("stage", [Stage.COPYING, Stage.RETURNING, Stage.DRAINING])
def test_abort_of_a_promotion_gives_stable_its_template_back(shop: Shop, stage: Stage) -> None:
    with reaching(shop, stage) as template:
        shop.ask(ABORT)
    assert_aborted(shop, template)


def test_abort_of_what_rolls_back_already_changes_nothing(shop: Shop) -> None:
    shop.open("10@30s,50@30s", drain="3s")
    shop.push("v2", "errors=50%")
    shop.wait_for(Phase.ROLLING_BACK)
    shop.ask(ABORT)
    ended = shop.wait_for(Phase.ROLLED_BACK).release
    assert ended.reason in {Reason.OBJECTIVE_BREACHED, Reason.WORSE_THAN_STABLE}
    assert (shop.weights(), shop.version_of(SERVICE)) == (ALL_ON_STABLE, "v1")


def test_paused_service_is_left_alone_until_it_goes_on_where_it_was(world: World, shop: Shop) -> None:
    shop.open("10@2s,50@2s")
    version = shop.version
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    shop.annotate(paused="true")
    shop.wait_for_event("Paused", "nothing is done")
    written = len(world.writes_of("a"))
    # Longer than the step, and somebody turns the wheel.
    shop.wait_for_requests(300)
    shop.set_weights(70, 30)
    shop.wait_for_requests(300)
    assert [item for item in world.writes_of("a")[written:] if shop.namespace in item.path] == []
    shop.annotate(paused=None)
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == [(90, 10), (70, 30), (90, 10), (50, 50), (100, 0)]
    assert shop.count() == 1


def test_paused_release_is_ended_all_the_same_when_it_is_aborted(shop: Shop) -> None:
    reach_progressing(shop)
    template = shop.deployment(SERVICE)["spec"]["template"]
    shop.annotate(paused="true")
    shop.wait_for_event("Paused", "nothing is done")
    shop.ask(ABORT)
    assert_aborted(shop, template)


def test_promote_now_skips_what_is_left_of_the_steps(shop: Shop) -> None:
    shop.open(SLOW_STEPS)
    version = shop.version
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    shop.ask(Wish(promote=True))
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == [(90, 10), (100, 0)]
    assert shop.version_of(SERVICE) == "v2"
    assert shop.statuses() == {200}


def test_closed_gates_hold_until_each_is_approved(shop: Shop) -> None:
    shop.open("50@2s", gates="first-step,promotion")
    shop.push("v2")
    waiting = shop.wait_for(Phase.PENDING, Reason.GATE_CLOSED).release
    assert waiting.message == "gate first-step waits for an approval"
    assert shop.weights() == ALL_ON_STABLE
    shop.approve(Gate.FIRST_STEP)
    waiting = shop.wait_for(Phase.HELD, Reason.GATE_CLOSED).release
    assert waiting.message == "gate promotion waits for an approval"
    assert (shop.weights(), shop.version_of(SERVICE)) == ((50, 50), "v1")
    shop.approve(Gate.PROMOTION)
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.version_of(SERVICE) == "v2"

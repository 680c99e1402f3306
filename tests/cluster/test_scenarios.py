"""Whole releases: the controller as its ServiceAccount on a real API server, with real pods and traffic."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from canary.adapters.kube.connection import connect
from canary.adapters.kube.release_codec import Abort
from canary.adapters.kube.releases import Wish
from canary.adapters.kube.transport import Transport
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.entrypoints.demo import CONTROLLER, controller_environment
from canary.sandbox.cluster import Sandbox
from canary.sandbox.control_plane import ControlPlane
from canary.sandbox.processes import Child
from canary.sandbox.showcase import CANARY, SERVICE
from canary.sandbox.traffic_log import read_totals
from tests.cluster.accounts import NAMESPACE, RELEASE, controller_kubeconfig, may
from tests.cluster.shop import Shop

STEPS = "10@3s,50@3s,100@3s"
SLOW_STEPS = "10@30s,50@30s"
V1, V2 = "sandbox.local/myapp:v1", "sandbox.local/myapp:v2"


@dataclass(frozen=True)
class World:
    """The cluster that the scenarios share."""

    sandbox: Sandbox
    admin: Transport
    account: Transport
    controller: Child


@pytest.fixture(scope="module")
def world(plane: ControlPlane) -> Iterator[World]:
    admin = connect(plane.kubeconfig)
    with Sandbox(control_plane=plane.kubeconfig) as sandbox:
        kubeconfig = sandbox.directory / "controller-kubeconfig"
        controller_kubeconfig(plane, admin, kubeconfig)
        environment = controller_environment(sandbox) | {
            "KUBECONFIG": str(kubeconfig),
            "CANARY_LEADERSHIP__NAME": RELEASE,
            "CANARY_LEADERSHIP__NAMESPACE": NAMESPACE,
        }
        controller = sandbox.processes.start("controller", CONTROLLER, environment)
        yield World(sandbox, admin, connect(kubeconfig), controller)


@pytest.fixture
def shop(world: World, request: pytest.FixtureRequest) -> Iterator[Shop]:
    number = request.session.items.index(request.node)
    found = Shop(world.sandbox, world.admin, world.controller, f"shop-{number}")
    yield found
    found.close()


def test_a_healthy_release_goes_through_its_steps_and_is_promoted(shop: Shop) -> None:
    log = shop.open(STEPS)
    before = shop.virtual_service()
    shop.push("v2")
    ended = shop.wait_for(Phase.SUCCEEDED)
    assert ended.release.reason is Reason.PROMOTED
    assert shop.weights_since(before["metadata"]["resourceVersion"]) == [
        (90, 10),
        (50, 50),
        (0, 100),
        (100, 0),
    ]
    assert shop.image(SERVICE) == V2
    shop.until(lambda: shop.deployment(CANARY)["spec"]["replicas"] == 0, "the canary to be scaled down")
    after = shop.virtual_service()
    for item in (before, after):
        for leg in item["spec"]["http"][1]["route"]:
            leg.pop("weight", None)
    assert after["spec"] == before["spec"]
    shop.until(lambda: "Succeeded" in shop.reasons(), "the event")
    shop.sandbox.stop_traffic()
    assert {status for _, status in read_totals(log).requests} == {200}


def test_a_canary_with_errors_is_rolled_back_and_tried_again_only_when_asked(shop: Shop) -> None:
    shop.open(STEPS)
    version = shop.virtual_service()["metadata"]["resourceVersion"]
    shop.push("v2", "errors=20%")
    ended = shop.wait_for(Phase.ROLLED_BACK)
    assert ended.release.verdict is not None
    assert ended.release.verdict.objective == "error-rate"
    assert shop.weights() == (100, 0)
    assert shop.weights_since(version)[-1] == (100, 0)
    assert max(canary for _, canary in shop.weights_since(version)) <= 50
    assert shop.image(SERVICE) == V1
    shop.annotate(steps=SLOW_STEPS)
    time.sleep(3)
    assert len(shop.releases.list(shop.key)) == 1, "the same revision must not be tried again by itself"
    shop.ask(Wish(retry=True))
    again = shop.wait_for(Phase.ROLLED_BACK, count=2)
    assert (again.release.revision, again.release.attempt) == (ended.release.revision, 2)


def test_a_new_revision_supersedes_the_release_and_begins_at_its_first_step(shop: Shop) -> None:
    shop.open(SLOW_STEPS)
    shop.push("v2")
    shop.wait_for(Phase.PROGRESSING)
    shop.until(lambda: shop.weights() == (90, 10), "the first step")
    version = shop.virtual_service()["metadata"]["resourceVersion"]
    shop.push("v3")
    newer = shop.wait_for(Phase.PROGRESSING, count=2)
    older = shop.releases.list(shop.key)[0]
    assert older.release.phase is Phase.SUPERSEDED
    assert newer.release.revision != older.release.revision
    assert newer.release.step == 0
    shop.until(lambda: shop.weights() == (90, 10), "the first step of the new release")
    assert shop.weights_since(version) == [(100, 0), (90, 10)]
    assert shop.image(SERVICE) == V1


def test_an_abort_returns_all_traffic_to_stable(shop: Shop) -> None:
    shop.open(SLOW_STEPS)
    shop.push("v2")
    shop.wait_for(Phase.PROGRESSING)
    shop.until(lambda: shop.weights() == (90, 10), "the first step")
    shop.ask(Wish(abort=Abort("ada", "smoke")))
    ended = shop.wait_for(Phase.ROLLED_BACK)
    assert (ended.release.reason, shop.weights()) == (Reason.ABORTED, (100, 0))
    assert shop.image(SERVICE) == V1


def test_an_abort_of_a_promotion_gives_stable_its_template_back(shop: Shop) -> None:
    log = shop.open("100@3s")
    template = shop.deployment(SERVICE)["spec"]["template"]
    shop.push("v2", "ready-after=3s")

    def copies() -> bool:
        found = shop.releases.list(shop.key)
        return bool(found) and found[-1].release.stage is Stage.COPYING and shop.image(SERVICE) == V2

    shop.until(copies, "stable to get the judged template")
    shop.ask(Wish(abort=Abort("ada")))
    ended = shop.wait_for(Phase.ROLLED_BACK)
    assert ended.release.reason is Reason.ABORTED
    assert shop.deployment(SERVICE)["spec"]["template"] == template
    assert shop.weights() == (100, 0)
    shop.sandbox.stop_traffic()
    assert {status for _, status in read_totals(log).requests} == {200}


def test_opting_out_in_the_middle_of_a_release_returns_all_traffic_to_stable(shop: Shop) -> None:
    shop.open(SLOW_STEPS)
    shop.push("v2")
    shop.wait_for(Phase.PROGRESSING)
    shop.until(lambda: shop.weights() == (90, 10), "the first step")
    shop.annotate(enabled=None)
    ended = shop.wait_for(Phase.ROLLED_BACK)
    assert (ended.release.reason, shop.weights()) == (Reason.OPTED_OUT, (100, 0))


@pytest.mark.parametrize(
    ("verb", "resource", "group", "subresource"),
    [
        ("get", "secrets", "", ""),
        ("list", "secrets", "", ""),
        ("list", "configmaps", "", ""),
        ("create", "pods", "", "exec"),
        ("delete", "pods", "", ""),
        ("create", "deployments", "apps", ""),
        ("delete", "deployments", "apps", ""),
        ("create", "virtualservices", "networking.istio.io", ""),
        ("delete", "virtualservices", "networking.istio.io", ""),
        ("patch", "destinationrules", "networking.istio.io", ""),
        ("patch", "releases", "canaryctl.dev", ""),
        ("create", "leases", "coordination.k8s.io", ""),
        ("impersonate", "users", "", ""),
    ],
)
def test_the_account_may_do_nothing_else(
    world: World, verb: str, resource: str, group: str, subresource: str
) -> None:
    assert may(world.account, "list", "virtualservices", "networking.istio.io")
    assert not may(world.account, verb, resource, group, subresource)

"""What is in others' namespaces: used where they consent, and otherwise neither written nor told of."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from canary.adapters.kube.release_codec import Abort
from canary.adapters.kube.releases import Wish
from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.apiserver.seam import Fault, SeenRequest
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import CANARY, SERVICE
from tests.scenarios.edge import GATEWAY, SHARED_WITH, gateway_path, install_gateway, named
from tests.scenarios.shop import ALL_ON_STABLE, REPLICA, Json, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = "10@2s,50@2s"
SLOW_STEPS = "10@60s,50@2s"


@dataclass(frozen=True)
class Edge:
    """The gateway's owners, beside a shop whose service their VirtualService routes to."""

    shop: Shop
    owners: str

    @property
    def path(self) -> str:
        return gateway_path(self.owners)

    @property
    def refusal(self) -> str:
        return f"{GATEWAY}.{self.owners}, which is not shared with namespace {self.shop.namespace}"

    def share_with(self, namespaces: str) -> None:
        self.shop.patch(self.path, {"metadata": {"annotations": {SHARED_WITH: namespaces}}})

    def weights(self) -> tuple[int, int]:
        """The canary's weight in the mesh and at the gateway."""
        route = self.shop.get(self.path)["spec"]["http"][0]["route"]
        return self.shop.weights()[1], route[1].get("weight", 0)

    def patches(self) -> list[tuple[str, bool]]:
        """The controller's patches of both so far: where, and whether it was a dry run."""
        agent, own = f"canary/{REPLICA}", f"{self.shop.virtual_services_path}/{SERVICE}"
        where = {own: "mesh", self.path: "gateway"}
        return [
            (where[item.path], "dryRun" in item.query)
            for item in tuple(self.shop.seam.requests)
            if item.method == "PATCH" and item.path in where and item.user_agent.startswith(agent)
        ]

    def wait_for_weights(self, mesh: int, gateway: int) -> None:
        self.shop.until(lambda: self.weights() == (mesh, gateway), f"{mesh} % and {gateway} % on the canary")


@pytest.fixture
def edge(shop: Shop) -> Iterator[Edge]:
    owners = f"{shop.namespace}-edge"
    install_gateway(shop.transport, owners, shop.namespace, shared_with="pay")
    try:
        yield Edge(shop, owners)
    finally:
        shop.transport.request("DELETE", f"/api/v1/namespaces/{owners}")


def test_without_consent_nothing_is_written_anywhere_and_an_event_names_the_remedy(edge: Edge) -> None:
    shop = edge.shop
    shop.open(STEPS, virtual_services=named(edge.owners))
    before, mark = shop.get(edge.path), len(edge.patches())
    shop.wait_for_event("RoutesWithheld", edge.refusal)
    shop.push("v2")
    waiting = shop.wait_for(Phase.PENDING, Reason.ROUTES_INVALID).release
    assert f"annotate it {SHARED_WITH}={shop.namespace}" in waiting.message
    shop.wait_for_requests(200)
    assert (shop.get(edge.path), shop.weights(), edge.patches()[mark:]) == (before, ALL_ON_STABLE, [])
    edge.share_with(shop.namespace)
    shop.wait_for(Phase.SUCCEEDED)


def test_both_shift_together_each_step_tried_in_both_before_either_is_changed(edge: Edge) -> None:
    shop = edge.shop
    edge.share_with(f"pay,{shop.namespace}")
    before = shop.get(edge.path)
    shop.open(STEPS, virtual_services=named(edge.owners))
    mark = len(edge.patches())
    shop.push("v2")
    for percent in (10, 50):
        edge.wait_for_weights(percent, percent)
    shop.wait_for(Phase.SUCCEEDED)
    assert edge.weights() == (0, 0)
    step = [("gateway", True), ("mesh", True), ("gateway", False), ("mesh", False)]
    # Back to stable there is no trying: whatever can be returned is returned.
    assert edge.patches()[mark:] == [*step, *step, ("gateway", False), ("mesh", False)]
    assert shop.get(edge.path)["spec"] == before["spec"]


def test_denial_of_one_leaves_both_and_the_release_goes_on_when_it_is_lifted(edge: Edge) -> None:
    shop = edge.shop
    edge.share_with(shop.namespace)
    shop.open(STEPS, virtual_services=named(edge.owners))

    def deny(seen: SeenRequest) -> Fault | None:
        theirs = seen.user_agent.startswith(f"canary/{REPLICA}")
        return Fault(403) if theirs and seen.method == "PATCH" and seen.path == edge.path else None

    shop.seam.before_response = deny
    try:
        shop.push("v2")
        shop.wait_for_event("Refused", edge.owners)
        assert edge.weights() == (0, 0)
    finally:
        shop.seam.before_response = None
    # Somebody has acted: what was put off is looked at anew.
    shop.annotate(tolerance="1.3x")
    shop.wait_for(Phase.SUCCEEDED)


def test_consent_withdrawn_mid_release_holds_it_and_a_rollback_leaves_the_pods_behind_what_is_withheld(
    edge: Edge,
) -> None:
    shop = edge.shop
    edge.share_with(shop.namespace)
    shop.open(SLOW_STEPS, virtual_services=named(edge.owners))
    shop.push("v2")
    edge.wait_for_weights(10, 10)
    edge.share_with("pay")
    held = shop.wait_for(Phase.HELD, Reason.ROUTES_INVALID).release
    assert edge.refusal in held.message
    shop.wait_for_event("RoutesWithheld", edge.refusal)
    before = shop.get(edge.path)
    shop.ask(Wish(abort=Abort("ada", "enough")))
    edge.wait_for_weights(0, 10)
    assert shop.get(edge.path) == before
    assert shop.deployment(CANARY)["spec"]["replicas"] == 2
    edge.share_with(shop.namespace)
    shop.wait_for(Phase.ROLLED_BACK, Reason.ABORTED)
    assert edge.weights() == (0, 0)


POLICY: Json = {
    "apiVersion": "canaryctl.dev/v1alpha1",
    "kind": "ReleasePolicy",
    "metadata": {"name": "standard"},
    "spec": {"steps": [{"weight": 25, "bake": "2s"}]},
}


def test_policy_of_another_namespace_counts_from_the_moment_at_which_its_owners_share_it(
    edge: Edge,
) -> None:
    shop = edge.shop
    create(shop.transport, POLICY | {"metadata": {"name": "standard", "namespace": edge.owners}})
    shop.open(STEPS)
    version = shop.version
    shop.annotate(steps=None, policy=f"{edge.owners}/standard")
    shop.wait_for_event("InvalidPlan", f"not shared with namespace {shop.namespace}")
    shop.push("v2")
    shop.wait_for_requests(300)
    assert (shop.count(), shop.weights_since(version)) == (0, [])
    path = f"/apis/canaryctl.dev/v1alpha1/namespaces/{edge.owners}/releasepolicies/standard"
    shop.patch(path, {"metadata": {"annotations": {SHARED_WITH: shop.namespace}}})
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == [(75, 25), ALL_ON_STABLE]


@pytest.mark.parametrize("name", ["stable", "canary"])
def test_workload_of_another_namespace_is_no_workload_at_all(shop: Shop, name: str) -> None:
    shop.open(STEPS)
    version = shop.version
    shop.annotate(**{name: "kube-system/coredns"})
    shop.wait_for_event("InvalidPlan", f"canaryctl.dev/{name}")
    shop.push("v2")
    shop.wait_for_requests(300)
    assert (shop.count(), shop.weights_since(version)) == (0, [])
    shop.annotate(**{name: None})
    shop.wait_for(Phase.SUCCEEDED)

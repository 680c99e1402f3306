"""A controller among definitions that are not of its version: one earlier, and one later."""

from collections.abc import Iterator

import pytest

from canary.adapters.kube.transport import MERGE_PATCH
from canary.domain.release import Phase
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import SERVICE
from tests.definitions import LATER, one_version_earlier, one_version_later
from tests.grounds import NewGround
from tests.scenarios.shop import Json, Shop
from tests.scenarios.world import World, running_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = "10@3s,100@2s"
EVERY_STEP = [(90, 10), (0, 100), (100, 0)]
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="module")
def world(control_plane: NewGround) -> Iterator[World]:
    with running_world(control_plane, one_version_earlier()) as made:
        made.start_controller()
        yield made


@pytest.fixture(autouse=True)
def _earlier(shop: Shop) -> None:
    """Whatever tests have made of them: each begins with the definitions of one version earlier."""
    for definition in one_version_earlier():
        replace(shop, definition)
    shop.until(lambda: "Later" not in columns(shop), "the earlier columns")


def release_path(shop: Shop) -> str:
    collection = f"/apis/canaryctl.dev/v1alpha1/namespaces/{shop.namespace}/releases"
    return f"{collection}/{shop.newest().release.name}"


def replace(shop: Shop, definition: Json) -> None:
    """Put a definition in the place of the one that is there, as Helm does when it upgrades the chart."""
    path = f"{DEFINITIONS}/{definition['metadata']['name']}"
    version = shop.get(path)["metadata"]["resourceVersion"]
    body = definition | {"metadata": definition["metadata"] | {"resourceVersion": version}}
    shop.transport.request("PUT", path, body=body)


def write_as_a_later_version(shop: Shop) -> None:
    """Put what today's controller does not know into every part of the newest release."""
    path = release_path(shop)
    unknown = {LATER: "by hand"}
    shop.patch(path, {"spec": unknown}, MERGE_PATCH)
    shop.patch(f"{path}/status", {"status": {**unknown, "evidence": unknown}}, MERGE_PATCH)


def columns(shop: Shop) -> list[str]:
    """What `kubectl get releases` shows."""
    path = f"/apis/canaryctl.dev/v1alpha1/namespaces/{shop.namespace}/releases"
    return [item["name"] for item in shop.transport.get(path, dict, accept=TABLE)["columnDefinitions"]]


def test_release_goes_through_among_definitions_of_one_version_earlier(shop: Shop) -> None:
    shop.open(STEPS)
    version = shop.version
    shop.push("v2")
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == EVERY_STEP
    assert (shop.version_of(SERVICE), shop.statuses()) == ("v2", {200})


def put_policy(shop: Shop, **spec: object) -> str:
    """Have the service ask for what a policy says; the policy's path."""
    metadata = {"name": "standard", "namespace": shop.namespace}
    kind = {"apiVersion": "canaryctl.dev/v1alpha1", "kind": "ReleasePolicy"}
    create(shop.transport, {**kind, "metadata": metadata, "spec": spec})
    shop.annotate(steps=None, policy="standard")
    return f"/apis/canaryctl.dev/v1alpha1/namespaces/{shop.namespace}/releasepolicies/standard"


def test_policy_means_the_same_among_definitions_of_one_version_earlier(shop: Shop) -> None:
    shop.open(STEPS)
    version = shop.version
    put_policy(shop, steps=[{"weight": 25, "bake": "2s"}], dryRun=["latency"])
    shop.push("v2")
    ended = shop.wait_for(Phase.SUCCEEDED).release
    assert shop.weights_since(version) == [(75, 25), (100, 0)]
    assert ended.plan.dry_run == {"latency"}


def test_what_only_a_later_version_knows_of_a_policy_is_named_and_nothing_begins_until_it_is_gone(
    shop: Shop,
) -> None:
    """Guessing what it means would be worse: a bound that is not known is a bound that is not kept."""
    for definition in one_version_later():
        replace(shop, definition)
    shop.open(STEPS)
    path = put_policy(shop, steps=[{"weight": 25, "bake": "2s"}], **{LATER: "by hand"})
    shop.wait_for_event("InvalidPlan", LATER)
    shop.push("v2")
    shop.wait_for_requests(300)
    assert (shop.count(), shop.weights()) == (0, (100, 0))
    shop.patch(path, {"spec": {LATER: None}}, MERGE_PATCH)
    shop.wait_for(Phase.SUCCEEDED)


def test_release_goes_through_though_definitions_of_one_version_later_come_on_its_way(shop: Shop) -> None:
    shop.open(STEPS)
    version = shop.version
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    for definition in one_version_later():
        replace(shop, definition)
    shop.until(lambda: "Later" in columns(shop), "the new column")
    write_as_a_later_version(shop)
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == EVERY_STEP
    assert shop.version_of(SERVICE) == "v2"
    # The spec is people's, and stays. Its memory the controller writes as a whole: what it does not know it
    # could not keep right either.
    found = shop.get(release_path(shop))
    assert found["spec"][LATER] == "by hand"
    assert LATER not in found["status"]
    assert LATER not in found["status"]["evidence"]
    # The next one is made among them.
    shop.push("v3")
    shop.wait_for(Phase.SUCCEEDED, count=2)
    assert shop.version_of(SERVICE) == "v3"
    assert shop.get(release_path(shop))["spec"][LATER] == "from the server"

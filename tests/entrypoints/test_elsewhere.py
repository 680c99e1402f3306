"""What canaryctl shows of a VirtualService in another namespace, and what it says of one that is withheld."""

import json
import shlex
from typing import Any

import pytest

from canary.adapters.kube.transport import MERGE_PATCH
from canary.domain.plan import RouteRef
from canary.sandbox.showcase import SERVICE
from tests.entrypoints.conftest import Shop
from tests.entrypoints.examples import CONVICTED, with_routes

Json = dict[str, Any]


class Elsewhere:
    """A gateway's VirtualService in a namespace beside the shop's, at 70/30."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.namespace = f"{shop.namespace}-gw"
        self.collection = f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/virtualservices"
        body: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        shop.transport.request("POST", "/api/v1/namespaces", body=body)
        host = f"{SERVICE}.{shop.namespace}.svc.cluster.local"
        legs = [
            {"destination": {"host": host, "subset": subset}, "weight": weight}
            for subset, weight in (("stable", 70), ("canary", 30))
        ]
        shop.transport.request(
            "POST",
            self.collection,
            body={
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": "gateway"},
                "spec": {"hosts": ["shop.example"], "gateways": ["public"], "http": [{"route": legs}]},
            },
        )
        refs = (RouteRef(SERVICE), RouteRef("gateway", None, self.namespace))
        shop.begin(with_routes(CONVICTED, refs))

    def share(self) -> None:
        body = {"metadata": {"annotations": {"canaryctl.dev/shared-with": self.shop.namespace}}}
        path = f"{self.collection}/gateway"
        self.shop.transport.request("PATCH", path, body=body, content_type=MERGE_PATCH)


@pytest.fixture
def elsewhere(shop: Shop) -> Elsewhere:
    return Elsewhere(shop)


def test_the_way_out_by_hand_names_the_namespace_of_each_virtual_service(elsewhere: Elsewhere) -> None:
    elsewhere.share()
    document = json.loads(elsewhere.shop.run("explain", SERVICE, "-o", "json"))
    commands = [shlex.split(command) for command in document["byHand"]]
    assert [words[3:6] for words in commands] == [
        ["gateway", "-n", elsewhere.namespace],
        [SERVICE, "-n", elsewhere.shop.namespace],
    ]
    assert f"gateway.{elsewhere.namespace} http[0]: stable 70, canary 30" in document["routes"]
    assert document["withheld"] == []


def test_the_commands_are_for_the_very_weights_that_the_routes_have(elsewhere: Elsewhere) -> None:
    elsewhere.share()
    document = json.loads(elsewhere.shop.run("explain", SERVICE, "-o", "json"))
    operations = json.loads(shlex.split(document["byHand"][0])[-1])
    values = [item["value"] for item in operations if item["path"].endswith("/weight")]
    assert values == [70, 100, 30, 0]


def test_what_is_withheld_is_named_beside_the_commands_and_its_weights_are_not(elsewhere: Elsewhere) -> None:
    text = elsewhere.shop.run("explain", SERVICE)
    assert f"# Left as it is, whatever weight it gives the canary: {refusal(elsewhere)}" in text
    assert "stable 70" not in text
    document = json.loads(elsewhere.shop.run("explain", SERVICE, "-o", "json"))
    assert len(document["byHand"]) == 1
    assert document["withheld"] == [refusal(elsewhere)]


def test_nothing_to_do_is_not_said_while_something_is_withheld(elsewhere: Elsewhere) -> None:
    path = f"/apis/networking.istio.io/v1/namespaces/{elsewhere.shop.namespace}/virtualservices/{SERVICE}"
    resting = [
        {"op": "replace", "path": f"/spec/http/1/route/{n}/weight", "value": w} for n, w in ((0, 100), (1, 0))
    ]
    elsewhere.shop.transport.request("PATCH", path, body=resting, content_type="application/json-patch+json")
    text = elsewhere.shop.run("explain", SERVICE)
    assert "nothing to do" not in text
    assert "# Left as it is" in text


def test_status_tells_the_remedy_as_a_problem(elsewhere: Elsewhere) -> None:
    document = json.loads(elsewhere.shop.run("status", SERVICE, "-o", "json"))
    assert document["problems"] == [refusal(elsewhere)]
    elsewhere.share()
    document = json.loads(elsewhere.shop.run("status", SERVICE, "-o", "json"))
    assert document["problems"] == []
    assert document["live"]["actualWeight"] == 30


def refusal(elsewhere: Elsewhere) -> str:
    own = elsewhere.shop.namespace
    return (
        f"the plan's virtual-services: found gateway.{elsewhere.namespace}, which is not "
        f"shared with namespace {own}; have its owners annotate it canaryctl.dev/shared-with={own}"
    )

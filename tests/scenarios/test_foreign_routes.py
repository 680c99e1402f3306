"""VirtualServices full of what is not ours: a release changes its own weights and nothing else."""

import json
from typing import Any

import msgspec
import pytest

from canary.adapters.kube.transport import MERGE_PATCH
from canary.domain.release import Phase
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import SERVICE
from tests.scenarios.shop import Json, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

GATEWAY, NEIGHBOUR = "myapp-gateway", "neighbour"
STABLE: Json = {"host": SERVICE, "subset": "stable"}
CANARY: Json = {"host": SERVICE, "subset": "canary"}
LEGACY: Json = {"host": "legacy.attic.svc.cluster.local", "port": {"number": 8080}}


def weighted(*legs: tuple[Json, int]) -> list[Json]:
    return [{"destination": destination, "weight": weight} for destination, weight in legs]


MESH: Json = {
    "hosts": [SERVICE],
    "exportTo": ["*"],
    "http": [
        {
            "name": "beta-testers",
            "match": [{"headers": {"x-beta": {"exact": "yes"}}}],
            "route": [{"destination": CANARY, "headers": {"response": {"set": {"x-arm": "beta"}}}}],
        },
        {
            "name": "reports",
            "match": [{"uri": {"prefix": "/reports"}}],
            "route": weighted((LEGACY, 40), (STABLE, 60), (CANARY, 0)),
            "fault": {"delay": {"percentage": {"value": 0.1}, "fixedDelay": "1s"}},
        },
        {"name": "moved", "match": [{"uri": {"prefix": "/old"}}], "redirect": {"uri": "/new"}},
        {
            "name": "closed",
            "match": [{"uri": {"prefix": "/closed"}}],
            "directResponse": {"status": 410, "body": {"string": "gone"}},
        },
        {
            "name": "main",
            "route": weighted((STABLE, 100), (CANARY, 0)),
            "retries": {"attempts": 2, "retryOn": "connect-failure,refused-stream", "perTryTimeout": "2s"},
            "timeout": "5s",
            "mirror": LEGACY,
            "mirrorPercentage": {"value": 1.5},
        },
    ],
    "tls": [
        {
            "match": [{"port": 443, "sniHosts": ["myapp.example.com"]}],
            "route": weighted((STABLE, 70), (CANARY, 30)),
        }
    ],
    "tcp": [{"match": [{"port": 9000}], "route": weighted((STABLE, 80), (CANARY, 20))}],
}
AT_THE_GATEWAY: Json = {
    "hosts": ["myapp.example.com"],
    "gateways": ["istio-system/public"],
    "http": [
        {
            "match": [{"uri": {"prefix": "/static"}}],
            "rewrite": {"uri": "/assets"},
            "route": [{"destination": LEGACY}],
        },
        {
            "corsPolicy": {"allowOrigins": [{"exact": "https://example.com"}], "maxAge": "24h"},
            "route": weighted((CANARY, 0), (STABLE, 100)),
        },
    ],
}
OF_THE_NEIGHBOUR: Json = {
    "hosts": ["neighbour"],
    "http": [{"route": weighted(({"host": "neighbour"}, 50), ({"host": "neighbour-canary"}, 50))}],
}


def virtual_service(shop: Shop, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": shop.namespace, "annotations": {"team": "shop", "a": "keep: this"}}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": metadata,
        "spec": spec,
    }


def bytes_of_spec(shop: Shop, name: str) -> bytes:
    """The spec as the server sends it, to the byte."""
    answer = shop.transport.request("GET", f"{shop.virtual_services_path}/{name}")
    return bytes(msgspec.json.decode(answer, type=dict[str, msgspec.Raw])["spec"])


def pairs(spec: Json) -> list[tuple[int, int]]:
    """The weights of stable and canary in every http route that has both, in order."""
    found = []
    for route in (route for route in spec["http"] if "route" in route):
        weights = {leg["destination"].get("subset"): leg.get("weight") for leg in route["route"]}
        if {"stable", "canary"} <= weights.keys():
            found.append((weights["stable"], weights["canary"]))
    return found


def without_pairs(state: Json) -> str:
    """All that people wrote but the weights of those routes; the order of everything counts."""
    spec: Any = json.loads(json.dumps(state["spec"]))
    for route in (route for route in spec["http"] if "route" in route):
        subsets = {leg["destination"].get("subset") for leg in route["route"]}
        for leg in route["route"]:
            if {"stable", "canary"} <= subsets and leg["destination"].get("subset"):
                leg["weight"] = "ours"
    metadata = {name: state["metadata"].get(name) for name in ("name", "uid", "labels", "annotations")}
    return json.dumps([metadata, spec])


def splits_since(shop: Shop, before: Json) -> list[list[tuple[int, int]]]:
    """Each split of a VirtualService's routes; nothing else of it may have been different in any state."""
    name, version = before["metadata"]["name"], before["metadata"]["resourceVersion"]
    states = list(shop.states_since(version, name))
    assert {without_pairs(state) for state in states} <= {without_pairs(before)}
    return [pairs(state["spec"]) for state in states]


def test_only_the_pairs_weights_change_whatever_else_is_there(shop: Shop) -> None:
    shop.open("10@2s,50@2s")
    shop.patch(f"{shop.virtual_services_path}/{SERVICE}", {"spec": MESH}, MERGE_PATCH)
    create(shop.transport, virtual_service(shop, GATEWAY, AT_THE_GATEWAY))
    create(shop.transport, virtual_service(shop, NEIGHBOUR, OF_THE_NEIGHBOUR))
    names = (SERVICE, GATEWAY, NEIGHBOUR)
    before = {name: shop.virtual_service(name) for name in names}
    as_sent = {name: bytes_of_spec(shop, name) for name in names}
    shop.push("v2")
    shop.wait_for(Phase.SUCCEEDED)
    assert splits_since(shop, before[SERVICE]) == [
        [(54, 6), (90, 10)],
        [(30, 30), (50, 50)],
        [(60, 0), (100, 0)],
    ]
    assert splits_since(shop, before[GATEWAY]) == [[(90, 10)], [(50, 50)], [(100, 0)]]
    assert splits_since(shop, before[NEIGHBOUR]) == []
    # The weights are what they were, and so is every byte.
    assert {name: bytes_of_spec(shop, name) for name in names} == as_sent
    assert shop.statuses() == {200}

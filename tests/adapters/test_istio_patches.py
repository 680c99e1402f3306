"""The write: exactly two weights a route, the sum kept, everything else untouched."""

from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.adapters.istio.objects import Home
from canary.adapters.istio.patches import patch_for, patches_for
from canary.adapters.istio.routes import PairRoute
from canary.domain.observation import Routes
from canary.domain.plan import RouteRef
from tests.adapters.istio_objects import HOST, found, leg, split, virtual_service

Json = dict[str, Any]


def pairs(routes: Routes) -> list[PairRoute]:
    return [route for route in routes.routes if isinstance(route, PairRoute)]


def shifted(document: Json, percent: int) -> Json:
    return dict(jsonpatch.apply_patch(document, patch_for(pairs(found(document)), "7", percent)))


def weights(document: Json, route: int = 0) -> list[int | None]:
    return [item.get("weight") for item in document["spec"]["http"][route]["route"]]


def test_nothing_is_written_when_nothing_changes() -> None:
    assert patch_for(pairs(found(virtual_service(split(90, 10)))), "7", 10) == []


def test_the_patch_tests_version_destinations_and_old_weights_before_it_writes() -> None:
    place = "/spec/http/0/route"
    assert patch_for(pairs(found(virtual_service(split(100, None)))), "7", 10) == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
        {"op": "test", "path": f"{place}/0/destination/host", "value": "checkout"},
        {"op": "test", "path": f"{place}/0/destination/subset", "value": "stable"},
        {"op": "test", "path": f"{place}/0/weight", "value": 100},
        {"op": "replace", "path": f"{place}/0/weight", "value": 90},
        {"op": "test", "path": f"{place}/1/destination/host", "value": "checkout"},
        {"op": "test", "path": f"{place}/1/destination/subset", "value": "canary"},
        {"op": "add", "path": f"{place}/1/weight", "value": 10},
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda vs: vs["metadata"].update(resourceVersion="8"),
        lambda vs: vs["spec"]["http"][0]["route"][1].update(weight=11),
        lambda vs: vs["spec"]["http"][0]["route"].reverse(),
        lambda vs: vs["spec"]["http"].insert(0, {"route": [leg("legacy")]}),
    ],
)
def test_a_world_that_changed_in_between_is_not_written_to(change: Any) -> None:
    document = virtual_service(split(90, 10))
    operations = patch_for(pairs(found(document)), "7", 50)
    change(document)
    with pytest.raises(
        (jsonpatch.JsonPatchConflict, jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPointerException)
    ):
        jsonpatch.apply_patch(document, operations)


shares = st.integers(0, 100) | st.none()


@given(shares, shares, st.integers(0, 100), st.integers(0, 100))
def test_the_routes_sum_never_changes_and_only_the_pairs_weights_do(
    stable: int | None, canary: int | None, third: int, percent: int
) -> None:
    other = leg("legacy", weight=third) | {"headers": {"request": {"set": {"x": "1"}}}}
    match = {"name": "m", "match": [{"uri": {"prefix": "/"}}], "retries": {"attempts": 2}, "timeout": "3s"}
    document = virtual_service(
        {**match, "route": [other, *split(stable, canary)]}, unknownField={"keep": [1]}
    )
    after = shifted(document, percent)
    assert sum(item or 0 for item in weights(after)) == sum(item or 0 for item in weights(document))
    if (stable or 0) + (canary or 0) > 0:
        assert after["spec"]["http"][0]["route"][0] == other
        assert all(item is None or item >= 0 for item in weights(after))
    for destination in (*after["spec"]["http"][0]["route"], *document["spec"]["http"][0]["route"]):
        destination.pop("weight", None)
    assert after == document


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, [100, 0]), (1, [99, 1]), (50, [50, 50]), (100, [0, 100])]
)
def test_the_canary_gets_its_percent(percent: int, expected: list[int]) -> None:
    assert weights(shifted(virtual_service(split(70, 30)), percent)) == expected


def test_each_patch_goes_to_the_namespace_of_its_virtual_service() -> None:
    elsewhere = virtual_service(split(50, 50, HOST), name="gateway", namespace="istio-ingress")
    elsewhere["metadata"]["resourceVersion"] = "9"
    only = (RouteRef("checkout"), RouteRef("gateway", None, "istio-ingress"))
    patches = patches_for(found(virtual_service(split(90, 10)), elsewhere, only=only), 10)
    assert set(patches) == {Home("istio-ingress", "gateway")}
    patches = patches_for(found(virtual_service(split(90, 10)), elsewhere, only=only), 0)
    assert {home: operations[0]["value"] for home, operations in patches.items()} == {
        Home("shop", "checkout"): "7",
        Home("istio-ingress", "gateway"): "9",
    }


def test_every_route_of_a_virtual_service_moves_in_one_patch() -> None:
    after = shifted(virtual_service(split(100, 0), [leg("legacy")], split(60, 0)), 50)
    assert (weights(after, 0), weights(after, 1), weights(after, 2)) == ([50, 50], [None], [30, 30])

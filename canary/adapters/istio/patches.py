"""The write: a JSON Patch that changes two weights a route, if and only if all is as it was seen. Pure.

``spec.http`` is atomic for server-side apply, so every other way of writing would take the whole list away
from its owner.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from canary.adapters.istio.objects import Home
from canary.adapters.istio.routes import Leg, PairRoute
from canary.domain.observation import Routes
from canary.domain.weight import split_total

__all__ = ["patch_for", "patches_for"]

Json = dict[str, Any]


def patches_for(routes: Routes, canary_percent: int) -> Mapping[Home, list[Json]]:
    """By VirtualService: the operations that give the canary its percent; those without any are left out."""
    found = [route for route in routes.routes if isinstance(route, PairRoute)]
    if len(found) != len(routes.routes):
        raise AssertionError("routes must be those that a RouteFinder returned")
    by_home: dict[Home, list[PairRoute]] = {}
    for route in found:
        by_home.setdefault(route.home, []).append(route)
    patches = {
        home: patch_for(pairs, routes.versions[pairs[0].virtual_service], canary_percent)
        for home, pairs in by_home.items()
    }
    return {home: operations for home, operations in patches.items() if operations}


def patch_for(routes: Sequence[PairRoute], version: str, canary_percent: int) -> list[Json]:
    """Return the operations for the routes of one VirtualService; none when nothing has to change."""
    changes = [change for route in routes for change in _route_changes(route, canary_percent)]
    if not changes:
        return []
    return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *changes]


def _route_changes(route: PairRoute, canary_percent: int) -> list[Json]:
    wanted = split_total(route.split.total, canary_percent)
    if wanted == route.split:
        return []
    place = f"/spec/http/{route.index}/route"
    return [
        *_leg_changes(f"{place}/{route.stable.position}", route.stable, wanted.stable),
        *_leg_changes(f"{place}/{route.canary.position}", route.canary, wanted.canary),
    ]


def _leg_changes(place: str, leg: Leg, weight: int) -> list[Json]:
    tests = [{"op": "test", "path": f"{place}/destination/host", "value": leg.host}]
    if leg.target.subset:
        tests.append({"op": "test", "path": f"{place}/destination/subset", "value": leg.target.subset})
    if leg.weight is None:
        return [*tests, {"op": "add", "path": f"{place}/weight", "value": weight}]
    return [
        *tests,
        {"op": "test", "path": f"{place}/weight", "value": leg.weight},
        {"op": "replace", "path": f"{place}/weight", "value": weight},
    ]

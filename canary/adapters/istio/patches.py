"""The write: a JSON Patch that changes two weights a route, if and only if all is as it was seen. Pure.

``spec.http`` is atomic for server-side apply, so every other way of writing would take the whole list away
from its owner.
"""

from collections.abc import Sequence
from typing import Any

from canary.adapters.istio.routes import Leg, PairRoute
from canary.domain.weight import split_total

__all__ = ["patch_for"]

Json = dict[str, Any]


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

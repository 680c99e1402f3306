"""Linting for what Istio does to a release unexpectedly: retries, ejections, others' routes. Pure.

Nothing of it is wrong by itself: all of it is doubt, and only about routes that a release shifts. What each
does to users and to a verdict was tried on a real mesh (docs/istio.md).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from canary.adapters.decoding import convert
from canary.adapters.istio.hosts import fqdn
from canary.adapters.istio.objects import Home, VirtualService
from canary.adapters.istio.routes import PairRoute, RouteProblem
from canary.domain.errors import Problem
from canary.entrypoints.manifests import Manifest

__all__ = ["Scope", "another_for_the_host", "ejections", "hidden_errors", "scopes_of"]

Scope = tuple[str, str]
"""A gateway, as ``namespace/name`` or ``mesh``, and a host that is served there."""
MESH: Final = "mesh"
HIDING: Final = frozenset({"5xx", "gateway-error", "retriable-status-codes", "internal"})
"""Conditions of ``retryOn`` under which an application's own error is asked for again."""


class _Retries(msgspec.Struct, rename="camel"):
    attempts: int = 0
    retry_on: str = ""


def hidden_errors(route: PairRoute, item: Manifest) -> Problem | None:
    """Doubt retries that hide the application's errors from its clients, and so from the verdict."""
    try:
        retries = convert(_part(item, "spec", "http", route.index, "retries"), _Retries)
    except msgspec.ValidationError:
        return None
    asked = [condition.strip() for condition in retries.retry_on.split(",")]
    hiding = [condition for condition in asked if condition in HIDING or _is_server_error(condition)]
    if retries.attempts < 1 or not hiding:
        return None
    return RouteProblem(
        f"{route.virtual_service} http[{route.index}].retries",
        f"attempts {retries.attempts} on {', '.join(hiding)}",
        "a release is judged by what clients get, so a canary that fails some attempts passes: leave its own "
        "errors to be seen, or watch the count of attempts that canaryctl explain shows beside",
        route.home,
        route.index,
    )


def ejections(rule: Manifest, canary: Manifest) -> Problem | None:
    """Doubt outlier detection over a canary that is said to have one pod only."""
    if _part(canary, "spec", "replicas") != 1:
        return None
    policies = [("trafficPolicy", _part(rule, "spec", "trafficPolicy"))]
    subsets = _part(rule, "spec", "subsets")
    for index, subset in enumerate(subsets if isinstance(subsets, list) else ()):
        policies.append((f"subsets[{index}].trafficPolicy", _in(subset, "trafficPolicy")))
    where = next((place for place, policy in policies if _in(policy, "outlierDetection")), None)
    if where is None:
        return None
    return Problem(
        f"spec.{where}.outlierDetection",
        f"ejection of pods, and Deployment {canary.name} with one",
        "once that pod is ejected, Envoy answers its share with 503 in the canary's place: run two pods or "
        "more, or leave the canary's subset without outlier detection",
    )


def scopes_of(item: VirtualService, cluster_domain: str) -> frozenset[Scope]:
    """Return where a VirtualService serves which hosts; nowhere where it is a delegate, without hosts."""
    namespace = item.metadata.namespace
    gateways = [
        name if name == MESH or "/" in name else f"{namespace}/{name}"
        for name in item.spec.gateways or (MESH,)
    ]
    hosts = [fqdn(host, namespace, cluster_domain) for host in item.spec.hosts or ()]
    return frozenset((gateway, host) for gateway in gateways for host in hosts)


def another_for_the_host(
    home: Home,
    scopes: Iterable[Scope],
    by_scope: Mapping[Scope, Iterable[Home]],
    shifted: frozenset[Home],
    manifest_of: Mapping[Home, tuple[Manifest, VirtualService]],
) -> Iterator[Problem]:
    """Doubt other VirtualServices that serve a host of ``home`` in the same place, and may win over it.

    At a gateway only those of which a route takes every request: routes of several are joined there, and
    teams share hosts by paths. What ``shifted`` has gets the same weights.
    """
    told: set[Home] = set()
    for gateway, host in sorted(scopes):
        for other in by_scope.get((gateway, host), ()):
            item = manifest_of[other][0]
            if other in shifted or other in told or not _is_visible(item, home.namespace):
                continue
            if gateway != MESH and not _takes_everything(item):
                continue
            told.add(other)
            yield RouteProblem(
                f"VirtualService {home.name}",
                f"a second one, {other.name}.{other.namespace}, for host {host} "
                + ("in the mesh" if gateway == MESH else f"at gateway {gateway}"),
                _REMEDY_IN_THE_MESH if gateway == MESH else _REMEDY_AT_A_GATEWAY,
                home,
            )


_REMEDY_IN_THE_MESH: Final = (
    "Istio takes one of the two, as a rule the older, and the other's weights have no effect: put all routes "
    "of the host into one"
)
_REMEDY_AT_A_GATEWAY: Final = (
    "Istio joins their routes, the older's first, and a route without a match takes all requests before any "
    "weight is asked: put the routes of the host into one, or give that route a match"
)


def _is_visible(item: Manifest, namespace: str) -> bool:
    exported = _part(item, "spec", "exportTo")
    if not isinstance(exported, list) or not exported or item.namespace == namespace:
        return True
    return "*" in exported or namespace in exported


def _takes_everything(item: Manifest) -> bool:
    routes = _part(item, "spec", "http")
    return isinstance(routes, list) and any(
        isinstance(each, dict) and not each.get("match") for each in routes
    )


def _is_server_error(condition: str) -> bool:
    return len(condition) == len("503") and condition.isdigit() and condition.startswith("5")


def _part(item: Manifest, *path: str | int) -> Any:
    value: Any = item.value
    for step in path:
        value = _in(value, step)
    return value


def _in(value: object, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None

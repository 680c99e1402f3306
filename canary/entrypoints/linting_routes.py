"""Linting what is around a service: its two workloads, and the routes to both, as far as files show them.

By the controller's own eyes for routes. The cluster may hold more than the files do, so all of it is doubt.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from canary.adapters.decoding import convert
from canary.adapters.istio.destination_rules import Neighbourhood, Pair, neighbourhood_of
from canary.adapters.istio.hosts import service_host
from canary.adapters.istio.objects import Deployment, DestinationRule, Home, Service, VirtualService
from canary.adapters.istio.routes import RouteFinder
from canary.adapters.istio.shared import not_shared
from canary.domain.consent import shared_with
from canary.domain.errors import Problem
from canary.domain.plan import Plan, ServiceKey
from canary.entrypoints.linting_nearby import Nearby, nearby_of
from canary.entrypoints.manifests import ISTIO, Manifest

__all__ = ["Surroundings", "surroundings_of", "surroundings_problems"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Place:
    """What the files have in one namespace."""

    workloads: Mapping[str, Mapping[str, str]]
    """By name of the Deployment: the labels of its pods."""
    neighbourhood: Neighbourhood
    nearby: Nearby


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around services, understood once for all of them."""

    cluster_domain: str
    places: Mapping[str, _Place]
    """By namespace."""
    virtual_services: Mapping[Home, tuple[Manifest, VirtualService]]

    def manifest_of(self, home: Home) -> Manifest:
        """The object that a route was found in."""
        return self.virtual_services[home][0]


def surroundings_of(manifests: Iterable[Manifest], cluster_domain: str) -> Surroundings:
    """Understand what stands around services; of two objects of one name the later counts."""
    by_namespace: dict[str, dict[tuple[str, str, str], Manifest]] = {}
    for item in manifests:
        own = by_namespace.setdefault(item.namespace, {})
        own[item.group, item.kind, item.name] = item
    virtual_services = {
        found.home: (item, found)
        for own in by_namespace.values()
        for item, found in _all(own.values(), ISTIO, VirtualService)
    }
    places = {
        namespace: _place(namespace, tuple(own.values()), cluster_domain)
        for namespace, own in by_namespace.items()
    }
    return Surroundings(cluster_domain, places, virtual_services)


def _place(namespace: str, own: Sequence[Manifest], cluster_domain: str) -> _Place:
    services = [found for _, found in _all(own, "", Service)]
    rules = [found for _, found in _all(own, ISTIO, DestinationRule)]
    workloads = {
        found.metadata.name: found.spec.template.metadata.labels for _, found in _all(own, "apps", Deployment)
    }
    virtual_services = [found for _, found in _all(own, ISTIO, VirtualService)]
    neighbourhood = neighbourhood_of(namespace, services, rules, cluster_domain)
    return _Place(workloads, neighbourhood, nearby_of(virtual_services, neighbourhood, cluster_domain))


def surroundings_problems(surroundings: Surroundings, key: ServiceKey, plan: Plan) -> tuple[Problem, ...]:
    """Return what would keep the service's traffic from being shifted, were the files all that there is.

    Without any Deployment in its namespace nothing is said, and without both workloads and a VirtualService
    nothing of routes.
    """
    place = surroundings.places[key.namespace]
    if missing := tuple(_missing_workloads(place.workloads, plan)) if place.workloads else ():
        return missing
    if not place.workloads or not place.nearby.all:
        return ()
    homes = (Home(ref.namespace, ref.virtual_service) for ref in plan.virtual_services if ref.namespace)
    known = surroundings.virtual_services
    elsewhere = [known[home][1] for home in dict.fromkeys(homes) if home in known]
    shared = [item for item in elsewhere if shared_with(item.metadata.annotations, key.namespace)]
    pair = _pair(key, plan, place.workloads, surroundings.cluster_domain)
    finder = RouteFinder(
        key.namespace,
        pair,
        place.neighbourhood,
        plan.virtual_services,
        surroundings.cluster_domain,
    )
    withheld = tuple(not_shared(item.home, key.namespace) for item in elsewhere if item not in shared)
    # A plan that names some is told which there are.
    own = place.nearby.all if plan.virtual_services else place.nearby.around(pair)
    return finder.find([*own, *shared], withheld).problems


def _pair(
    key: ServiceKey, plan: Plan, workloads: Mapping[str, Mapping[str, str]], cluster_domain: str
) -> Pair:
    return Pair(
        stable=plan.stable,
        canary=plan.canary,
        service_host=service_host(key.name, key.namespace, cluster_domain),
        stable_host=service_host(plan.stable, key.namespace, cluster_domain),
        canary_host=service_host(plan.canary, key.namespace, cluster_domain),
        stable_labels=workloads[plan.stable],
        canary_labels=workloads[plan.canary],
    )


def _missing_workloads(workloads: Mapping[str, Any], plan: Plan) -> Iterator[Problem]:
    known = ", ".join(sorted(workloads))
    for name, role in ((plan.stable, "stable"), (plan.canary, "canary")):
        if name not in workloads:
            remedy = (
                f"the files have the Deployments {known}: add it, or name another in canaryctl.dev/{role}"
            )
            yield Problem(f"the {role} workload", f"no Deployment {name}", remedy)


def _all(manifests: Iterable[Manifest], group: str, kind: type[T]) -> list[tuple[Manifest, T]]:
    """Return the well-formed objects of a kind; kubectl tells of the others."""
    read = ((item, _read(item, kind)) for item in manifests if item.is_a(group, kind.__name__))
    return [(item, found) for item, found in read if found is not None]


def _read(item: Manifest, kind: type[T]) -> T | None:
    metadata = item.metadata | {"namespace": item.namespace}
    try:
        return convert(item.value | {"metadata": metadata}, kind)
    except msgspec.ValidationError:
        return None

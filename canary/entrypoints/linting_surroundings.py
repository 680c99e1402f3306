"""What the linted files have around services, understood once for all of them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from canary.adapters.decoding import convert
from canary.adapters.istio.destination_rules import Labels, Neighbourhood, neighbourhood_of
from canary.adapters.istio.hosts import fqdn, service_host
from canary.adapters.istio.objects import Deployment, DestinationRule, Home, Service, VirtualService
from canary.entrypoints.linting_nearby import Nearby, nearby_of
from canary.entrypoints.linting_standings import Standings, standings_of
from canary.entrypoints.manifests import ISTIO, Manifest

__all__ = ["Place", "Surroundings", "Workload", "surroundings_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment, and the labels of its pods; None where they cannot be understood."""

    item: Manifest
    labels: Labels | None


@dataclass(frozen=True, slots=True)
class Place:
    """What the files have in one namespace."""

    workloads: Mapping[str, Workload]
    """By name of the Deployment."""
    neighbourhood: Neighbourhood
    nearby: Nearby
    rules: Mapping[str, Sequence[Manifest]]
    """DestinationRules by host in full, which may be a pattern."""
    leads_elsewhere: bool
    """Whether routes lead to Services of the namespace that the files do not have."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What stands around services, understood once for all of them."""

    cluster_domain: str
    places: Mapping[str, Place]
    """By namespace."""
    virtual_services: Mapping[Home, tuple[Manifest, VirtualService]]
    namespaces_of: Mapping[str, Sequence[str]]
    """By name of a Deployment: where the files have one."""
    standings: Standings

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
    namespaces_of: dict[str, list[str]] = {}
    for namespace, place in places.items():
        for name in place.workloads:
            namespaces_of.setdefault(name, []).append(namespace)
    standings = standings_of(virtual_services.values(), cluster_domain)
    return Surroundings(cluster_domain, places, virtual_services, namespaces_of, standings)


def _place(namespace: str, own: Sequence[Manifest], cluster_domain: str) -> Place:
    services = [found for _, found in _all(own, "", Service)]
    rules = _all(own, ISTIO, DestinationRule)
    by_host: dict[str, list[Manifest]] = {}
    for item, rule in rules:
        by_host.setdefault(fqdn(rule.spec.host, namespace, cluster_domain), []).append(item)
    deployments = [(item, _read(item, Deployment)) for item in own if item.is_a("apps", "Deployment")]
    workloads = {
        item.name: Workload(item, found.spec.template.metadata.labels if found is not None else None)
        for item, found in deployments
    }
    virtual_services = [found for _, found in _all(own, ISTIO, VirtualService)]
    neighbourhood = neighbourhood_of(namespace, services, [rule for _, rule in rules], cluster_domain)
    nearby = nearby_of(virtual_services, neighbourhood, cluster_domain)
    inside, known = service_host("", namespace, cluster_domain), neighbourhood.selectors
    leads_elsewhere = any(host.endswith(inside) and host not in known for host in nearby.by_host)
    return Place(workloads, neighbourhood, nearby, by_host, leads_elsewhere)


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

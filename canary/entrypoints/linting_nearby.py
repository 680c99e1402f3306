"""Which VirtualServices may concern a pair, found by hosts and labels instead of by asking each. Pure.

With thousands of services in one namespace nearly all VirtualServices are another's. What is found here is
more than enough: ``RouteFinder`` decides, and would find nothing in those that are left out.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from canary.adapters.istio.destination_rules import Labels, Neighbourhood, Pair, Target
from canary.adapters.istio.hosts import fqdn, meant_host
from canary.adapters.istio.objects import Destination, VirtualService

__all__ = ["Nearby", "nearby_of"]


@dataclass(frozen=True, slots=True)
class Nearby:
    """The VirtualServices of a namespace by the hosts that they name."""

    all: Sequence[VirtualService]
    by_host: Mapping[str, Sequence[int]]
    """Positions in ``all``."""
    anywhere: Sequence[int]
    """Positions of those that may concern any pair."""
    selectors: Mapping[tuple[str, str], Sequence[tuple[str, Labels]]]
    """Hosts with the labels that they require, under the one of these that fewest others require."""

    def around(self, pair: Pair) -> list[VirtualService]:
        """Return those that may concern ``pair``, in their order."""
        hosts = {pair.service_host, pair.stable_host, pair.canary_host}
        hosts |= {
            host for labels in (pair.stable_labels, pair.canary_labels) for host in self._selecting(labels)
        }
        found = {position for host in hosts for position in self.by_host.get(host, ())}
        return [self.all[position] for position in sorted(found.union(self.anywhere))]

    def is_selected(self, labels: Labels) -> bool:
        """Whether a Service of the namespace selects pods with ``labels``."""
        return any(True for _ in self._selecting(labels))

    def _selecting(self, labels: Labels | None) -> Iterator[str]:
        required = (labels or {}).items()
        for label in required:
            for host, selector in self.selectors.get(label, ()):
                if selector.items() <= required:
                    yield host


def nearby_of(
    virtual_services: Sequence[VirtualService], neighbourhood: Neighbourhood, cluster_domain: str
) -> Nearby:
    """Sort the VirtualServices of a namespace by the hosts that they name."""
    by_host: dict[str, list[int]] = {}
    anywhere: list[int] = []
    for position, item in enumerate(virtual_services):
        hosts = set(_hosts(item, cluster_domain))
        if any(host.startswith("*") for host in hosts) or _has_undefined_subset(
            item, neighbourhood, cluster_domain
        ):
            anywhere.append(position)
        for host in hosts:
            by_host.setdefault(host, []).append(position)
    return Nearby(virtual_services, by_host, anywhere, _by_rarest_label(neighbourhood.selectors))


def _hosts(item: VirtualService, cluster_domain: str) -> Iterator[str]:
    namespace = item.metadata.namespace
    for host in item.spec.hosts or ():
        # All hosts of a gateway are nobody's in particular.
        if host != "*":
            yield fqdn(host, namespace, cluster_domain)
    for destination in _destinations(item):
        yield fqdn(destination.host, namespace, cluster_domain)
        yield meant_host(destination.host, namespace, cluster_domain)


def _has_undefined_subset(item: VirtualService, neighbourhood: Neighbourhood, cluster_domain: str) -> bool:
    """Such a destination is taken by the subset's name alone, whoever's host it is."""
    namespace = item.metadata.namespace
    return any(
        neighbourhood.subset_labels(
            Target(host(destination.host, namespace, cluster_domain), destination.subset)
        )
        is None
        for destination in _destinations(item)
        if destination.subset
        for host in (fqdn, meant_host)
    )


def _destinations(item: VirtualService) -> Iterator[Destination]:
    plain = (*(item.spec.tls or ()), *(item.spec.tcp or ()))
    lists = [*(route.route for route in item.spec.http or ()), *(route.route for route in plain)]
    return (leg.destination for legs in lists for leg in legs or ())


def _by_rarest_label(
    selectors: Mapping[str, Labels],
) -> Mapping[tuple[str, str], Sequence[tuple[str, Labels]]]:
    uses = Counter(label for selector in selectors.values() for label in selector.items())
    found: dict[tuple[str, str], list[tuple[str, Labels]]] = {}
    for host, selector in selectors.items():
        rarest = min(selector.items(), key=uses.__getitem__)
        found.setdefault(rarest, []).append((host, selector))
    return found

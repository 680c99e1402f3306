"""Which workload a destination sends to: decided by the pods it selects, not by what it is called. Pure.

A destination requires the labels of its Service's selector and those of its subset, from every
DestinationRule of the namespace for that host. It belongs to the workload whose pods carry them all. It
may select both workloads' pods (then no weight can tell them apart) or neither (then it is a third party).

Labels cannot decide while a workload, a Service or a subset's definition is missing. Then the arm that the
destination had when all were there is taken, so that traffic can still be brought back after somebody
deleted one; and else its name, when that is unmistakable: the subset ``stable`` or ``canary`` or named as
the workload, or a host without subset that is named as the workload.

The same holds where labels pick one workload no longer, after somebody edited a subset: that is a mistake,
and the destination may have weight that has to be brought back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from canary.adapters.istio.hosts import DEFAULT_CLUSTER_DOMAIN, fqdn, host_matches, service_host
from canary.adapters.istio.objects import DestinationRule, Service

__all__ = [
    "Arm",
    "Labels",
    "Neighbourhood",
    "Pair",
    "Target",
    "arm_of",
    "has_gone_astray",
    "neighbourhood_of",
]

Labels = Mapping[str, str]


class Arm(StrEnum):
    """Whose pods a destination selects."""

    STABLE = "stable"
    CANARY = "canary"
    BOTH = "both"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Target:
    """A destination with its host in canonical form; ``subset`` is empty when none is named."""

    host: str
    subset: str = ""

    def __str__(self) -> str:
        """For people."""
        return f"{self.host} subset {self.subset}" if self.subset else self.host


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What a namespace says about its hosts."""

    selectors: Mapping[str, Labels] = field(default_factory=dict)
    """By FQDN: the selector of each Service that has one."""
    subsets: Mapping[Target, Labels] = field(default_factory=dict)
    """The labels of each subset, for hosts without a wildcard."""
    wildcard_subsets: Mapping[Target, Labels] = field(default_factory=dict)
    waypoints: frozenset[str] = frozenset()
    """FQDNs of Services that are labelled to use an ambient waypoint."""
    is_ambient: bool = False
    notes: tuple[str, ...] = ()
    """What could not be found out, each in a phrase."""

    def subset_labels(self, target: Target) -> Labels | None:
        """Return the labels of a target's subset; None when no DestinationRule defines it."""
        if target in self.subsets:
            return self.subsets[target]
        for pattern, labels in self.wildcard_subsets.items():
            if pattern.subset == target.subset and host_matches(pattern.host, target.host):
                return labels
        return None


@dataclass(frozen=True, slots=True)
class Pair:
    """The two workloads: their names, and the labels of their pods (None while one does not exist)."""

    stable: str
    canary: str
    service_host: str
    stable_host: str
    canary_host: str
    """FQDNs of the Services that are named as the annotated Service and as the two workloads."""
    stable_labels: Labels | None = None
    canary_labels: Labels | None = None
    remembered: Mapping[Target, Arm] = field(default_factory=dict)
    """The arms as they were when everything was there."""

    @property
    def is_complete(self) -> bool:
        """Whether both workloads exist."""
        return self.stable_labels is not None and self.canary_labels is not None


def neighbourhood_of(
    namespace: str,
    services: Iterable[Service],
    rules: Iterable[DestinationRule],
    cluster_domain: str = DEFAULT_CLUSTER_DOMAIN,
) -> Neighbourhood:
    """Return what Services and DestinationRules of a namespace say about its hosts."""
    selectors: dict[str, Labels] = {}
    waypoints: set[str] = set()
    for service in services:
        host = service_host(service.metadata.name, namespace, cluster_domain)
        if service.spec.selector:
            selectors[host] = service.spec.selector
        if service.metadata.labels.get("istio.io/use-waypoint", "none") != "none":
            waypoints.add(host)
    plain: dict[Target, Labels] = {}
    wildcard: dict[Target, Labels] = {}
    # Of two definitions of a subset Istio takes the older one's.
    for rule in sorted(rules, key=lambda rule: (rule.metadata.creation_timestamp, rule.metadata.name)):
        host = fqdn(rule.spec.host, namespace, cluster_domain)
        known = wildcard if host.startswith("*") else plain
        for subset in rule.spec.subsets or ():
            known.setdefault(Target(host, subset.name), subset.labels or {})
    return Neighbourhood(selectors, plain, wildcard, frozenset(waypoints))


_OF_NO_POD: Final[Labels] = {"": ""}
"""A label without a name: no pod has it."""


def required_labels(target: Target, neighbourhood: Neighbourhood) -> Labels | None:
    """Return the labels that pods behind ``target`` carry; None when that is not known."""
    selector = neighbourhood.selectors.get(target.host)
    if selector is None:
        return None
    if not target.subset:
        return selector
    subset = neighbourhood.subset_labels(target)
    if subset is None:
        return None
    if any(selector.get(name, value) != value for name, value in subset.items()):
        return _OF_NO_POD
    return {**selector, **subset}


def arm_of(target: Target, neighbourhood: Neighbourhood, pair: Pair) -> Arm:
    """Return whose pods ``target`` selects, by the rule that this module's description gives."""
    required = required_labels(target, neighbourhood)
    if required is not None:
        selected = _selected(required, pair)
        if pair.is_complete and len(selected) != 1:
            return pair.remembered.get(target, Arm.BOTH if selected else Arm.OTHER)
        if pair.is_complete:
            return selected.pop()
        if selected:
            return pair.remembered.get(target, selected.pop())
    return pair.remembered.get(target) or _by_name(target, neighbourhood, pair)


def has_gone_astray(target: Target, neighbourhood: Neighbourhood, pair: Pair) -> bool:
    """Whether ``target`` has its arm from memory only, for its labels pick no workload any more, or both."""
    required = required_labels(target, neighbourhood)
    return required is not None and pair.is_complete and len(_selected(required, pair)) != 1


def _selected(required: Labels, pair: Pair) -> set[Arm]:
    return {
        arm
        for arm, labels in ((Arm.STABLE, pair.stable_labels), (Arm.CANARY, pair.canary_labels))
        if labels is not None and required.items() <= labels.items()
    }


def _by_name(target: Target, neighbourhood: Neighbourhood, pair: Pair) -> Arm:
    if not target.subset:
        if target.host == pair.canary_host:
            return Arm.CANARY
        return Arm.STABLE if target.host == pair.stable_host else Arm.OTHER
    is_ours = target.host in {pair.service_host, pair.stable_host, pair.canary_host}
    if not is_ours and target.host not in neighbourhood.selectors:
        return Arm.OTHER
    if target.subset in {pair.canary, Arm.CANARY.value}:
        return Arm.CANARY
    return Arm.STABLE if target.subset in {pair.stable, Arm.STABLE.value} else Arm.OTHER

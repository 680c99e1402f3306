"""Where VirtualServices stand: for which host, at which gateway, for whom, and with which routes. Pure.

Two that stand in the same place are rivals. All of it is read once for all files, as it is written: what no
VirtualService should have there is passed over, for kubectl to tell of.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from canary.adapters.istio.hosts import fqdn
from canary.adapters.istio.objects import Home, VirtualService
from canary.entrypoints.manifests import Manifest

__all__ = [
    "MESH",
    "Match",
    "Served",
    "Standing",
    "Standings",
    "conditions_of",
    "served",
    "standings_of",
]

Match = Mapping[str, Any]
MESH: Final = "mesh"
"""The name under which Istio has all sidecars among gateways."""
_NO_CONDITIONS: Final = frozenset({"name", "gateways", "statPrefix"})
_OF_THE_CLIENT: Final = frozenset({"sourceLabels", "sourceNamespace"})
_EVERYTHING: Final[tuple[Match, ...]] = ({"prefix": "/"}, {"regex": ".*"})


@dataclass(frozen=True, slots=True)
class Served:
    """An http route that is in force at a gateway, and the requests that it takes there."""

    index: int
    matches: tuple[Match, ...]
    """Any of them; none at all: every request."""
    is_catch_all: bool
    """Whether every request is taken: Istio moves such routes of a gateway behind all others."""

    @property
    def is_for_some_clients(self) -> bool:
        """Whether only certain clients have it at all."""
        return bool(self.matches) and all(_OF_THE_CLIENT & match.keys() for match in self.matches)


@dataclass(frozen=True, slots=True)
class Standing:
    """A VirtualService for one host at one gateway."""

    item: Manifest
    home: Home
    gateway: str
    """As NAMESPACE/NAME, or ``MESH``."""
    host: str
    namespaces: frozenset[str] | None
    """Those that see it; None: all."""
    routes: tuple[Served, ...]

    def meets(self, other: "Standing") -> bool:
        """Whether any namespace sees both."""
        if self.namespaces is None or other.namespaces is None:
            return frozenset() not in (self.namespaces, other.namespaces)
        return not self.namespaces.isdisjoint(other.namespaces)


@dataclass(frozen=True, slots=True)
class Standings:
    """All VirtualServices, by where they stand."""

    at: Mapping[tuple[str, str], Sequence[Standing]]
    """By gateway and host."""
    of: Mapping[Home, Sequence[Standing]]
    roots: Mapping[Home, Sequence[tuple[Home, int]]]
    """By a delegate's home: which http routes delegate to it."""


def standings_of(
    virtual_services: Iterable[tuple[Manifest, VirtualService]], cluster_domain: str
) -> Standings:
    """Find out where each VirtualService stands."""
    at: dict[tuple[str, str], list[Standing]] = {}
    of: dict[Home, list[Standing]] = {}
    roots: dict[Home, list[tuple[Home, int]]] = {}
    for item, read in virtual_services:
        for standing in _standings(item, read, cluster_domain):
            at.setdefault((standing.gateway, standing.host), []).append(standing)
            of.setdefault(read.home, []).append(standing)
        for index, http in enumerate(read.spec.http or ()):
            if http.delegate is not None:
                delegate = Home(http.delegate.namespace or item.namespace, http.delegate.name)
                roots.setdefault(delegate, []).append((read.home, index))
    return Standings(at, of, roots)


def served(index: int, matches: Sequence[Match]) -> Served:
    """Return an http route that takes what meets any of ``matches``."""
    takes_all = not matches or any(
        not match or (match.keys() == {"uri"} and match["uri"] in _EVERYTHING) for match in matches
    )
    return Served(index, tuple(matches), takes_all)


def conditions_of(item: Manifest, index: int) -> tuple[Match, ...]:
    """What requests have to be for a VirtualService's http route, at whichever gateway."""
    return _without_names(_matches(item, index))


def _standings(item: Manifest, read: VirtualService, cluster_domain: str) -> Iterator[Standing]:
    namespaces = _namespaces(item)
    gateways = {_gateway(name, item.namespace) for name in read.spec.gateways or (MESH,)}
    hosts = {fqdn(host.lower(), item.namespace, cluster_domain) for host in read.spec.hosts or ()}
    for gateway in sorted(gateways):
        routes = tuple(_served(item, gateway, len(read.spec.http or ())))
        if routes:
            for host in sorted(hosts):
                yield Standing(item, read.home, gateway, host, namespaces, routes)


def _namespaces(item: Manifest) -> frozenset[str] | None:
    written = _texts(item.at("spec", "exportTo")) or ["*"]
    if "*" in written:
        return None
    if "~" in written:
        return frozenset()
    return frozenset(item.namespace if name == "." else name for name in written)


def _gateway(name: str, namespace: str) -> str:
    """As NAMESPACE/NAME; a name with dots is of Istio's first years, and means NAME.NAMESPACE."""
    if name == MESH:
        return MESH
    place, slash, short = name.partition("/")
    if slash:
        return f"{namespace if place == '.' else place}/{short}"
    short, _, rest = name.partition(".")
    return f"{rest.partition('.')[0] or namespace}/{short}"


def _served(item: Manifest, gateway: str, count: int) -> Iterator[Served]:
    for index in range(count):
        matches = _matches(item, index)
        here = [match for match in matches if _is_at(match, gateway, item.namespace)]
        if here or not matches:
            yield served(index, _without_names(here))


def _is_at(match: Match, gateway: str, namespace: str) -> bool:
    named = _texts(match.get("gateways"))
    return not named or gateway in {_gateway(name, namespace) for name in named}


def _matches(item: Manifest, index: int) -> list[Match]:
    written = item.at("spec", "http", index, "match")
    return [match for match in written if isinstance(match, dict)] if isinstance(written, list) else []


def _without_names(matches: Iterable[Match]) -> tuple[Match, ...]:
    return tuple(
        {name: wanted for name, wanted in match.items() if name not in _NO_CONDITIONS and wanted}
        for match in matches
    )


def _texts(written: object) -> list[str]:
    return [each for each in written if isinstance(each, str)] if isinstance(written, list) else []

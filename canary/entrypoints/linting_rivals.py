"""Linting which VirtualServices may keep the weights of a release from being in force. Pure.

Istio has one idea of two VirtualServices for one host in the mesh, and another at a gateway:

- a sidecar takes one of them, as a rule the older, and nothing of the other;
- a gateway takes the routes of both, the older's first, those that take everything last.

Which is the older files cannot tell. So in the mesh any other one is doubted, and at a gateway one whose
route takes all that a route with weights is meant for. Requests that both take in part are not looked for:
to divide a host among VirtualServices by paths is ordinary.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from canary.adapters.istio.objects import Home
from canary.adapters.istio.routes import PairRoute
from canary.domain.errors import Problem
from canary.entrypoints.findings import Doubt
from canary.entrypoints.linting_standings import MESH, Match, Served, Standing, conditions_of, served
from canary.entrypoints.linting_surroundings import Surroundings

__all__ = ["rivals_of"]

_Shifted = Mapping[Home, Sequence[tuple[int, Sequence[Match]]]]
"""The http routes under which requests meet the weights, each with what a delegate adds to its matches."""


def rivals_of(pairs: Sequence[PairRoute], namespace: str, surroundings: Surroundings) -> Iterator[Doubt]:
    """Yield the VirtualServices that stand where those stand whose weights a release shifts.

    Where both have its weights both are shifted, and it does not matter which is in force.
    """
    shifted = _shifted(pairs, surroundings)
    for home in shifted:
        told: set[tuple[Home, bool]] = set()
        for ours in surroundings.standings.of.get(home, ()):
            weights = _weights(ours, shifted)
            for other in surroundings.standings.at[ours.gateway, ours.host] if weights else ():
                key = (other.home, ours.gateway == MESH)
                if other.home == home or key in told or not ours.meets(other):
                    continue
                outcome = _outcome(weights, other, shifted)
                if outcome is not None:
                    told.add(key)
                    problem = _problem(ours, other, outcome, namespace)
                    yield Doubt(problem, other.item, other.item.line("spec", "hosts"))


def _shifted(pairs: Sequence[PairRoute], surroundings: Surroundings) -> _Shifted:
    found: dict[Home, list[tuple[int, Sequence[Match]]]] = {}
    for pair in pairs:
        item, read = surroundings.virtual_services[pair.home]
        found.setdefault(pair.home, []).append((pair.index, ()))
        # A delegate has no hosts: it stands where those stand that delegate to it.
        for root, index in () if read.spec.hosts else surroundings.standings.roots.get(pair.home, ()):
            found.setdefault(root, []).append((index, conditions_of(item, pair.index)))
    return found


def _outcome(weights: Sequence[Served], other: Standing, shifted: _Shifted) -> tuple[str, str] | None:
    """What Istio makes of the two, and what would be right; None where the weights are in force."""
    if other.gateway == MESH:
        if other.home in shifted or all(route.is_for_some_clients for route in other.routes):
            return None
        return "sidecars take one of the two alone, as a rule the older", "keep one of them for the mesh"
    met = {index for index, _ in shifted.get(other.home, ())}
    for weighted, route in product(weights, other.routes):
        if route.index not in met and _takes_all_of(route, weighted):
            return (
                f"{other.gateway} takes the routes of both, the older's first, and http[{route.index}] here "
                f"leaves nothing to http[{weighted.index}] there",
                "put both routes into one VirtualService",
            )
    return None


def _problem(ours: Standing, other: Standing, outcome: tuple[str, str], namespace: str) -> Problem:
    effect, remedy = outcome
    name = _name(ours.home, namespace)
    return Problem(
        f"VirtualService {_name(other.home, namespace)}, spec.hosts",
        f"{ours.host}, a host of VirtualService {name}, too: {effect}",
        f"{remedy}, or the weights in {name} may never be in force",
    )


def _name(home: Home, namespace: str) -> str:
    return home.name if home.namespace == namespace else f"{home.name}.{home.namespace}"


def _weights(ours: Standing, shifted: _Shifted) -> list[Served]:
    """The routes there under which requests meet the weights, with all that they have to match."""
    return [
        served(route.index, _both(route.matches, added))
        for route in ours.routes
        for index, added in shifted[ours.home]
        if index == route.index
    ]


def _both(root: Sequence[Match], delegate: Sequence[Match]) -> tuple[Match, ...]:
    if not root or not delegate:
        return (*root, *delegate)
    return tuple({**one, **other} for one, other in product(root, delegate))


def _takes_all_of(route: Served, weighted: Served) -> bool:
    """Whether ``route`` leaves nothing to ``weighted`` where it comes first."""
    if route.is_catch_all or weighted.is_catch_all:
        # Behind all others are those that take everything: one of them leaves the others what they take.
        return route.is_catch_all and weighted.is_catch_all
    return all(any(_covers(wide, narrow) for wide in route.matches) for narrow in weighted.matches)


def _covers(wide: Match, narrow: Match) -> bool:
    """Whether every request that meets ``narrow`` meets ``wide``, as far as that can be seen."""
    for name, wanted in wide.items():
        have = narrow.get(name)
        if have == wanted:
            continue
        if not isinstance(wanted, dict) or not isinstance(have, dict):
            return False
        if name == "uri":
            if not _is_below(have, wanted):
                return False
        elif name not in {"headers", "queryParams"} or not wanted.items() <= have.items():
            return False
    return True


def _is_below(path: Match, prefix: Match) -> bool:
    start = prefix.get("prefix")
    paths = (path.get("prefix"), path.get("exact"))
    return isinstance(start, str) and any(isinstance(each, str) and each.startswith(start) for each in paths)

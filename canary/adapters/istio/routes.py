"""Finding, among a namespace's VirtualServices, the http routes that send to both workloads. Pure.

Every route with exactly one destination for stable and one for the canary is found, in whichever
VirtualService. Whatever else is there is either left out, with a phrase that says what and why, or, when
it leaves in doubt what to do, a problem. Nothing is skipped in silence and nothing is guessed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from canary.adapters.istio.destination_rules import Arm, Neighbourhood, Pair, Target, arm_of
from canary.adapters.istio.hosts import DEFAULT_CLUSTER_DOMAIN, fqdn, host_matches
from canary.adapters.istio.objects import Destination, HttpRoute, VirtualService, WeightedDestination
from canary.domain.errors import Problem
from canary.domain.observation import Route, Routes
from canary.domain.plan import RouteRef
from canary.domain.weight import Split

__all__ = ["Leg", "PairRoute", "RouteFinder"]


@dataclass(frozen=True, slots=True)
class Leg:
    """One destination of a route: its place in the list, and how it is written there."""

    position: int
    target: Target
    host: str
    weight: int | None


@dataclass(frozen=True, slots=True)
class PairRoute(Route):
    """A route with what a write needs to know, so that it touches exactly what was seen."""

    stable: Leg
    canary: Leg


_Found = PairRoute | Problem | str


@dataclass(frozen=True, slots=True)
class RouteFinder:
    """Looks at the VirtualServices of one namespace with the eyes of one service.

    ``only`` restricts it to what the plan names; empty means everything.
    """

    namespace: str
    pair: Pair
    neighbourhood: Neighbourhood
    only: tuple[RouteRef, ...] = ()
    cluster_domain: str = DEFAULT_CLUSTER_DOMAIN

    def find(self, virtual_services: Iterable[VirtualService]) -> Routes:
        """Return every route of the pair, what was left out, and what is wrong."""
        known = sorted(virtual_services, key=lambda item: item.metadata.name)
        ours = [item for item in known if self._concerns(item)]
        found = [finding for item in ours for finding in self._findings(item)]
        routes = tuple(item for item in found if isinstance(item, PairRoute))
        left_out = tuple(item for item in found if isinstance(item, str)) + self.neighbourhood.notes
        problems = [item for item in found if isinstance(item, Problem)]
        problems += self._missing_references(known)
        problems += self._contradictions(routes, ours)
        if not routes and not problems:
            problems.append(self._nothing_found(ours, left_out))
        return Routes(
            routes=routes,
            versions={item.metadata.name: item.metadata.resource_version for item in ours},
            stable_host=routes[0].stable.target.host if routes else self.pair.service_host,
            canary_host=routes[0].canary.target.host if routes else self.pair.service_host,
            left_out=left_out,
            absent=not ours,
            problems=tuple(problems),
        )

    def _target(self, destination: Destination) -> Target:
        return Target(fqdn(destination.host, self.namespace, self.cluster_domain), destination.subset)

    def _arm(self, destination: Destination) -> Arm:
        return arm_of(self._target(destination), self.neighbourhood, self.pair)

    def _concerns(self, item: VirtualService) -> bool:
        """Whether a VirtualService is named by the plan, serves the host, or sends to either workload."""
        if any(ref.virtual_service == item.metadata.name for ref in self.only):
            return True
        hosts = (fqdn(host, self.namespace, self.cluster_domain) for host in item.spec.hosts or ())
        if any(host != "*" and host_matches(host, self.pair.service_host) for host in hosts):
            return True
        plain = (*(item.spec.tls or ()), *(item.spec.tcp or ()))
        lists = [*(route.route for route in item.spec.http or ()), *(route.route for route in plain)]
        legs = (leg for destinations in lists for leg in destinations or ())
        return any(self._arm(leg.destination) is not Arm.OTHER for leg in legs)

    def _findings(self, item: VirtualService) -> Iterator[_Found]:
        name = item.metadata.name
        for index, http in enumerate(item.spec.http or ()):
            where = f"{name} http[{index}]" + (f" ({http.name})" if http.name else "")
            yield from self._mirrors(where, http)
            if self._is_wanted(name, http.name):
                yield from self._classify(name, index, where, http)
            else:
                yield f"{where}: is not among canaryctl.dev/virtual-services"
        for kind, plain in (("tls", item.spec.tls), ("tcp", item.spec.tcp)):
            for index, route in enumerate(plain or ()):
                arms = {self._arm(leg.destination) for leg in route.route or ()} - {Arm.OTHER}
                to = " and ".join(sorted(arms)) or "neither workload"
                yield f"{name} {kind}[{index}]: sends to {to}; only weights of http routes are changed"

    def _is_wanted(self, virtual_service: str, route: str) -> bool:
        return not self.only or any(
            ref.virtual_service == virtual_service and ref.route in {None, route} for ref in self.only
        )

    def _mirrors(self, where: str, http: HttpRoute) -> Iterator[str]:
        mirrored = [http.mirror] if http.mirror is not None else []
        mirrored += [policy.destination for policy in http.mirrors or ()]
        for destination in mirrored:
            if self._arm(destination) is not Arm.OTHER:
                target = self._target(destination)
                yield f"{where}: mirrors to {target}; mirrors stay, and pollute its destination-side counts"

    def _classify(self, name: str, index: int, where: str, http: HttpRoute) -> Iterator[_Found]:
        if http.delegate is not None:
            yield f"{where}: delegates to VirtualService {http.delegate.name}"
            return
        arms: dict[Arm, list[Leg]] = {arm: [] for arm in Arm}
        for position, leg in enumerate(http.route or ()):
            target = self._target(leg.destination)
            arms[self._arm(leg.destination)].append(Leg(position, target, leg.destination.host, leg.weight))
        stable, canary, both = arms[Arm.STABLE], arms[Arm.CANARY], arms[Arm.BOTH]
        if (stable or canary) and both:
            yield _ambiguous(where, both[0])
        elif both:
            yield f"{where}: sends to both workloads through {both[0].target}, whatever the weights"
        elif not stable or not canary:
            to = "stable" if stable else "the canary" if canary else "neither workload"
            yield f"{where}: sends to {to} only" if to != "neither workload" else f"{where}: sends to {to}"
        elif len(stable) > 1 or len(canary) > 1:
            yield _repeated(where, "stable" if len(stable) > 1 else "the canary")
        else:
            label = http.name or f"http[{index}]"
            yield from self._pair_route((name, index, label), where, http.route or (), (stable[0], canary[0]))

    def _pair_route(
        self,
        identity: tuple[str, int, str],
        where: str,
        legs: Sequence[WeightedDestination],
        pair: tuple[Leg, Leg],
    ) -> Iterator[_Found]:
        stable, canary = pair
        split = Split(stable.weight or 0, canary.weight or 0)
        yield from (self._undefined(where, leg.target) for leg in pair if self._is_undefined(leg.target))
        if split.stable < 0 or split.canary < 0:
            yield Problem(where, f"the weights {split.stable} and {split.canary}", "weights start at 0")
        elif split.total == 0 and any(leg.weight for leg in legs):
            yield f"{where}: gives all its weight to other destinations"
        elif split.total == 0:
            yield Problem(where, "weights that are all zero or missing", "give stable 100 and the canary 0")
        else:
            name, index, label = identity
            yield PairRoute(name, index, label, split, stable, canary)

    def _is_undefined(self, target: Target) -> bool:
        return bool(target.subset) and self.neighbourhood.subset_labels(target) is None

    def _undefined(self, where: str, target: Target) -> Problem:
        return Problem(
            where,
            f"subset {target.subset} of {target.host}, which no DestinationRule in {self.namespace} defines",
            f"add subset {target.subset} with its pods' labels to the DestinationRule of {target.host}",
        )

    def _missing_references(self, known: Sequence[VirtualService]) -> Iterator[Problem]:
        """Report what the plan names and the cluster has not."""
        routes: Mapping[str, set[str]] = {
            item.metadata.name: {route.name for route in item.spec.http or ()} for item in known
        }
        where = "annotation canaryctl.dev/virtual-services"
        for ref in self.only:
            if ref.virtual_service not in routes:
                have = ", ".join(sorted(routes)) or "none"
                found = f"{ref.virtual_service}, but namespace {self.namespace} has {have}"
                yield Problem(where, found, "name a VirtualService of this namespace")
            elif ref.route is not None and ref.route not in routes[ref.virtual_service]:
                have = ", ".join(sorted(name for name in routes[ref.virtual_service] if name)) or "none"
                found = f"{ref.virtual_service}/{ref.route}, but its named http routes are: {have}"
                yield Problem(where, found, "name one of its http routes")

    def _contradictions(
        self, routes: Sequence[PairRoute], ours: Sequence[VirtualService]
    ) -> Iterator[Problem]:
        hosts = {(route.stable.target.host, route.canary.target.host) for route in routes}
        if len(hosts) > 1:
            found = "; ".join(sorted(f"{stable} and {canary}" for stable, canary in hosts))
            yield Problem(
                f"VirtualServices of namespace {self.namespace}",
                f"the pair under different hosts: {found}",
                "use the same hosts in every route, or restrict canaryctl.dev/virtual-services",
            )
        touched = {route.virtual_service for route in routes}
        uses_waypoint = self.neighbourhood.is_ambient or any(
            host in self.neighbourhood.waypoints for pair in hosts for host in pair
        )
        for item in ours:
            if uses_waypoint and item.applies_to_mesh and item.metadata.name in touched:
                yield Problem(
                    f"VirtualService {item.metadata.name}",
                    "ambient mode, whose waypoints support VirtualServices only in part",
                    "use sidecars, or bind the VirtualService to a gateway and not to mesh",
                )

    def _nothing_found(self, ours: Sequence[VirtualService], left_out: Sequence[str]) -> Problem:
        where = f"VirtualServices of namespace {self.namespace}"
        pair = f"{self.pair.stable} and {self.pair.canary}"
        if not ours:
            return Problem(
                where,
                f"none that sends to {self.pair.service_host}",
                f"create one with a destination for each of {pair}",
            )
        found = "no http route with destinations for both; " + "; ".join(left_out[:5])
        return Problem(
            where, found.rstrip("; "), f"give one route a destination for each of {pair}, 100 and 0"
        )


def _ambiguous(where: str, leg: Leg) -> Problem:
    return Problem(
        where,
        f"destination {leg.target}, which selects the pods of both workloads",
        "name a subset, or narrow the Service's selector",
    )


def _repeated(where: str, arm: str) -> Problem:
    return Problem(where, f"several destinations that send to {arm}", "keep one for each workload")

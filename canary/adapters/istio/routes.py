"""Finding, among VirtualServices, the http routes that send to both workloads of a service. Pure.

Every route with exactly one destination for stable and one for the canary is found, in whichever
VirtualService. Whatever else is there is either left out, with a phrase that says what and why, or, when
it leaves in doubt what to do, a problem. Nothing is skipped in silence and nothing is guessed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from canary.adapters.istio.destination_rules import Arm, Neighbourhood, Pair, Target, arm_of, has_gone_astray
from canary.adapters.istio.hosts import DEFAULT_CLUSTER_DOMAIN, fqdn, host_matches, meant_host
from canary.adapters.istio.objects import Destination, Home, HttpRoute, VirtualService, WeightedDestination
from canary.adapters.istio.shared import NAMED_BY
from canary.domain.errors import Problem
from canary.domain.observation import Route, Routes
from canary.domain.plan import RouteRef
from canary.domain.weight import Split

__all__ = ["Leg", "PairRoute", "RouteFinder", "RouteProblem"]


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

    home: Home
    stable: Leg
    canary: Leg


@dataclass(frozen=True, slots=True)
class RouteProblem(Problem):
    """A problem of a VirtualService, with its place for whoever has the file that it stands in."""

    home: Home
    index: int | None = None
    """Of the http route; None when it is not one route's."""


_Found = PairRoute | Problem | str


@dataclass(frozen=True, slots=True)
class _Place:
    """An http route: its VirtualService, as people name it, its position there and its own name, if any."""

    item: VirtualService
    virtual_service: str
    index: int
    name: str

    def __str__(self) -> str:
        return f"{self.virtual_service} http[{self.index}]" + (f" ({self.name})" if self.name else "")

    def problem(self, found: str, remedy: str) -> RouteProblem:
        return RouteProblem(str(self), found, remedy, self.item.home, self.index)


@dataclass(frozen=True, slots=True)
class RouteFinder:
    """Looks at VirtualServices with the eyes of one service of ``namespace``.

    ``only`` restricts it to what the plan names; empty means everything.
    """

    namespace: str
    pair: Pair
    neighbourhood: Neighbourhood
    only: tuple[RouteRef, ...] = ()
    cluster_domain: str = DEFAULT_CLUSTER_DOMAIN

    def find(self, virtual_services: Iterable[VirtualService], withheld: tuple[Problem, ...] = ()) -> Routes:
        """Return every route of the pair, what was left out, and what is wrong.

        ``virtual_services`` are those of the namespace and those of others that the plan names and that are
        shared with it; ``withheld`` says why the rest of these is not there.
        """
        known = sorted(virtual_services, key=self._name)
        ours = [item for item in known if self._concerns(item)]
        found = [finding for item in ours for finding in self._findings(item)]
        routes = tuple(item for item in found if isinstance(item, PairRoute))
        left_out = tuple(item for item in found if isinstance(item, str)) + self.neighbourhood.notes
        problems = [item for item in found if isinstance(item, Problem)]
        problems += self._missing_references(known)
        problems += self._contradictions(routes, ours)
        problems += withheld
        if not routes and not problems:
            problems.append(self._nothing_found(ours, left_out))
        touched = {route.home for route in routes}
        other_ways = self._other_ways(ours)
        return Routes(
            routes=routes,
            versions={
                self._name(item): item.metadata.resource_version for item in ours if item.home in touched
            },
            stable_host=routes[0].stable.target.host if routes else self.pair.service_host,
            canary_host=routes[0].canary.target.host if routes else self.pair.service_host,
            left_out=left_out,
            stable_has_other_ways=bool(other_ways & {Arm.STABLE, Arm.BOTH}),
            canary_has_other_ways=bool(other_ways & {Arm.CANARY, Arm.BOTH}),
            absent=not ours and not withheld,
            problems=tuple(problems),
            withheld=withheld,
        )

    def _name(self, item: VirtualService) -> str:
        """As people name it here.

        One of our own whose name has a dot cannot be taken for another namespace's: where the plan names any,
        nothing but what it names is shifted, and it cannot name one with a dot.
        """
        home = item.home
        return home.name if home.namespace == self.namespace else f"{home.name}.{home.namespace}"

    def _target(self, destination: Destination, item: VirtualService) -> Target:
        # A short host belongs to the namespace of the VirtualService that says it, which may be another one.
        host = fqdn(destination.host, item.metadata.namespace, self.cluster_domain)
        return Target(host, destination.subset)

    def _arm(self, destination: Destination, item: VirtualService) -> Arm:
        return arm_of(self._target(destination, item), self.neighbourhood, self.pair)

    def _meant(self, destination: Destination, item: VirtualService) -> Target:
        host = meant_host(destination.host, item.metadata.namespace, self.cluster_domain)
        return Target(host, destination.subset)

    def _is_misread(self, destination: Destination, item: VirtualService) -> bool:
        """Whether whoever wrote it had one of our workloads in mind, and Istio has not."""
        meant = self._meant(destination, item)
        if meant == self._target(destination, item):
            return False
        return arm_of(meant, self.neighbourhood, self.pair) is not Arm.OTHER

    def _not_completed(self, place: _Place, destination: Destination) -> Problem:
        return place.problem(
            f"destination host {destination.host}, which Istio takes to the letter: no Service has that "
            "name, and requests get 503",
            f"write {self._meant(destination, place.item).host}",
        )

    def _home(self, ref: RouteRef) -> Home:
        return Home(ref.namespace or self.namespace, ref.virtual_service)

    def _concerns(self, item: VirtualService) -> bool:
        """Whether a VirtualService is named by the plan, serves the host, or sends to either workload."""
        if any(self._home(ref) == item.home for ref in self.only):
            return True
        namespace = item.metadata.namespace
        hosts = (fqdn(host, namespace, self.cluster_domain) for host in item.spec.hosts or ())
        if any(host != "*" and host_matches(host, self.pair.service_host) for host in hosts):
            return True
        plain = (*(item.spec.tls or ()), *(item.spec.tcp or ()))
        lists = [*(route.route for route in item.spec.http or ()), *(route.route for route in plain)]
        legs = [leg.destination for destinations in lists for leg in destinations or ()]
        return any(self._arm(leg, item) is not Arm.OTHER or self._is_misread(leg, item) for leg in legs)

    def _findings(self, item: VirtualService) -> Iterator[_Found]:
        name = self._name(item)
        for index, http in enumerate(item.spec.http or ()):
            place = _Place(item, name, index, http.name)
            yield from self._mirrors(place, http)
            if self._is_wanted(place):
                yield from self._classify(place, http)
            else:
                yield f"{place}: is not among canaryctl.dev/virtual-services"
        for kind, plain in (("tls", item.spec.tls), ("tcp", item.spec.tcp)):
            for index, route in enumerate(plain or ()):
                arms = {self._arm(leg.destination, item) for leg in route.route or ()} - {Arm.OTHER}
                to = " and ".join(sorted(arms)) or "neither workload"
                yield f"{name} {kind}[{index}]: sends to {to}; only weights of http routes are changed"

    def _other_ways(self, ours: Iterable[VirtualService]) -> set[Arm]:
        """Whom http routes send to that are not the pair's."""
        found: set[Arm] = set()
        for item in ours:
            for index, http in enumerate(item.spec.http or ()):
                arms = {self._arm(leg.destination, item) for leg in http.route or ()}
                wanted = self._is_wanted(_Place(item, self._name(item), index, http.name))
                if not (wanted and {Arm.STABLE, Arm.CANARY} <= arms):
                    found |= arms
        return found

    def _is_wanted(self, place: _Place) -> bool:
        return not self.only or any(
            self._home(ref) == place.item.home and ref.route in {None, place.name} for ref in self.only
        )

    def _mirrors(self, place: _Place, http: HttpRoute) -> Iterator[str]:
        mirrored = [http.mirror] if http.mirror is not None else []
        mirrored += [policy.destination for policy in http.mirrors or ()]
        for destination in mirrored:
            if self._arm(destination, place.item) is not Arm.OTHER:
                target = self._target(destination, place.item)
                yield f"{place}: mirrors to {target}; mirrors stay, and pollute its destination-side counts"

    def _classify(self, place: _Place, http: HttpRoute) -> Iterator[_Found]:
        if http.delegate is not None:
            yield f"{place}: delegates to VirtualService {http.delegate.name}"
            return
        misread = [
            leg.destination for leg in http.route or () if self._is_misread(leg.destination, place.item)
        ]
        if misread:
            yield self._not_completed(place, misread[0])
            return
        arms: dict[Arm, list[Leg]] = {arm: [] for arm in Arm}
        for position, leg in enumerate(http.route or ()):
            target = self._target(leg.destination, place.item)
            arm = self._arm(leg.destination, place.item)
            arms[arm].append(Leg(position, target, leg.destination.host, leg.weight))
        stable, canary, both = arms[Arm.STABLE], arms[Arm.CANARY], arms[Arm.BOTH]
        if (stable or canary) and both:
            yield _ambiguous(place, both[0])
        elif both:
            yield f"{place}: sends to both workloads through {both[0].target}, whatever the weights"
        elif not stable or not canary:
            to = "stable" if stable else "the canary" if canary else "neither workload"
            only = " only" if stable or canary else ""
            yield f"{place}: sends to {to}{only}{self._pickless(arms[Arm.OTHER])}"
        elif len(stable) > 1 or len(canary) > 1:
            yield _repeated(place, "stable" if len(stable) > 1 else "the canary")
        else:
            yield from self._pair_route(place, http.route or (), stable[0], canary[0])

    def _pair_route(
        self, place: _Place, legs: Sequence[WeightedDestination], stable: Leg, canary: Leg
    ) -> Iterator[_Found]:
        split = Split(stable.weight or 0, canary.weight or 0)
        yield from (
            self._undefined(place, leg.target) for leg in (stable, canary) if self._is_undefined(leg.target)
        )
        for leg, workload in ((stable, self.pair.stable), (canary, self.pair.canary)):
            if has_gone_astray(leg.target, self.neighbourhood, self.pair):
                yield place.problem(
                    f"{leg.target}, whose labels are no longer those of the pods of {workload} alone",
                    f"let the DestinationRule's subset have the labels of {workload}'s pods",
                )
        if split.stable < 0 or split.canary < 0:
            yield place.problem(f"the weights {split.stable} and {split.canary}", "weights start at 0")
        elif split.total == 0 and any(leg.weight for leg in legs):
            yield f"{place}: gives all its weight to other destinations"
        elif split.total == 0:
            yield place.problem("weights that are all zero or missing", "give stable 100 and the canary 0")
        else:
            label = place.name or f"http[{place.index}]"
            home = place.item.home
            yield PairRoute(place.virtual_service, place.index, label, split, home, stable, canary)

    def _pickless(self, legs: Iterable[Leg]) -> str:
        """Tell of a subset of the service that has no pod of either: most likely a slip in its labels."""
        targets = [leg.target for leg in legs if leg.target.host == self.pair.service_host]
        found = [target for target in targets if target.subset]
        return f", and {found[0]} selects the pods of neither workload" if found else ""

    def _is_undefined(self, target: Target) -> bool:
        return bool(target.subset) and self.neighbourhood.subset_labels(target) is None

    def _undefined(self, place: _Place, target: Target) -> Problem:
        return place.problem(
            f"subset {target.subset} of {target.host}, which no DestinationRule in {self.namespace} defines",
            f"add subset {target.subset} with its pods' labels to the DestinationRule of {target.host}",
        )

    def _missing_references(self, known: Sequence[VirtualService]) -> Iterator[Problem]:
        """Report what the plan names and the cluster has not.

        One of another namespace that is not there is withheld, and reported as such.
        """
        routes = {item.home: {route.name for route in item.spec.http or ()} for item in known}
        for ref in self.only:
            home = self._home(ref)
            if home not in routes and home.namespace == self.namespace:
                own = sorted(item.name for item in routes if item.namespace == self.namespace)
                found = (
                    f"{ref.virtual_service}, but namespace {self.namespace} has {', '.join(own) or 'none'}"
                )
                yield Problem(
                    NAMED_BY, found, "name a VirtualService of this namespace, or one as NAME.NAMESPACE"
                )
            elif home in routes and ref.route is not None and ref.route not in routes[home]:
                have = ", ".join(sorted(name for name in routes[home] if name)) or "none"
                found = f"{ref}, but its named http routes are: {have}"
                yield Problem(NAMED_BY, found, "name one of its http routes")

    def _contradictions(
        self, routes: Sequence[PairRoute], ours: Sequence[VirtualService]
    ) -> Iterator[Problem]:
        hosts = {(route.stable.target.host, route.canary.target.host) for route in routes}
        if len(hosts) > 1:
            found = "; ".join(sorted(f"{stable} and {canary}" for stable, canary in hosts))
            yield RouteProblem(
                f"VirtualServices of namespace {self.namespace}",
                f"the pair under different hosts: {found}",
                "use the same hosts in every route, or restrict canaryctl.dev/virtual-services",
                routes[0].home,
                routes[0].index,
            )
        touched = {route.home for route in routes}
        uses_waypoint = self.neighbourhood.is_ambient or any(
            host in self.neighbourhood.waypoints for pair in hosts for host in pair
        )
        for item in ours:
            if uses_waypoint and item.applies_to_mesh and item.home in touched:
                yield RouteProblem(
                    f"VirtualService {self._name(item)}",
                    "ambient mode, whose waypoints support VirtualServices only in part",
                    "use sidecars, or bind the VirtualService to a gateway and not to mesh",
                    item.home,
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
        remedy = f"give one route a destination for each of {pair}, 100 and 0"
        return RouteProblem(where, found.rstrip("; "), remedy, ours[0].home)


def _ambiguous(place: _Place, leg: Leg) -> Problem:
    return place.problem(
        f"destination {leg.target}, which selects the pods of both workloads",
        "name a subset, or narrow the Service's selector",
    )


def _repeated(place: _Place, arm: str) -> Problem:
    return place.problem(f"several destinations that send to {arm}", "keep one for each workload")

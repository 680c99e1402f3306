"""The weights of a service's VirtualServices: read live, written as guarded JSON Patches.

Only VirtualServices, DestinationRules, Services and Deployments of the service's own namespace are looked
at, and VirtualServices of others that the plan names and that are shared. VirtualServices are read live each
time. What says *which* destination is whose changes seldom and is kept for a few seconds, but never when what
was found with it is a problem: then all is read again.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from canary.adapters.istio.destination_rules import Arm, Neighbourhood, Pair, Target, neighbourhood_of
from canary.adapters.istio.hosts import DEFAULT_CLUSTER_DOMAIN, service_host
from canary.adapters.istio.objects import (
    Deployment,
    DestinationRule,
    Home,
    Labelled,
    Service,
    VirtualService,
)
from canary.adapters.istio.patches import patches_for
from canary.adapters.istio.routes import PairRoute, RouteFinder
from canary.adapters.istio.shared import read_shared
from canary.adapters.istio.versions import IstioVersion
from canary.adapters.kube.transport import JSON_PATCH, Transport
from canary.app.errors import NotFound, TerminalError, WorldError
from canary.app.ports import Clock
from canary.domain.errors import Problem
from canary.domain.observation import Routes
from canary.domain.plan import Plan, ServiceKey

__all__ = ["IstioRoutes"]

Json = dict[str, Any]

KNOWN_FOR_SECONDS = 2.0
REMEMBERED_SERVICES = 10_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """The VirtualServices of one look, and why some that the plan names are not among them."""

    virtual_services: tuple[VirtualService, ...]
    withheld: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What is kept of a service's surroundings, and for which plan and until when it may be used."""

    pair: Pair
    neighbourhood: Neighbourhood
    workloads: tuple[str, str]
    until: float
    remembered: Mapping[Target, Arm] = field(default_factory=dict)


class IstioRoutes:
    """Implements ``RouteTable``. Safe for many threads, each with another key."""

    def __init__(
        self, transport: Transport, clock: Clock, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._cluster_domain = cluster_domain
        self._version = IstioVersion(transport, clock)
        self._lock = threading.Lock()
        self._known: OrderedDict[ServiceKey, _Surroundings] = OrderedDict()

    def read(self, key: ServiceKey, plan: Plan) -> Routes:
        """Every route that sends to the pair, read live; what is wrong comes as ``problems``, not raised."""
        seen = self._look(key, plan)
        with self._lock:
            known = self._known.get(key)
        if known is not None and known.workloads == (plan.stable, plan.canary):
            if self._clock.monotonic() < known.until:
                routes = self._find(key, plan, known, seen)
                if not routes.faults:
                    return routes
        else:
            known = None
        fresh = self._look_around(key, plan, known.remembered if known is not None else {})
        routes = self._find(key, plan, fresh, seen)
        self._remember(key, fresh, routes)
        return routes

    def shift(
        self,
        key: ServiceKey,  # noqa: ARG002 - the port's: each route knows where it stands
        routes: Routes,
        canary_percent: int,
    ) -> None:
        """Give the canary ``canary_percent`` of every route's pair, and touch nothing else.

        With several VirtualServices each write is tried without effect first, so that a denial of one
        leaves none of them changed. Not so where all traffic goes back to stable: that waits for nobody, and
        whatever was refused is raised when the others are done.
        """
        patches = patches_for(routes, canary_percent)
        if canary_percent == 0:
            self._return(patches)
            return
        if len(patches) > 1:
            for home, operations in patches.items():
                self._patch(home, operations, {"dryRun": "All"})
        for home, operations in patches.items():
            self._patch(home, operations, {})

    def _return(self, patches: Mapping[Home, list[Json]]) -> None:
        refused: list[WorldError] = []
        for home, operations in patches.items():
            try:
                self._patch(home, operations, {})
            except WorldError as error:
                refused.append(error)
        if refused:
            # What may succeed soon is told first: the next attempt must not wait for a person.
            raise min(refused, key=lambda error: isinstance(error, TerminalError))

    def _patch(self, home: Home, operations: list[Json], query: Mapping[str, str]) -> None:
        self._transport.request(
            "PATCH",
            home.path(self._version.get()),
            query=query,
            body=operations,
            content_type=JSON_PATCH,
            guarded=True,
        )

    def _look(self, key: ServiceKey, plan: Plan) -> _Seen:
        own = self._transport.list(self._path(key, "virtualservices"), VirtualService)
        shared, withheld = read_shared(
            self._transport, self._version.get(), key.namespace, plan.virtual_services
        )
        return _Seen((*own, *shared), withheld)

    def _path(self, key: ServiceKey, rest: str) -> str:
        return f"/apis/{self._version.get()}/namespaces/{key.namespace}/{rest}"

    def _find(self, key: ServiceKey, plan: Plan, around: _Surroundings, seen: _Seen) -> Routes:
        finder = RouteFinder(
            key.namespace, around.pair, around.neighbourhood, plan.virtual_services, self._cluster_domain
        )
        return finder.find(seen.virtual_services, seen.withheld)

    def _look_around(self, key: ServiceKey, plan: Plan, remembered: Mapping[Target, Arm]) -> _Surroundings:
        namespace, domain = key.namespace, self._cluster_domain
        services = self._transport.list(f"/api/v1/namespaces/{namespace}/services", Service)
        rules = self._transport.list(self._path(key, "destinationrules"), DestinationRule)
        neighbourhood = neighbourhood_of(namespace, services, rules, domain)
        is_ambient, notes = self._ambience(namespace)
        pair = Pair(
            stable=plan.stable,
            canary=plan.canary,
            service_host=service_host(key.name, namespace, domain),
            stable_host=service_host(plan.stable, namespace, domain),
            canary_host=service_host(plan.canary, namespace, domain),
            stable_labels=self._pod_labels(namespace, plan.stable),
            canary_labels=self._pod_labels(namespace, plan.canary),
            remembered=remembered,
        )
        return _Surroundings(
            pair=pair,
            neighbourhood=replace(neighbourhood, is_ambient=is_ambient, notes=notes),
            workloads=(plan.stable, plan.canary),
            until=self._clock.monotonic() + KNOWN_FOR_SECONDS,
            remembered=remembered,
        )

    def _pod_labels(self, namespace: str, workload: str) -> Mapping[str, str] | None:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{workload}"
        try:
            return self._transport.get(path, Deployment).spec.template.metadata.labels
        except NotFound:
            return None

    def _ambience(self, namespace: str) -> tuple[bool, tuple[str, ...]]:
        try:
            labels = self._transport.get(f"/api/v1/namespaces/{namespace}", Labelled).metadata.labels
        except (NotFound, TerminalError) as exc:
            return False, (f"whether namespace {namespace} is in ambient mode is not known: {exc}",)
        return labels.get("istio.io/dataplane-mode") == "ambient", ()

    def _remember(self, key: ServiceKey, around: _Surroundings, routes: Routes) -> None:
        if around.pair.is_complete and not routes.faults:
            pairs = [route for route in routes.routes if isinstance(route, PairRoute)]
            remembered = {route.stable.target: Arm.STABLE for route in pairs}
            remembered |= {route.canary.target: Arm.CANARY for route in pairs}
            around = replace(around, remembered=remembered)
        with self._lock:
            self._known[key] = around
            self._known.move_to_end(key)
            while len(self._known) > REMEMBERED_SERVICES:
                self._known.popitem(last=False)

"""Istio objects in short: what the tests say of a VirtualService, and nothing else."""

from typing import Any

import msgspec

from canary.adapters.istio.destination_rules import Neighbourhood, Pair, neighbourhood_of
from canary.adapters.istio.objects import DestinationRule, Service, VirtualService
from canary.adapters.istio.routes import RouteFinder
from canary.domain.errors import Problem
from canary.domain.observation import Routes
from canary.domain.plan import RouteRef

Json = dict[str, Any]
NAMESPACE = "shop"
HOST = "checkout.shop.svc.cluster.local"
STABLE_LABELS = {"app": "checkout", "track": "stable"}
CANARY_LABELS = {"app": "checkout", "track": "canary"}


def leg(host: str = "checkout", subset: str | None = None, weight: int | None = None) -> Json:
    destination = {"host": host} | ({"subset": subset} if subset else {})
    return {"destination": destination} | ({} if weight is None else {"weight": weight})


def split(stable: int | None = 100, canary: int | None = 0, host: str = "checkout") -> list[Json]:
    return [leg(host, "stable", stable), leg(host, "canary", canary)]


def virtual_service(*http: Any, name: str = "checkout", namespace: str = NAMESPACE, **spec: Any) -> Json:
    """``http``: lists of destinations, or whole routes."""
    routes = [{"route": item} if isinstance(item, list) else item for item in http]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace, "resourceVersion": "7"},
        "spec": {"hosts": ["checkout"], "http": routes, **spec},
    }


def destination_rule(host: str = "checkout", **subsets: dict[str, str]) -> Json:
    named = subsets or {"stable": {"track": "stable"}, "canary": {"track": "canary"}}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": host.replace("*", "any").replace(".", "-"), "namespace": NAMESPACE},
        "spec": {"host": host, "subsets": [{"name": name, "labels": to} for name, to in named.items()]},
    }


def service(name: str = "checkout", **selector: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": selector or {"app": "checkout"}, "ports": [{"port": 80}]},
    }


def pair(**changes: Any) -> Pair:
    known: Json = {
        "stable": "checkout",
        "canary": "checkout-canary",
        "service_host": HOST,
        "stable_host": HOST,
        "canary_host": "checkout-canary.shop.svc.cluster.local",
        "stable_labels": STABLE_LABELS,
        "canary_labels": CANARY_LABELS,
    }
    return Pair(**(known | changes))


def neighbourhood(services: list[Json] | None = None, rules: list[Json] | None = None) -> Neighbourhood:
    return neighbourhood_of(
        NAMESPACE,
        [msgspec.convert(item, Service) for item in ([service()] if services is None else services)],
        [
            msgspec.convert(item, DestinationRule)
            for item in ([destination_rule()] if rules is None else rules)
        ],
    )


def found(
    *virtual_services: Json,
    only: tuple[RouteRef, ...] = (),
    around: Neighbourhood | None = None,
    of: Pair | None = None,
    withheld: tuple[Problem, ...] = (),
) -> Routes:
    finder = RouteFinder(NAMESPACE, of or pair(), around or neighbourhood(), only)
    return finder.find([msgspec.convert(item, VirtualService) for item in virtual_services], withheld)

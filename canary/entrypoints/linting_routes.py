"""Linting what is around a service: its two workloads, and the routes to both, as far as files show them.

By the controller's own eyes for routes. The cluster may hold more than the files do, so all of it is doubt.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from canary.adapters.decoding import convert
from canary.adapters.istio.destination_rules import Pair, neighbourhood_of
from canary.adapters.istio.hosts import service_host
from canary.adapters.istio.objects import Deployment, DestinationRule, Service, VirtualService
from canary.adapters.istio.routes import RouteFinder
from canary.adapters.istio.shared import not_shared
from canary.domain.consent import shared_with
from canary.domain.errors import Problem
from canary.domain.plan import Plan, ServiceKey
from canary.entrypoints.manifests import ISTIO, Manifest

__all__ = ["surroundings_problems"]

T = TypeVar("T")


def surroundings_problems(
    manifests: Sequence[Manifest], key: ServiceKey, plan: Plan, cluster_domain: str
) -> tuple[Problem, ...]:
    """Return what would keep the service's traffic from being shifted, were the files all that there is.

    Without any Deployment in its namespace nothing is said, and without both workloads and a VirtualService
    nothing of routes.
    """
    own = [item for item in manifests if item.namespace == key.namespace]
    workloads = {
        item.metadata.name: item.spec.template.metadata.labels for item in _all(own, "apps", Deployment)
    }
    if missing := tuple(_missing_workloads(workloads, plan)) if workloads else ():
        return missing
    virtual_services = _all(own, ISTIO, VirtualService)
    if not workloads or not virtual_services:
        return ()
    named = {
        (ref.namespace, ref.virtual_service) for ref in plan.virtual_services if ref.namespace is not None
    }
    elsewhere = [
        item
        for item in _all(manifests, ISTIO, VirtualService)
        if (item.metadata.namespace, item.metadata.name) in named
    ]
    shared = [item for item in elsewhere if shared_with(item.metadata.annotations, key.namespace)]
    finder = RouteFinder(
        key.namespace,
        _pair(key, plan, workloads, cluster_domain),
        neighbourhood_of(
            key.namespace, _all(own, "", Service), _all(own, ISTIO, DestinationRule), cluster_domain
        ),
        plan.virtual_services,
        cluster_domain,
    )
    withheld = tuple(not_shared(item.home, key.namespace) for item in elsewhere if item not in shared)
    return finder.find([*virtual_services, *shared], withheld).problems


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


def _all(manifests: Iterable[Manifest], group: str, kind: type[T]) -> list[T]:
    """Return the well-formed objects of a kind; kubectl tells of the others."""
    found = (_read(item, kind) for item in manifests if item.is_a(group, kind.__name__))
    return [item for item in found if item is not None]


def _read(item: Manifest, kind: type[T]) -> T | None:
    metadata = item.metadata | {"namespace": item.namespace}
    try:
        return convert(item.value | {"metadata": metadata}, kind)
    except msgspec.ValidationError:
        return None

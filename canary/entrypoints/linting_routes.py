"""Linting what is around a service: its two workloads, and the routes to both, as far as files show them.

By the controller's own eyes for routes. The cluster may hold more than the files do, so all of it is doubt,
and where the files have too little to tell nothing is said: many lint one file of several.
"""

from collections.abc import Iterator, Sequence

from canary.adapters.istio.destination_rules import Labels, Pair
from canary.adapters.istio.hosts import service_host
from canary.adapters.istio.objects import Home
from canary.adapters.istio.routes import PairRoute, RouteFinder, RouteProblem
from canary.adapters.istio.shared import NAMED_BY, not_shared
from canary.domain.consent import shared_with
from canary.domain.errors import Problem
from canary.domain.observation import Routes
from canary.domain.plan import Plan, ServiceKey
from canary.domain.reference import VIRTUAL_SERVICES
from canary.entrypoints.findings import Doubt
from canary.entrypoints.linting_istio import surprises_of
from canary.entrypoints.linting_rivals import rivals_of
from canary.entrypoints.linting_surroundings import Place, Surroundings
from canary.entrypoints.manifests import Manifest

__all__ = ["doubts_around"]

MOST_NAMES = 5


def doubts_around(service: Manifest, plan: Plan, surroundings: Surroundings) -> Iterator[Doubt]:
    """Yield what would keep the service's traffic from being shifted, were the files all that there is.

    Of workloads only what is wrong with them, where anything is: routes are found by their pods.
    """
    place = surroundings.places[service.namespace]
    wrong = [*_missing(service, plan, surroundings), *_misrouted(service, plan, place, surroundings)]
    if wrong:
        yield from wrong
        return
    stable, canary = place.workloads.get(plan.stable), place.workloads.get(plan.canary)
    labels = [each.labels if each is not None else None for each in (stable, canary)]
    routes = _routes(service, plan, surroundings, labels)
    is_bare = stable is None and canary is None and _is_unrouted(service, plan, surroundings)
    if None not in labels or is_bare:
        for problem in routes.problems:
            item, line = _place_of(problem, service, surroundings)
            yield Doubt(problem, item, line)
    # Without pods' labels only what is unmistakable by its name is found, and that is certain enough to warn.
    pairs = [route for route in routes.routes if isinstance(route, PairRoute)]
    yield from surprises_of(pairs, service.namespace, surroundings)
    yield from rivals_of(pairs, service.namespace, surroundings)


def _place_of(problem: Problem, service: Manifest, surroundings: Surroundings) -> tuple[Manifest, int]:
    """Object and line of a problem with routes: of the route where it is one's."""
    if isinstance(problem, RouteProblem):
        item = surroundings.manifest_of(problem.home)
        route = () if problem.index is None else ("spec", "http", problem.index)
        return item, item.line(*(route or ("metadata", "name")))
    if problem.where == NAMED_BY:
        return service, service.line_of_annotation(VIRTUAL_SERVICES.key)
    return service, service.line("metadata", "name")


def _missing(service: Manifest, plan: Plan, surroundings: Surroundings) -> Iterator[Doubt]:
    """Workloads that are not there, among Deployments, or where another namespace has them."""
    own = surroundings.places[service.namespace].workloads
    for name, role in ((plan.stable, "stable"), (plan.canary, "canary")):
        elsewhere = surroundings.namespaces_of.get(name, ())
        if name in own or not (own or elsewhere):
            continue
        found = f"no Deployment {name} in namespace {service.namespace}"
        if elsewhere:
            have = f"there is one in {_some(elsewhere)}: write its namespace"
        else:
            have = f"the files have the Deployments {_some(sorted(own))}: add it"
        problem = Problem(f"the {role} workload", found, f"{have}, or name another in canaryctl.dev/{role}")
        yield Doubt(problem, service, service.line("metadata", "name"))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _misrouted(service: Manifest, plan: Plan, place: Place, surroundings: Surroundings) -> Iterator[Doubt]:
    """Workloads whose pods no Service selects, unless routes lead to Services that the files do not have."""
    selector = place.neighbourhood.selectors.get(_host(service.name, service, surroundings))
    if not selector or place.leads_elsewhere:
        return
    for name, role in ((plan.stable, "stable"), (plan.canary, "canary")):
        workload = place.workloads.get(name)
        if workload is None or workload.labels is None or place.nearby.is_selected(workload.labels):
            continue
        found = f"pods with {_labels(workload.labels)}, which no Service here selects"
        remedy = (
            f"give them what Service {service.name} selects, {_labels(selector)}, or lint whichever "
            "does select them together with this one"
        )
        problem = Problem(f"the {role} workload, Deployment {name}", found, remedy)
        yield Doubt(problem, workload.item, workload.item.line("spec", "template", "metadata", "labels"))


def _labels(labels: Labels) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items())) or "no labels"


def _is_unrouted(service: Manifest, plan: Plan, surroundings: Surroundings) -> bool:
    """Whether no VirtualService can lead to the service's workloads, whatever labels their pods may have.

    That is certain where all lead to Services that the files have, and that select by other values of the
    same labels as this one.
    """
    place = surroundings.places[service.namespace]
    own = place.neighbourhood.selectors.get(_host(service.name, service, surroundings))
    may_be_elsewhere = place.leads_elsewhere or place.nearby.anywhere or plan.virtual_services
    if not place.nearby.all or own is None or may_be_elsewhere:
        return False
    hosts = (_host(name, service, surroundings) for name in (service.name, plan.stable, plan.canary))
    if any(host in place.nearby.by_host for host in hosts):
        return False
    led_to = (place.neighbourhood.selectors.get(host, {}) for host in place.nearby.by_host)
    return all(_exclude_each_other(own, selector) for selector in led_to if selector)


def _exclude_each_other(one: Labels, other: Labels) -> bool:
    return any(one.get(label, value) != value for label, value in other.items())


def _host(name: str, service: Manifest, surroundings: Surroundings) -> str:
    return service_host(name, service.namespace, surroundings.cluster_domain)


def _routes(
    service: Manifest, plan: Plan, surroundings: Surroundings, labels: Sequence[Labels | None]
) -> Routes:
    place, key = surroundings.places[service.namespace], ServiceKey(service.namespace, service.name)
    if not place.nearby.all:
        return Routes()
    homes = (Home(ref.namespace, ref.virtual_service) for ref in plan.virtual_services if ref.namespace)
    known = surroundings.virtual_services
    elsewhere = [known[home][1] for home in dict.fromkeys(homes) if home in known]
    shared = [item for item in elsewhere if shared_with(item.metadata.annotations, key.namespace)]
    hosts = [_host(name, service, surroundings) for name in (key.name, plan.stable, plan.canary)]
    pair = Pair(plan.stable, plan.canary, hosts[0], hosts[1], hosts[2], labels[0], labels[1])
    only, domain = plan.virtual_services, surroundings.cluster_domain
    finder = RouteFinder(key.namespace, pair, place.neighbourhood, only, domain)
    withheld = tuple(not_shared(item.home, key.namespace) for item in elsewhere if item not in shared)
    # A plan that names some is told which there are.
    own = place.nearby.all if plan.virtual_services else place.nearby.around(pair)
    return finder.find([*own, *shared], withheld)

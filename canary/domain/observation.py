"""An observation: everything that a decision may look at, read in one pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from canary.domain.errors import Problem
from canary.domain.measurement import Measurement, NoData
from canary.domain.plan import Gate, Plan
from canary.domain.weight import Split, percent_of

__all__ = ["Observation", "Requests", "Route", "Routes", "Workload"]


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment as Kubernetes reports it now."""

    name: str
    version: str
    """The resourceVersion that a write must carry."""
    revision: str
    """The newest ReplicaSet's pod-template-hash; empty while there is none for the present template."""
    replicas: int
    """How many pods are asked for."""
    ready: int
    """How many pods are ready, of whichever revision."""
    rolled_out: bool
    """Every pod asked for is of the newest revision and ready, none other is left, and there is one."""
    trouble: str | None = None
    """What Kubernetes says is wrong with its pods, such as a crash loop, in words; None when nothing."""

    @property
    def can_serve(self) -> bool:
        """At least one pod is ready."""
        return self.ready > 0


@dataclass(frozen=True, slots=True)
class Route:
    """One http route whose destinations include stable and canary."""

    virtual_service: str
    """Its name, or ``NAME.NAMESPACE`` where that is not the service's own."""
    index: int
    """Position in ``spec.http``."""
    name: str
    """The route's own name, or its position in words."""
    split: Split
    """The present weights of the pair; their sum must not change."""


@dataclass(frozen=True, slots=True)
class Routes:
    """Every route that sends traffic to the pair, as it is now."""

    routes: tuple[Route, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """The resourceVersion of each VirtualService with such a route, which a write must carry."""
    stable_host: str = ""
    canary_host: str = ""
    """FQDNs under which Istio counts the two destinations; often the same."""
    left_out: tuple[str, ...] = ()
    """Routes and destinations that were found and are none of our business, each in a phrase."""
    stable_has_other_ways: bool = False
    canary_has_other_ways: bool = False
    """Whether requests come to the workload by routes that give it all of theirs, or by none at all."""
    absent: bool = False
    """No VirtualService sends to the service, nor may one do so unseen: all of its pods get requests."""
    problems: tuple[Problem, ...] = ()
    """Why traffic cannot be shifted; empty when it can. Never empty when there are no routes."""
    withheld: tuple[Problem, ...] = ()
    """Those of ``problems`` that stand for a VirtualService of another namespace which may not be looked at:
    what weight it gives the canary is unknown, and only people elsewhere can change that."""

    @property
    def faults(self) -> tuple[Problem, ...]:
        """What is wrong with the routes that can be seen."""
        return tuple(problem for problem in self.problems if problem not in self.withheld)

    @property
    def max_canary_percent(self) -> int:
        """The canary's largest share over all routes, in percent, rounded up; 0 when there are no routes."""
        return max((-int(-percent_of(route.split) // 1) for route in self.routes), default=0)


@dataclass(frozen=True, slots=True)
class Requests:
    """What people have asked of one release, from its spec."""

    abort: str | None = None
    """Who aborts and why, in words; None when nobody does."""
    retry: bool = False
    approved: frozenset[Gate] = frozenset()
    promote: bool = False
    """Skip what is left of the steps; still refused while an objective is breached."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The world of one service at one moment."""

    plan: Plan | None
    """The plan as it is asked for now; None when the service has opted out or is gone."""
    plan_problems: tuple[Problem, ...] = ()
    """Set when the annotations cannot be understood; ``plan`` is None then."""
    stable: Workload | None = None
    canary: Workload | None = None
    canary_matches_stable: bool = False
    """The canary's template asks for what stable already runs."""
    routes: Routes = Routes()
    measurements: tuple[Measurement, ...] = ()
    """The windows after ``evidence.evaluated_until``, in order, without gaps in what is known."""
    history: tuple[Measurement, ...] | None = None
    """Windows from before the release; None while they are not known."""
    queries: Mapping[str, str] = field(default_factory=dict)
    """By metric: the query of one window."""
    no_data: NoData | None = None
    """Why nothing newer could be measured, when the latest look failed."""
    requests: Requests = Requests()
    stable_template: str | None = None
    """Stable's present pod template; read where a promotion may begin, so that it can be kept."""
    stable_holds_judged: bool = False
    """Stable's template already is the judged one. Read while Promoting."""
    judged_template_gone: bool = False
    """Kubernetes no longer has the judged revision's template. Read while Promoting."""
    stable_holds_previous: bool = False
    """Stable's template is the one from before promotion. Read while restoring it."""

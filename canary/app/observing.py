"""Observing: reading, live and in one go, all that a decision about one service may look at."""

import threading
from collections.abc import Callable

from canary.app.errors import NotFound
from canary.app.ports import Measurements, MetricTarget, RouteTable, Workloads
from canary.domain.errors import Problem
from canary.domain.istio_metrics import SOURCE
from canary.domain.observation import Observation, Requests, Routes, Workload
from canary.domain.plan import Plan, ServiceKey
from canary.domain.release import Phase, Release, Stage

__all__ = ["Observer", "metric_target"]


def metric_target(
    release: Release, routes: Routes, evaluated_until: float, reporter: str = SOURCE
) -> MetricTarget:
    """Return ``release`` as the collector needs to know it."""
    return MetricTarget(
        key=release.key,
        release=release.name,
        stable_workload=release.plan.stable,
        canary_workload=release.plan.canary,
        hosts=frozenset(host for host in (routes.stable_host, routes.canary_host) if host),
        objectives=release.plan.objectives,
        thresholds=release.plan.thresholds,
        window_seconds=release.window_seconds,
        evaluated_until=evaluated_until,
        interval_seconds=release.plan.interval_seconds,
        dry_run=release.plan.dry_run,
        reporter=reporter,
        history_until=release.created_at if release.evidence.history_until is None else None,
    )


class Observer:
    """Reads workloads and routes from their ports, and measurements from the collector.

    ``measurements`` is the collector's. The releases that are being measured are kept as ``targets`` for
    its tick. ``reporter`` is whose count of the requests judges.
    """

    def __init__(
        self,
        workloads: Workloads,
        routes: RouteTable,
        measurements: Callable[[ServiceKey, str, float], Measurements],
        reporter: str = SOURCE,
    ) -> None:
        self._workloads = workloads
        self._routes = routes
        self._measurements = measurements
        self._reporter = reporter
        self._lock = threading.Lock()
        self._targets: dict[tuple[ServiceKey, str], MetricTarget] = {}

    def targets(self) -> tuple[MetricTarget, ...]:
        """The releases to be measured, each as of its last pass."""
        with self._lock:
            return tuple(self._targets.values())

    def forget(self, key: ServiceKey) -> None:
        """Have no release of a service measured any more."""
        with self._lock:
            for target in [target for target in self._targets if target[0] == key]:
                del self._targets[target]

    def follow(self, release: Release, observation: Observation, saved_until: float) -> None:
        """Have ``release`` measured from now on, or no more, as its phase asks.

        What was measured after ``saved_until`` is kept: unsaved evidence may have to be folded again.
        """
        if not release.is_measured:
            with self._lock:
                self._targets.pop((release.key, release.name), None)
            return
        target = metric_target(release, observation.routes, saved_until, self._reporter)
        with self._lock:
            self._targets[release.key, release.name] = target

    def observe_idle(self, key: ServiceKey, plan: Plan) -> Observation:
        """Read a service that has no release under way."""
        pair = self._workloads.read(key, plan)
        return Observation(
            plan=plan,
            stable=pair.stable,
            canary=pair.canary,
            canary_matches_stable=pair.canary_matches_stable,
            routes=self._routes.read(key, plan),
        )

    def observe(
        self, release: Release, plan: Plan | None, problems: tuple[Problem, ...], requests: Requests
    ) -> Observation:
        """Read everything that the present phase of ``release`` needs."""
        pair = self._workloads.read(release.key, release.plan)
        routes: Routes = self._routes.read(release.key, release.plan)
        measured = Measurements()
        if release.is_measured:
            measured = self._measurements(release.key, release.name, release.evidence.evaluated_until)
        holds_judged, gone = self._promotion_facts(release, pair.stable)
        return Observation(
            plan=plan,
            plan_problems=problems,
            stable=pair.stable,
            canary=pair.canary,
            canary_matches_stable=pair.canary_matches_stable,
            routes=routes,
            measurements=measured.windows,
            no_data=measured.no_data,
            history=measured.history,
            queries=measured.queries,
            requests=requests,
            stable_template=self._template_to_keep(release, pair.stable),
            stable_holds_judged=holds_judged,
            judged_template_gone=gone,
            stable_holds_previous=self._is_restored(release, pair.stable),
        )

    def _template_to_keep(self, release: Release, stable: Workload | None) -> str | None:
        if stable is None or release.phase not in {Phase.PROGRESSING, Phase.HELD}:
            return None
        return self._workloads.stable_template(release.key, stable)

    def _promotion_facts(self, release: Release, stable: Workload | None) -> tuple[bool, bool]:
        if stable is None or (release.phase is not Phase.PROMOTING and release.stage is not Stage.RESTORING):
            return False, False
        try:
            holds = self._workloads.holds_template_of(release.key, release.plan, stable, release.revision)
        except NotFound:
            return False, True
        return holds, False

    def _is_restored(self, release: Release, stable: Workload | None) -> bool:
        if stable is None or release.stage is not Stage.RESTORING or release.previous_template is None:
            return False
        return self._workloads.holds_template(release.key, stable, release.previous_template)

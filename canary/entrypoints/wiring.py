"""Wiring: the only place that constructs adapters and ties them to the loop."""

import os
import random
import secrets
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary.adapters.istio.virtual_services import IstioRoutes
from canary.adapters.kube.connection import connect
from canary.adapters.kube.events import KubeEvents
from canary.adapters.kube.follow import WatchGroup, watch_deployments, watch_releases
from canary.adapters.kube.leases import KubeLeases
from canary.adapters.kube.policies import PolicyWatch
from canary.adapters.kube.release_survey import ReleaseSurvey
from canary.adapters.kube.releases import KubeReleases
from canary.adapters.kube.services import ServiceWatch
from canary.adapters.kube.transport import Transport
from canary.adapters.kube.workloads import KubeDeployments
from canary.adapters.prometheus.client import PrometheusSource
from canary.app.backoff import Backoff
from canary.app.book import Timing
from canary.app.collector import Collector
from canary.app.controller import Controller
from canary.app.index import ServiceIndex
from canary.app.leadership import Leadership, NoFence
from canary.app.loop import Loop
from canary.app.observing import Observer
from canary.app.planning import Planner
from canary.app.ports import MetricTarget
from canary.app.reconciler import Reconciler, ReconcilerPorts, ReconcilerSettings
from canary.app.scheduler import Scheduler
from canary.app.workqueue import WorkQueue
from canary.domain.plan import ServiceKey
from canary.entrypoints.clock import SystemClock
from canary.entrypoints.health import Heartbeat
from canary.entrypoints.logs import LogAnnouncer, announcers
from canary.entrypoints.page.content import Overview, overview
from canary.entrypoints.page.reader import Reader
from canary.entrypoints.page.site import Site
from canary.entrypoints.plans import provided
from canary.entrypoints.providers import prometheus_access
from canary.entrypoints.settings import Settings
from canary.entrypoints.status_view import read_wishes
from canary.entrypoints.telemetry import PrometheusTelemetry

__all__ = ["Wired", "wire"]

POD_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
PROVIDER = "default"
STALLED_SECONDS = 60.0
"""A loop that has not ticked for longer than this is not alive."""


@dataclass(frozen=True, slots=True)
class Wired:
    """The controller, and what its process shows and ends with."""

    controller: Controller
    telemetry: PrometheusTelemetry
    watches: tuple[WatchGroup[Any], ...]
    heartbeat: Heartbeat
    site: Site
    """What the page shows; it looks only when it is asked."""
    close: Callable[[], None]


class _Changes:
    """Turns what the watches see into keys. The loop is tied on last: everything else has to exist first."""

    index: ServiceIndex
    services: ServiceWatch
    loop: Loop

    def service(self, key: ServiceKey) -> None:
        self.index.note(key, self.services.get(key))
        self.key(key)

    def deployment(self, namespace: str, name: str) -> None:
        for key in self.index.using_workload(namespace, name):
            self.key(key)

    def policy(self, namespace: str, name: str) -> None:
        for key in self.index.using_policy(namespace, name):
            # Its policy may name other workloads now.
            self.service(key)

    def key(self, key: ServiceKey) -> None:
        self.loop.changed(key)

    def uid_of(self, key: ServiceKey) -> str | None:
        service = self.services.get(key)
        return service.uid if service is not None else None


def wire(settings: Settings, stop: threading.Event) -> Wired:
    """Construct everything; raises ``WorldError`` when there is no cluster to talk to."""
    clock, telemetry, changes = SystemClock(), PrometheusTelemetry(), _Changes()
    transport = connect(settings.kubernetes.kubeconfig, settings.kubernetes.context, stop=stop)
    identity = settings.leadership.identity or f"{socket.gethostname()}-{secrets.token_hex(4)}"
    watches = _watches(settings.kubernetes.namespaces, transport, clock, changes)
    planner = Planner(watches.services, watches.policies, provided(settings.plans))
    changes.services, changes.index = watches.services, ServiceIndex(planner.plan_of)
    events = KubeEvents(transport, clock, changes.uid_of, identity)
    source = PrometheusSource(prometheus_access(settings.prometheus), clock)
    timing = Timing(lag_seconds=settings.prometheus.lag_seconds)
    collector = Collector(source, clock, PROVIDER, telemetry, timing)
    leadership = _leadership(settings, transport, clock, identity)
    workloads = KubeDeployments(transport)
    routes = IstioRoutes(transport, clock, settings.controller.cluster_domain)
    ports = ReconcilerPorts(
        services=watches.services,
        planner=planner,
        releases=KubeReleases(transport),
        workloads=workloads,
        routes=routes,
        observer=Observer(workloads, routes, collector.measurements, settings.prometheus.reporter),
        announcer=announcers(LogAnnouncer(), events),
        telemetry=telemetry,
        fence=leadership or NoFence(),
        clock=clock,
    )
    queue, heartbeat = WorkQueue(clock), Heartbeat(STALLED_SECONDS)
    loop = Loop(
        queue,
        Reconciler(ports, _reconciler_settings(settings)),
        ports,
        Backoff(random.SystemRandom().random),
        stop.set,
        watches.are_synced,
    )
    changes.loop = loop

    def on_leading(leads: bool) -> None:
        heartbeat.beat()
        telemetry.leading(leads)

    controller = Controller(
        queue=queue,
        loop=loop,
        scheduler=_scheduler(settings, queue, ports.observer.targets, collector, heartbeat, loop),
        watches=watches.all(),
        leadership=leadership,
        workers=settings.controller.workers,
        retry_seconds=settings.leadership.retry_period_seconds,
        stop=stop,
        on_leading=on_leading,
    )
    for watch in watches.all():
        telemetry.report_watches(watch.ages)
    events.start()

    def close() -> None:
        events.stop()
        source.close()

    survey = ReleaseSurvey(transport, settings.kubernetes.namespaces)
    site = Site(Reader(_looking(survey, watches, planner, clock), clock), clock)
    return Wired(controller, telemetry, watches.all(), heartbeat, site, close)


@dataclass(frozen=True, slots=True)
class _Watches:
    """Everything that is followed."""

    services: ServiceWatch
    policies: PolicyWatch
    deployments: WatchGroup[Any]
    releases: WatchGroup[Any]

    def all(self) -> tuple[WatchGroup[Any], ...]:
        return (self.services, self.policies, self.deployments, self.releases)

    def are_synced(self, namespace: str) -> bool:
        return all(watch.is_synced(namespace) for watch in self.all())


def _looking(
    survey: ReleaseSurvey, watches: _Watches, planner: Planner, clock: SystemClock
) -> Callable[[], Overview]:
    """The page asks the API server for releases only; the watches know the rest on every replica."""

    def look() -> Overview:
        as_of = clock.now()
        wishes = {item.key: read_wishes(item, planner.plan_of) for item in watches.services.all()}
        return overview(survey.look(), wishes, watches.deployments.names(), as_of)

    return look


def _watches(
    namespaces: Sequence[str], transport: Transport, clock: SystemClock, changes: _Changes
) -> _Watches:
    jitter = random.SystemRandom().random
    return _Watches(
        ServiceWatch(transport, clock, jitter, changes.service, namespaces),
        PolicyWatch(transport, clock, jitter, changes.policy, namespaces),
        watch_deployments(transport, clock, jitter, changes.deployment, namespaces),
        watch_releases(transport, clock, jitter, changes.key, namespaces),
    )


def _scheduler(
    settings: Settings,
    queue: WorkQueue,
    targets: Callable[[], tuple[MetricTarget, ...]],
    collector: Collector,
    heartbeat: Heartbeat,
    loop: Loop,
) -> Scheduler:
    return Scheduler(
        queue, targets, collector.tick, settings.controller.tick_seconds, loop.data_came, heartbeat.beat
    )


def _reconciler_settings(settings: Settings) -> ReconcilerSettings:
    return ReconcilerSettings(
        window_seconds=settings.prometheus.scrape_interval_seconds,
        tick_seconds=settings.controller.tick_seconds,
        checkpoint_seconds=settings.controller.checkpoint_interval_seconds,
        history_limit=settings.controller.history_limit,
    )


def _leadership(
    settings: Settings, transport: Transport, clock: SystemClock, identity: str
) -> Leadership | None:
    wanted = settings.leadership
    if not wanted.enabled:
        return None
    store = KubeLeases(transport, wanted.namespace or _own_namespace(), wanted.name)
    return Leadership(
        store,
        clock,
        identity,
        lease_seconds=wanted.lease_duration_seconds,
        renew_deadline_seconds=wanted.renew_deadline_seconds,
    )


def _own_namespace() -> str:
    """The namespace of the pod that this runs in, or ``default`` outside of one."""
    if named := os.environ.get("POD_NAMESPACE"):
        return named
    return POD_NAMESPACE_FILE.read_text().strip() if POD_NAMESPACE_FILE.is_file() else "default"

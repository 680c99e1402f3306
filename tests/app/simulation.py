"""A controller process over a simulated world, and what tests ask about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from canary.app.errors import ConflictError, LeadershipLost
from canary.app.observing import Observer
from canary.app.planning import Planner
from canary.app.ports import Measurements
from canary.app.reconciler import Reconciler, ReconcilerPorts, ReconcilerSettings
from canary.domain.measurement import Measurement
from canary.domain.plan import ObjectiveKind, ServiceKey
from canary.domain.policy import NOTHING_PROVIDED, Provided
from canary.domain.release import Release
from canary.domain.verdict import Reason
from tests.app.fakes import (
    AlwaysLeads,
    FakeAnnouncer,
    FakePolicies,
    FakeReleases,
    FakeRoutes,
    FakeWorkloads,
    Ports,
    SilentTelemetry,
)
from tests.app.world import KEY, Crash, World


@dataclass
class Simulation:
    """A controller process over a world; ``restart`` loses everything that it held in memory."""

    world: World
    checkpoint_seconds: float = 10.0
    restarts: int = 0
    fence: AlwaysLeads = field(default_factory=AlwaysLeads)
    provided: Provided = NOTHING_PROVIDED

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        world = self.world
        workloads, routes = FakeWorkloads(world), FakeRoutes(world)
        observer = Observer(workloads, routes, self._measurements)
        services = Ports(world)
        self.ports = ReconcilerPorts(
            services=services,
            planner=Planner(services, FakePolicies(world), self.provided),
            releases=FakeReleases(world),
            workloads=workloads,
            routes=routes,
            observer=observer,
            announcer=FakeAnnouncer(world),
            telemetry=SilentTelemetry(),
            fence=self.fence,
            clock=world,
        )
        settings = ReconcilerSettings(1.0, 1.0, self.checkpoint_seconds, 10)
        self.reconciler = Reconciler(self.ports, settings)

    def _measurements(self, key: ServiceKey, release: str, evaluated_until: float) -> Measurements:
        names = {
            objective.kind.value: objective.name
            for objective in self.world.releases[release][0].plan.objectives
        }
        windows = tuple(
            Measurement(
                item.window,
                {names[kind]: arms for kind, arms in item.counts.items() if kind in names},
                item.unattributed,
                gauges=item.gauges,
                edges={
                    f"{names[ObjectiveKind.LATENCY]}@{edge}": arms
                    for edge, arms in item.edges.items()
                    if ObjectiveKind.LATENCY in names
                },
            )
            for end, item in sorted(self.world.windows.items())
            if end > evaluated_until
        )
        return Measurements(windows, self.world.no_data or self.world.lacking)

    def run(self, seconds: int, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let the world and the controller go on, one second and as many passes as are due at a time."""
        for _ in range(seconds):
            if until():
                return
            for _ in range(20):
                wake = self._one_pass()
                if wake is None or wake > 0:
                    break
            self.world.advance(1)

    def _one_pass(self) -> float | None:
        try:
            return self.reconciler.reconcile(KEY)
        except Crash:
            self.restarts += 1
            self.restart()
            return 1.0
        except ConflictError:
            self.reconciler.forget(KEY)
            return 1.0
        except LeadershipLost:
            return 1.0

    # What tests ask about

    def release(self, index: int = -1) -> Release:
        return list(self.world.releases.values())[index][0]

    def ask(self, **wishes: object) -> None:
        """A person changes the spec of the newest release."""
        name = list(self.world.releases)[-1]
        release, version, requests = self.world.releases[name]
        self.world.releases[name] = (release, version + 1, replace(requests, **wishes))  # type: ignore[arg-type]

    def ask_when_there(self, **wishes: object) -> None:
        """A person waits for the release to have its first step, and then asks."""
        self.run(60, until=lambda: self.world.percent() > 0)
        self.ask(**wishes)

    def finished(self) -> bool:
        return bool(self.world.releases) and self.release().phase.is_terminal

    def reasons(self) -> list[Reason]:
        return [release.reason for release, _, _ in self.world.releases.values()]

    def told(self) -> Iterable[str]:
        return (f"{item.reason}: {item.message}" for item in self.world.announced)


def opted_in(**more: str) -> dict[str, str]:
    """Annotations of a service with short steps; ``max_latency="..."`` becomes ``max-latency``."""
    wishes = {"enabled": "true", "steps": "10@10s,50@10s,100@10s", "max-error-rate": "1%"}
    wishes |= {name.replace("_", "-"): value for name, value in more.items()}
    return {f"canaryctl.dev/{name}": value for name, value in wishes.items()}


def simulate(**more: str) -> Simulation:
    """A quiet world in which revision v2 has just been pushed to the canary."""
    simulation = Simulation(World(opted_in(**more)))
    simulation.world.deploy("checkout-canary", "v2")
    return simulation

"""The loop: what follows each way a pass can end, and that a defect stays in its key."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from canary.app.backoff import Backoff
from canary.app.errors import ConflictError, LeadershipLost, Retryable, TerminalError
from canary.app.loop import Loop
from canary.app.workqueue import WorkQueue
from canary.domain.plan import ServiceKey
from tests.app.simulation import Simulation, simulate
from tests.app.world import KEY

OTHER = ServiceKey("shop", "other")


@dataclass
class ScriptedReconciler:
    """Makes passes as told; counts them."""

    passes: dict[ServiceKey, Callable[[], float | None]] = field(default_factory=dict)
    made: list[ServiceKey] = field(default_factory=list)

    def reconcile(self, key: ServiceKey) -> float | None:
        self.made.append(key)
        return self.passes.get(key, lambda: None)()

    def forget(self, key: ServiceKey) -> None: ...


def fail(error: BaseException) -> Callable[[], float | None]:
    def make_pass() -> float | None:
        raise error

    return make_pass


@dataclass
class Stage:
    simulation: Simulation = field(default_factory=simulate)
    reconciler: ScriptedReconciler = field(default_factory=ScriptedReconciler)
    lost: threading.Event = field(default_factory=threading.Event)
    unknown: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.world = self.simulation.world
        self.queue = WorkQueue(self.world)
        self.loop = Loop(
            self.queue,
            self.reconciler,  # type: ignore[arg-type]
            self.simulation.ports,
            Backoff(lambda: 0.0),
            self.lost.set,
            lambda namespace: namespace not in self.unknown,
        )

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            while (key := self.queue.take(0)) is not None:
                self.loop.work_on(key)
                self.queue.done(key)
            self.world.advance(1)
            self.queue.release_due()


def test_defect_quarantines_its_key_loudly_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.reconciler.passes = {KEY: fail(ZeroDivisionError("a bug")), OTHER: lambda: 1.0}
    stage.loop.changed(KEY)
    stage.loop.changed(OTHER)
    stage.run(20)
    stage.queue.add(KEY)
    stage.run(5)
    assert stage.reconciler.made.count(KEY) == 1
    assert stage.reconciler.made.count(OTHER) > 15
    assert any("Quarantined" in line and "a bug" in line for line in stage.simulation.told())
    assert "ZeroDivisionError" in caplog.text


def test_quarantined_key_is_looked_at_again_when_its_service_changes() -> None:
    stage = Stage()
    stage.reconciler.passes = {KEY: fail(ZeroDivisionError("a bug"))}
    stage.loop.changed(KEY)
    stage.run(5)
    stage.reconciler.passes = {}
    stage.loop.changed(KEY)
    stage.run(5)
    assert stage.reconciler.made == [KEY, KEY]


def test_failing_world_is_asked_again_ever_more_rarely_and_without_end() -> None:
    stage = Stage()
    stage.reconciler.passes = {KEY: fail(Retryable("down"))}
    stage.loop.changed(KEY)
    stage.run(60)
    first = len(stage.reconciler.made)
    stage.run(600)
    assert 4 <= first <= 12
    assert 20 <= len(stage.reconciler.made) - first <= 60


def test_server_that_names_a_wait_is_not_asked_before_it_is_over() -> None:
    stage = Stage()
    stage.reconciler.passes = {KEY: fail(Retryable("busy", retry_after_seconds=40.0))}
    stage.loop.changed(KEY)
    stage.run(38)
    assert len(stage.reconciler.made) == 1
    stage.run(6)
    assert len(stage.reconciler.made) == 2


def test_conflict_is_looked_at_again_soon() -> None:
    stage = Stage()
    stage.reconciler.passes = {KEY: fail(ConflictError("moved"))}
    stage.loop.changed(KEY)
    stage.run(3)
    assert len(stage.reconciler.made) >= 2


def test_refusal_is_told_in_the_servers_words_and_tried_rarely() -> None:
    stage = Stage()
    stage.reconciler.passes = {KEY: fail(TerminalError("admission webhook denied the request: no"))}
    stage.loop.changed(KEY)
    stage.run(65)
    assert len(stage.reconciler.made) == 3
    assert any("admission webhook denied" in line for line in stage.simulation.told())


def test_lost_leadership_ends_the_process() -> None:
    stage = Stage()
    stage.reconciler.passes = {KEY: fail(LeadershipLost("paused too long"))}
    stage.loop.changed(KEY)
    stage.run(1)
    assert stage.lost.is_set()


def test_namespace_that_is_not_known_yet_is_waited_for_and_the_others_are_not() -> None:
    stage = Stage()
    elsewhere = ServiceKey("pay", "till")
    stage.unknown.add("shop")
    for key in (KEY, elsewhere):
        stage.loop.work_on(key)
    assert stage.reconciler.made == [elsewhere]
    stage.unknown.clear()
    stage.world.advance(1)
    stage.queue.release_due()
    assert stage.queue.take(timeout_seconds=0.0) == KEY

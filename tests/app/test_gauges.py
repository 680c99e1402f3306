"""Releases that are watched by a gauge: it fails one, holds one and lets one go on, without statistics."""

from dataclasses import replace

from canary.app.ports import StoredPolicy
from canary.domain.evidence import Checks
from canary.domain.measurement import NoData, NoDataReason
from canary.domain.metric_template import Gauge, GaugeTemplate
from canary.domain.policy import NOTHING_PROVIDED, PolicySpec
from canary.domain.policy_objectives import PolicyObjective
from canary.domain.release import Phase
from canary.domain.verdict import Outcome, Reason
from tests.app.simulation import Simulation, simulate
from tests.app.world import EPOCH

TEMPLATES = {"queue": GaugeTemplate(Gauge("queue_length"))}
QUEUE = PolicyObjective("queue-length", template="queue", at_most=500.0, every="2s")
UNHEARD = NoData(NoDataReason.ABSENT, "queue-length: nothing of queue_length was scraped of late", EPOCH)


def watched(objective: PolicyObjective = QUEUE, **more: str) -> Simulation:
    simulation = simulate(policy="watched", **more)
    simulation.provided = replace(NOTHING_PROVIDED, templates=TEMPLATES)
    simulation.restart()
    spec = PolicySpec(objectives=(objective,))
    simulation.world.policies = {("shop", "watched"): StoredPolicy("shop", "watched", spec)}
    simulation.world.gauges = {"queue-length": (20.0, 40.0)}
    return simulation


def at_first_step(simulation: Simulation) -> Simulation:
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    assert simulation.world.percent() == 10
    return simulation


def checks(simulation: Simulation) -> Checks:
    working = simulation.reconciler._working[simulation.release().key].release
    return working.evidence.step_checks["queue-length"]


def test_a_release_whose_gauge_keeps_its_bound_is_promoted() -> None:
    simulation = watched()
    simulation.run(200, until=simulation.finished)
    release = simulation.release()
    assert (release.phase, simulation.world.weights) == (Phase.SUCCEEDED, [0, 10, 50, 100, 0])
    assert release.verdict is not None
    assert "queue-length: canary 20 vs stable 40 (at most 500, " in release.verdict.sentence
    assert "threshold rule)" in release.verdict.sentence


def test_a_gauge_that_grows_ends_the_release_and_is_named() -> None:
    simulation = at_first_step(watched())
    simulation.run(5)
    world = simulation.world
    for _ in range(60):
        canary, stable = world.gauges["queue-length"]
        world.gauges["queue-length"] = (canary + 200.0, stable)
        simulation.run(1)
    release = simulation.release()
    assert (release.phase, release.reason) == (Phase.ROLLED_BACK, Reason.THRESHOLD_BREACHED)
    assert world.weights[-1] == 0
    assert release.message.startswith("FAIL queue-length: ")
    assert "more than the 500 that are allowed, in 3 of " in release.message
    assert "threshold rule, no statistics" in release.message
    assert release.verdict is not None
    assert release.verdict.objective == "queue-length"


def test_a_gauge_over_its_bound_takes_no_step_although_so_many_failures_are_allowed() -> None:
    simulation = at_first_step(watched(replace(QUEUE, failures=1000)))
    simulation.world.gauges["queue-length"] = (501.0, 40.0)
    simulation.run(120)
    release = simulation.release()
    assert (release.phase, release.reason, simulation.world.percent()) == (Phase.HELD, Reason.SUSPICION, 10)
    simulation.world.gauges["queue-length"] = (499.0, 40.0)
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_a_gauge_that_is_not_scraped_holds_the_release_and_the_deadline_decides() -> None:
    simulation = watched(deadline="2m", on_no_data="rollback")
    world = simulation.world
    world.gauges, world.lacking = {}, UNHEARD
    simulation.run(90)
    held = simulation.release()
    assert (held.phase, held.reason, world.weights) == (Phase.HELD, Reason.NO_DATA, [0, 10])
    assert "queue_length" in held.message
    simulation.run(100, until=simulation.finished)
    ended = simulation.release()
    assert (ended.phase, ended.reason) == (Phase.ROLLED_BACK, Reason.DEADLINE_EXCEEDED)


def test_a_gauge_of_which_nothing_is_said_holds_by_itself_and_goes_on_when_it_is_scraped() -> None:
    simulation = watched()
    simulation.world.gauges = {}
    simulation.run(120)
    held = simulation.release()
    assert (held.phase, held.reason, simulation.world.percent()) == (Phase.HELD, Reason.TOO_FEW_CHECKS, 10)
    assert "(queue-length): none was taken in step 1 of 3 (10 %) yet" in held.message
    simulation.world.gauges = {"queue-length": (20.0, 40.0)}
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_a_gauge_that_goes_silent_at_the_end_of_a_step_holds_it() -> None:
    simulation = at_first_step(watched())
    simulation.run(5)
    simulation.world.gauges = {}
    simulation.run(60)
    held = simulation.release()
    assert (held.phase, held.reason, simulation.world.percent()) == (Phase.HELD, Reason.NO_DATA, 10)
    assert "no fresh value of the canary" in held.message


def test_restarts_count_no_check_twice_and_forget_none() -> None:
    plan = {"steps": "10@5m,100@10s"}
    steady, restarted = (at_first_step(watched(replace(QUEUE, failures=9), **plan)) for _ in range(2))
    for simulation in (steady, restarted):
        simulation.world.gauges["queue-length"] = (900.0, 40.0)
    steady.run(12)
    for _ in range(4):
        restarted.run(3)
        restarted.restart()
    for simulation in (steady, restarted):
        simulation.world.gauges["queue-length"] = (20.0, 40.0)
        simulation.run(30)
    assert checks(steady).failed == 6
    assert checks(restarted) == checks(steady)


def test_deaf_proxies_do_not_keep_a_growing_gauge_from_failing_the_canary() -> None:
    simulation = at_first_step(watched(steps="10@10s,50@60s,100@10s"))
    world = simulation.world
    world.proxies_deaf_at = 10
    simulation.run(60, until=lambda: world.percent() == 50)
    simulation.run(20)
    assert simulation.release().reason is Reason.SPLIT_NOT_OBSERVED
    world.gauges["queue-length"] = (900.0, 40.0)
    simulation.run(30, until=lambda: world.percent() == 0)
    assert simulation.release().reason is Reason.THRESHOLD_BREACHED
    verdict = simulation.release().verdict
    assert verdict is not None
    assert verdict.outcome is Outcome.FAIL

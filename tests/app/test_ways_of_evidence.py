"""What evidence, and the lack of it, does to a release."""

import re
from dataclasses import replace

import pytest

from canary.app.errors import ConflictError
from canary.domain.measurement import NoData, NoDataReason
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from tests.app.simulation import Simulation, simulate
from tests.app.world import EPOCH, Behaviour


def at_first_step(simulation: Simulation) -> Simulation:
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    assert simulation.world.percent() == 10
    return simulation


def test_canary_that_only_fails_from_its_first_request_is_rolled_back() -> None:
    simulation = simulate()
    simulation.world.behaviours["v2"] = Behaviour(errors=1.0)
    simulation.run(100, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.world.failed_requests <= 60


def test_dead_canary_is_rolled_back_although_it_answers_nothing() -> None:
    simulation = at_first_step(simulate())
    simulation.world.dead.add("checkout-canary")
    simulation.run(60, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.world.percent() == 0


def test_requests_lost_before_the_canary_was_sent_any_are_not_the_canarys() -> None:
    simulation = simulate()
    world = simulation.world

    def denied(_: int) -> None:
        if world.astray and world.releases and simulation.release().phase is Phase.PROGRESSING:
            raise ConflictError("the route is being mended")

    world.astray, world.before_write = True, denied
    simulation.run(60)
    assert (simulation.release().phase, world.percent()) == (Phase.PROGRESSING, 0)
    world.astray = False
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_requests_lost_since_the_canary_is_sent_some_roll_it_back_and_are_told_by_number() -> None:
    simulation = at_first_step(simulate())
    simulation.run(3)
    simulation.world.astray = True
    simulation.run(60, until=lambda: simulation.release().phase is Phase.ROLLING_BACK)
    release = simulation.release()
    assert release.reason is Reason.UNATTRIBUTED_ERRORS
    assert re.search(r"reached no workload: [\d.]+ % \[.*\] \(\d+ of \d+\)", release.message), release.message


@pytest.mark.parametrize(("rate", "bake_at_least"), [(2.0, 5), (100.0, 9)])
def test_step_whose_weight_the_proxies_do_not_hear_of_is_held_and_begins_when_they_do(
    rate: float, bake_at_least: int
) -> None:
    """The fewer requests there are, the longer it takes to tell, and the clock may run by then."""
    simulation = at_first_step(simulate(min_requests="1"))
    world = simulation.world
    world.rate = rate
    world.proxies_deaf_at = 10
    simulation.run(400, until=lambda: world.percent() == 50)
    simulation.run(120)
    held = simulation.release()
    assert (held.phase, held.reason, world.percent()) == (Phase.HELD, Reason.SPLIT_NOT_OBSERVED, 50)
    assert "do not follow the weights: in step 2 of 3 (50 %) the canary got" in held.message
    world.proxies_deaf_at = None
    heard_at = world.now_at
    simulation.run(600, until=lambda: world.percent() == 100)
    assert world.percent() == 100
    assert world.now_at - heard_at >= bake_at_least
    simulation.run(600, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_deaf_proxies_do_not_keep_a_failing_canary_from_being_rolled_back() -> None:
    simulation = at_first_step(simulate())
    simulation.world.proxies_deaf_at = 10
    simulation.run(60, until=lambda: simulation.world.percent() == 50)
    simulation.run(30)
    simulation.world.behaviours["v2"] = Behaviour(errors=0.5)
    simulation.run(60, until=lambda: simulation.world.percent() == 0)
    assert simulation.world.percent() == 0
    simulation.world.proxies_deaf_at = None
    simulation.run(60, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK


@pytest.mark.parametrize(("errors", "ending"), [(0.0, Phase.SUCCEEDED), (0.5, Phase.ROLLED_BACK)])
def test_pods_that_deaf_proxies_still_send_requests_to_stay_until_these_have_heard(
    errors: float, ending: Phase
) -> None:
    simulation = at_first_step(simulate())
    world = simulation.world
    world.behaviours["v2"] = Behaviour(errors=errors)
    simulation.run(200, until=lambda: simulation.release().stage is Stage.RETURNING)
    world.proxies_deaf_at = 10
    simulation.run(300)
    waiting = simulation.release()
    assert (waiting.stage, world.percent()) == (Stage.DRAINING, 0)
    assert "the canary's pods stay, for they still get requests" in waiting.message
    assert world.deployments["checkout-canary"].replicas > 0
    assert world.sent_to_unready == 0
    world.proxies_deaf_at = None
    simulation.run(100, until=simulation.finished)
    ended = simulation.release()
    assert (ended.phase, world.deployments["checkout-canary"].replicas) == (ending, 0)
    assert "pods stay" not in ended.message
    assert world.sent_to_unready == 0


def test_pods_are_ended_although_prometheus_does_not_say_whether_they_get_requests() -> None:
    simulation = at_first_step(simulate())
    simulation.run(200, until=lambda: simulation.release().stage is Stage.RETURNING)
    simulation.world.no_data = NoData(NoDataReason.TIMEOUT, "no answer", EPOCH)
    simulation.run(60, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert simulation.world.deployments["checkout-canary"].replicas == 0


def test_no_traffic_holds_and_says_so_until_the_deadline_decides() -> None:
    simulation = simulate(deadline="2m", on_no_data="rollback")
    simulation.world.rate = 0.0
    simulation.run(80)
    assert simulation.release().phase is Phase.HELD
    assert simulation.release().reason in {Reason.NO_TRAFFIC, Reason.NO_DATA}
    simulation.run(100, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.release().reason is Reason.DEADLINE_EXCEEDED


def test_no_traffic_stays_held_after_the_deadline_when_the_plan_says_hold() -> None:
    simulation = simulate(deadline="2m", on_no_data="hold")
    simulation.world.rate = 0.0
    simulation.run(400)
    assert simulation.release().phase is Phase.HELD
    assert simulation.world.percent() == 10


def test_traffic_that_stops_mid_step_holds_and_goes_on_when_it_returns() -> None:
    simulation = at_first_step(simulate(steps="10@60s,100@10s"))
    simulation.run(20)
    simulation.world.rate = 0.0
    simulation.run(120)
    assert simulation.release().phase is Phase.HELD
    assert simulation.world.percent() == 10
    simulation.world.rate = 100.0
    simulation.run(120, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


@pytest.mark.parametrize("reason", list(NoDataReason))
def test_prometheus_outage_takes_no_step_and_rolls_nothing_back(reason: NoDataReason) -> None:
    simulation = at_first_step(simulate())
    simulation.world.no_data = NoData(reason, "as long as it lasts", EPOCH)
    simulation.run(300)
    assert simulation.world.weights == [0, 10]
    assert simulation.release().phase is Phase.HELD
    assert simulation.release().reason is Reason.NO_DATA
    assert reason.value in simulation.release().message
    simulation.world.no_data = None
    simulation.run(120, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


UNHEARD = NoData(NoDataReason.ABSENT, "payments: nothing of payments_total was scraped", EPOCH)


@pytest.mark.parametrize(
    ("choice", "phase"), [("hold", Phase.HELD), ("rollback", Phase.ROLLED_BACK)], ids=["hold", "rollback"]
)
def test_objective_without_data_takes_no_step_and_the_deadline_decides_though_requests_are_measured(
    choice: str, phase: Phase
) -> None:
    simulation = simulate(deadline="2m", on_no_data=choice)
    simulation.world.lacking = UNHEARD
    simulation.run(100)
    assert simulation.world.weights == [0, 10]
    assert (simulation.release().phase, simulation.release().reason) == (Phase.HELD, Reason.NO_DATA)
    simulation.run(100, until=simulation.finished)
    assert simulation.release().phase is phase
    assert simulation.release().reason is Reason.DEADLINE_EXCEEDED
    assert "payments_total" in simulation.release().message


def test_objective_that_lacks_data_for_a_moment_at_the_deadline_ends_nothing() -> None:
    simulation = simulate(deadline="2m", on_no_data="rollback")
    simulation.world.lacking = UNHEARD
    simulation.run(110)
    simulation.world.lacking = None
    simulation.run(5)
    simulation.world.lacking = replace(UNHEARD, at=simulation.world.now_at)
    simulation.run(20)
    assert not simulation.release().phase.is_terminal
    simulation.world.lacking = None
    simulation.run(120, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_shared_outage_holds_and_does_not_blame_the_canary() -> None:
    simulation = at_first_step(simulate(steps="10@60s,100@10s"))
    for version in ("v1", "v2"):
        simulation.world.behaviours[version] = Behaviour(errors=0.3)
    simulation.run(45)
    assert not simulation.release().phase.is_terminal
    assert simulation.world.percent() == 10


def test_canary_within_its_objective_but_much_worse_than_stable_is_rolled_back() -> None:
    simulation = simulate(max_error_rate="20%", steps="50@300s,100@10s")
    simulation.world.behaviours["v1"] = Behaviour(errors=0.02)
    simulation.world.behaviours["v2"] = Behaviour(errors=0.10)
    simulation.run(300, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.release().reason is Reason.WORSE_THAN_STABLE


def test_improvement_is_promoted() -> None:
    simulation = simulate(max_error_rate="20%")
    simulation.world.behaviours["v1"] = Behaviour(errors=0.05)
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_fault_that_starts_late_is_still_found() -> None:
    simulation = simulate(steps="50@300s,100@10s")
    simulation.run(250)
    simulation.world.behaviours["v2"] = Behaviour(errors=0.2)
    simulation.run(20, until=simulation.finished)
    assert simulation.release().phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}


def test_restarts_grant_no_early_step() -> None:
    simulation = at_first_step(simulate())
    began = simulation.world.now_at
    for _ in range(3):
        simulation.run(2)
        simulation.restart()
    simulation.run(60, until=lambda: simulation.world.percent() == 50)
    assert simulation.world.now_at - began >= 10


def test_restart_loses_no_evidence() -> None:
    steady, restarted = (at_first_step(simulate(max_error_rate="20%")) for _ in range(2))
    for simulation in (steady, restarted):
        simulation.world.behaviours["v2"] = Behaviour(errors=0.05)
        simulation.run(3)
    restarted.restart()
    for simulation in (steady, restarted):
        simulation.run(4)
        simulation.reconciler.reconcile(simulation.release().key)
    counts = [sim.reconciler._working[sim.release().key].release.evidence for sim in (steady, restarted)]
    assert counts[0] == counts[1]


def test_blip_of_prometheus_while_a_step_bakes_is_no_hold() -> None:
    simulation = at_first_step(simulate(steps="10@60s,100@10s"))
    simulation.run(10)
    simulation.world.no_data = NoData(NoDataReason.TIMEOUT, "no answer", EPOCH)
    simulation.run(3)
    assert simulation.release().phase is Phase.PROGRESSING
    simulation.world.no_data = None
    simulation.run(30)
    assert not any(line.startswith("Held") for line in simulation.told())


def test_rollback_waits_for_stable_and_says_so() -> None:
    simulation = at_first_step(simulate())
    simulation.world.dead.add("checkout")
    simulation.ask(abort="aborted by ada")
    simulation.run(20)
    assert simulation.world.percent() == 10
    assert "no pod of checkout is ready" in simulation.release().message
    simulation.world.dead.clear()
    simulation.run(60, until=simulation.finished)
    assert simulation.world.percent() == 0
    assert simulation.release().message == "aborted by ada"

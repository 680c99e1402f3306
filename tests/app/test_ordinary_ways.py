"""The ordinary ways of a release, as claims about traffic, workloads and the Release object."""

import pytest

from canary.domain.errors import Problem
from canary.domain.plan import Gate
from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.domain.weight import Split
from tests.app.simulation import Simulation, opted_in, simulate
from tests.app.world import Behaviour, World


def test_healthy_canary_goes_through_all_steps_and_is_promoted() -> None:
    simulation = simulate()
    simulation.run(200, until=simulation.finished)
    world = simulation.world
    assert simulation.release().phase is Phase.SUCCEEDED
    assert world.weights == [0, 10, 50, 100, 0]
    assert world.deployments["checkout"].template == "v2"
    assert world.deployments["checkout-canary"].replicas == 0
    assert world.sent_to_unready == 0
    assert world.failed_requests == 0


def test_breached_objective_returns_all_traffic_to_stable() -> None:
    simulation = simulate()
    simulation.world.behaviours["v2"] = Behaviour(errors=0.2)
    simulation.run(200, until=simulation.finished)
    world = simulation.world
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.release().reason in {Reason.OBJECTIVE_BREACHED, Reason.WORSE_THAN_STABLE}
    assert world.weights == [0, 10, 0]
    assert world.deployments["checkout"].template == "v1"
    assert world.deployments["checkout-canary"].replicas == 0


def test_canary_that_fails_at_the_second_step_is_rolled_back_from_there() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 50)
    simulation.world.behaviours["v2"] = Behaviour(errors=0.2)
    simulation.run(100, until=simulation.finished)
    assert simulation.world.weights == [0, 10, 50, 0]
    assert simulation.release().phase is Phase.ROLLED_BACK


def test_slow_canary_is_rolled_back_by_its_latency_objective() -> None:
    simulation = simulate(max_latency="99% < 500ms")
    simulation.world.behaviours["v2"] = Behaviour(slow=0.5)
    simulation.run(100, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    verdict = simulation.release().verdict
    assert verdict is not None
    assert verdict.objective == "latency"


def test_slow_canary_is_promoted_while_latency_is_on_a_dry_run_and_the_record_says_what_it_was() -> None:
    simulation = simulate(max_latency="99% < 500ms", dry_run="latency")
    simulation.world.behaviours["v2"] = Behaviour(slow=0.5)
    simulation.run(200, until=simulation.finished)
    release = simulation.release()
    assert release.phase is Phase.SUCCEEDED
    (latency,) = (item for item in release.records[0].verdict.findings if item.dry_run)
    assert latency.objective == "latency"
    assert latency.canary.bad > 0.3 * latency.canary.requests


def test_rolled_back_revision_is_tried_again_only_when_asked() -> None:
    simulation = simulate()
    simulation.world.behaviours["v2"] = Behaviour(errors=0.2)
    simulation.run(200, until=simulation.finished)
    simulation.run(30)
    assert len(simulation.world.releases) == 1
    simulation.world.behaviours["v2"] = Behaviour()
    simulation.ask(retry=True)
    simulation.run(200, until=lambda: len(simulation.world.releases) == 2 and simulation.finished())
    assert simulation.release().phase is Phase.SUCCEEDED
    assert simulation.release().name == "checkout-hash-v2-2"


def test_new_revision_mid_release_supersedes_and_is_judged_from_its_first_step() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 50)
    simulation.world.deploy("checkout-canary", "v3")
    simulation.run(200, until=lambda: len(simulation.world.releases) == 2 and simulation.finished())
    assert simulation.release(0).phase is Phase.SUPERSEDED
    assert simulation.release(0).reason is Reason.NEW_REVISION
    assert simulation.release(1).phase is Phase.SUCCEEDED
    assert simulation.world.weights == [0, 10, 50, 0, 10, 50, 100, 0]
    assert simulation.world.deployments["checkout"].template == "v3"


def test_going_back_to_stables_revision_ends_the_release_and_promotes_nothing() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 50)
    simulation.world.deploy("checkout-canary", "v1")
    simulation.run(200, until=simulation.finished)
    simulation.run(30)
    assert simulation.release().phase is Phase.SUPERSEDED
    assert simulation.release().reason is Reason.MATCHES_STABLE
    assert len(simulation.world.releases) == 1
    assert simulation.world.weights == [0, 10, 50, 0]
    assert simulation.world.deployments["checkout"].template == "v1"


@pytest.mark.parametrize(
    ("steps", "weights"),
    [
        ("1@5s,2@5s,10@5s,80@5s", [0, 1, 2, 10, 80, 0]),
        ("100@5s", [0, 100, 0]),
        ("50@5s", [0, 50, 0]),
    ],
)
def test_weights_follow_the_plan_exactly_and_never_overshoot(steps: str, weights: list[int]) -> None:
    simulation = simulate(steps=steps, min_requests="5")
    simulation.run(400, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert simulation.world.weights == weights


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PROGRESSING, Phase.HELD, Phase.PROMOTING])
def test_abort_in_any_phase_ends_with_all_traffic_on_a_ready_stable(phase: Phase) -> None:
    simulation = simulate(gates="promotion" if phase is Phase.HELD else "first-step,promotion")
    if phase is not Phase.PENDING:
        simulation.run(1)
        simulation.ask(approved=frozenset({Gate.FIRST_STEP}))
    if phase is Phase.PROMOTING:
        simulation.ask(approved=frozenset(Gate))
    simulation.run(
        200, until=lambda: simulation.release().phase is phase if simulation.world.releases else False
    )
    assert simulation.release().phase is phase
    simulation.ask(abort="aborted by ada: changed our minds")
    simulation.run(100, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.release().reason is Reason.ABORTED
    assert simulation.world.percent() == 0
    assert simulation.world.deployments["checkout"].template == "v1"
    assert simulation.world.sent_to_unready == 0


def test_closed_gate_holds_and_a_failure_still_rolls_back_while_it_waits() -> None:
    simulation = simulate(gates="promotion")
    simulation.run(100)
    assert simulation.release().phase is Phase.HELD
    assert simulation.release().reason is Reason.GATE_CLOSED
    assert "promotion" in simulation.release().message
    simulation.world.behaviours["v2"] = Behaviour(errors=0.2)
    simulation.run(100, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.world.percent() == 0


def test_removed_annotation_returns_all_traffic_and_leaves_the_canarys_pods_alone() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 50)
    simulation.world.annotations = None
    simulation.run(60, until=simulation.finished)
    assert simulation.release().reason is Reason.OPTED_OUT
    assert simulation.world.percent() == 0
    assert simulation.world.deployments["checkout-canary"].replicas == 4


def test_typo_mid_release_is_announced_and_does_not_disturb_the_release() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    assert simulation.world.annotations is not None
    simulation.world.annotations["canaryctl.dev/stepz"] = "10"
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert any("canaryctl.dev/stepz" in line for line in simulation.told())


def test_opting_in_with_a_typo_does_nothing_but_say_so() -> None:
    simulation = Simulation(World({"canaryctl.dev/enabled": "true", "canaryctl.dev/stepz": "10"}))
    simulation.world.deploy("checkout-canary", "v2")
    simulation.run(30)
    assert not simulation.world.releases
    assert simulation.world.writes == 0
    assert any("canaryctl.dev/steps" in line for line in simulation.told())


def test_deleted_virtual_service_ends_the_release_and_another_attempt_begins_when_it_is_back() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    simulation.world.routes = {}
    simulation.run(200)
    assert simulation.release(0).phase is Phase.ROLLED_BACK
    assert simulation.release(0).reason is Reason.ROUTES_INVALID
    assert simulation.release(1).phase is Phase.PENDING
    simulation.world.routes = {"checkout": [Split(100, 0)]}
    simulation.run(100, until=simulation.finished)
    assert simulation.release(1).phase is Phase.SUCCEEDED


def test_missing_subset_keeps_the_release_pending_with_the_remedy_in_words() -> None:
    simulation = simulate()
    simulation.world.route_problems = (Problem("DestinationRule checkout", "no subset canary", "add it"),)
    simulation.run(30)
    assert simulation.release().phase is Phase.PENDING
    assert simulation.release().reason is Reason.ROUTES_INVALID
    assert "no subset canary" in simulation.release().message
    assert simulation.world.weights == [0]


@pytest.mark.parametrize("missing", ["checkout", "checkout-canary"])
def test_missing_workload_means_no_release_and_a_clear_reason(missing: str) -> None:
    simulation = Simulation(World(opted_in()))
    simulation.world.deploy("checkout-canary", "v2")
    del simulation.world.deployments[missing]
    simulation.run(10)
    assert not simulation.world.releases
    assert any(f"workload {missing} does not exist" in line for line in simulation.told())


def test_canary_that_disappears_mid_release_is_rolled_back() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    del simulation.world.deployments["checkout-canary"]
    simulation.run(60, until=simulation.finished)
    assert simulation.release().reason is Reason.CANARY_MISSING
    assert simulation.world.percent() == 0


def test_weights_left_over_from_before_are_returned_before_the_first_step() -> None:
    simulation = simulate()
    world = simulation.world
    world.routes["checkout"][0] = Split(70, 30)
    world.weights = [30]
    world.deployments["checkout-canary"].replicas = 4
    simulation.run(200, until=simulation.finished)
    assert world.weights == [30, 0, 10, 50, 100, 0]


def test_stable_that_never_becomes_ready_leaves_traffic_on_the_healthy_canary_and_is_restored() -> None:
    simulation = simulate()
    simulation.run(200, until=lambda: bool(simulation.world.releases) and simulation.world.percent() == 100)
    world = simulation.world
    # The judged template works in the canary, but not in stable (a quota, a node, a label).
    original = world.ready
    world.ready = lambda deployment: (  # type: ignore[method-assign]
        (3, False) if deployment.name == "checkout" and deployment.template == "v2" else original(deployment)
    )
    simulation.run(60)
    assert simulation.release().phase is Phase.PROMOTING
    assert world.percent() == 100
    simulation.run(1000, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.release().reason is Reason.PROMOTION_FAILED
    assert world.deployments["checkout"].template == "v1"
    assert world.percent() == 0
    assert world.sent_to_unready == 0


def test_new_revision_during_promotion_never_keeps_the_traffic_and_is_judged_afterwards() -> None:
    simulation = simulate()
    simulation.run(
        200, until=lambda: bool(simulation.world.releases) and simulation.release().phase is Phase.PROMOTING
    )
    simulation.world.deploy("checkout-canary", "v3")
    simulation.run(300, until=lambda: len(simulation.world.releases) == 2 and simulation.finished())
    assert [release.phase for release, _, _ in simulation.world.releases.values()] == [Phase.SUCCEEDED] * 2
    assert simulation.world.deployments["checkout"].template == "v3"
    assert simulation.world.weights == [0, 10, 50, 100, 0, 10, 50, 100, 0]


def test_weight_on_an_idle_canary_is_returned_so_that_no_revision_gets_traffic_before_its_first_step() -> (
    None
):
    simulation = Simulation(World(opted_in()))
    simulation.world.routes["checkout"][0] = Split(90, 10)
    simulation.world.deployments["checkout-canary"].replicas = 2
    simulation.run(5)
    assert simulation.world.percent() == 0
    assert not simulation.world.releases


def test_paused_service_is_left_alone_until_it_is_resumed() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    assert simulation.world.annotations is not None
    simulation.world.annotations["canaryctl.dev/paused"] = "true"
    writes = simulation.world.writes
    simulation.run(100)
    assert simulation.world.writes == writes
    simulation.world.annotations["canaryctl.dev/paused"] = "false"
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_abort_goes_through_a_pause() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    assert simulation.world.annotations is not None
    simulation.world.annotations["canaryctl.dev/paused"] = "true"
    simulation.ask(abort="aborted by ada")
    simulation.run(100, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.world.percent() == 0

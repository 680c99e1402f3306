"""Endings that others get wrong: promotion and rollback when stable, routes, owners or history misbehave."""

from canary.app.errors import ConflictError, LeadershipLost
from canary.domain.errors import Problem
from canary.domain.measurement import NoData, NoDataReason
from canary.domain.plan import Gate
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.domain.weight import Split
from tests.app.simulation import Simulation, simulate
from tests.app.world import EPOCH, Crash, Deployment, World

AMBIGUOUS = Problem("VirtualService checkout", "a destination that selects both", "narrow it")


def until_promoting(simulation: Simulation, stage: Stage) -> Simulation:
    simulation.run(300, until=lambda: bool(simulation.world.releases) and simulation.release().stage is stage)
    assert simulation.release().stage is stage
    return simulation


def never_ready_in_stable(simulation: Simulation, template: str) -> None:
    ready = simulation.world.ready
    simulation.world.ready = lambda deployment: (  # type: ignore[method-assign]
        (3, False) if deployment.name == "checkout" and deployment.template == template else ready(deployment)
    )


def test_stable_that_is_reverted_by_others_during_promotion_does_not_hang_it_for_ever() -> None:
    simulation = until_promoting(simulate(), Stage.RETURNING)
    simulation.world.deploy("checkout", "v1")
    simulation.run(1200, until=simulation.finished)
    assert simulation.release().reason is Reason.PROMOTION_FAILED
    assert simulation.world.percent() == 0
    assert simulation.world.sent_to_unready == 0


def test_canary_that_dies_before_its_template_is_copied_hands_over_to_stable() -> None:
    simulation = simulate()
    simulation.run(300, until=lambda: simulation.world.percent() == 100)
    world = simulation.world

    def denied(number: int) -> None:
        if simulation.release().stage is Stage.COPYING:
            raise ConflictError("a webhook will not have it")

    world.before_write = denied
    simulation.run(60, until=lambda: simulation.release().stage is Stage.COPYING)
    world.dead.add("checkout-canary")
    world.no_data = NoData(NoDataReason.TIMEOUT, "no answer", EPOCH)
    world.before_write = lambda number: None
    simulation.run(60)
    assert world.percent() == 0


def test_promotion_that_has_proven_ready_is_not_undone_when_the_canary_is_deleted() -> None:
    simulation = until_promoting(simulate(drain="30s"), Stage.DRAINING)
    del simulation.world.deployments["checkout-canary"]
    simulation.run(120, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert simulation.world.deployments["checkout"].template == "v2"


def test_long_drain_with_an_unready_moment_of_stable_is_no_failed_promotion() -> None:
    simulation = until_promoting(simulate(drain="20m", deadline="2h"), Stage.DRAINING)
    simulation.run(950)
    simulation.world.deployments["checkout"].changed_at = simulation.world.now_at
    simulation.run(600, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_opting_out_once_stable_runs_the_judged_template_completes_the_promotion() -> None:
    simulation = until_promoting(simulate(drain="30s"), Stage.DRAINING)
    simulation.world.annotations = None
    simulation.run(120, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_restoring_ends_although_the_previous_template_never_becomes_ready() -> None:
    simulation = until_promoting(simulate(), Stage.COPYING)
    never_ready_in_stable(simulation, "v1")
    simulation.ask(abort="aborted by ada")
    simulation.run(1200, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert simulation.world.percent() == 0


def test_unjudged_revision_does_not_keep_the_traffic_while_stable_is_being_restored() -> None:
    simulation = until_promoting(simulate(), Stage.COPYING)
    never_ready_in_stable(simulation, "v1")
    simulation.ask(abort="aborted by ada")
    simulation.run(5)
    simulation.world.deploy("checkout-canary", "v3")
    simulation.run(20)
    assert simulation.world.percent() == 0


def test_release_of_a_service_whose_workloads_are_all_gone_ends() -> None:
    simulation = until_promoting(simulate(), Stage.COPYING)
    simulation.world.annotations = None
    simulation.world.deployments.clear()
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK


def test_pods_are_not_scaled_away_while_the_routes_to_them_cannot_be_made_out() -> None:
    simulation = simulate()
    simulation.run(300, until=lambda: simulation.world.percent() == 50)
    simulation.world.route_problems = (AMBIGUOUS,)
    simulation.world.routes_hidden = True
    simulation.run(200, until=lambda: simulation.release(0).phase.is_terminal)
    assert simulation.release(0).phase is Phase.ROLLED_BACK
    assert simulation.world.deployments["checkout-canary"].replicas == 4
    assert simulation.world.sent_to_unready == 0


def test_waiting_for_a_person_does_not_count_against_the_deadline() -> None:
    simulation = simulate(gates="promotion", deadline="2m", on_no_data="rollback")
    simulation.run(600)
    assert simulation.release().reason is Reason.GATE_CLOSED
    simulation.world.no_data = NoData(NoDataReason.TIMEOUT, "no answer", EPOCH)
    simulation.run(3)
    simulation.world.no_data = None
    simulation.run(5)
    simulation.ask(approved=frozenset({Gate.PROMOTION}))
    simulation.run(100, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_release_that_never_began_for_want_of_routes_is_tried_again_by_itself() -> None:
    simulation = simulate(deadline="1m")
    simulation.world.route_problems = (AMBIGUOUS,)
    simulation.run(200)
    assert simulation.release(0).phase is Phase.ROLLED_BACK
    simulation.world.route_problems = ()
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_recreated_canary_is_tried_again_by_itself() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    gone = simulation.world.deployments.pop("checkout-canary")
    simulation.run(60, until=simulation.finished)
    assert simulation.release().reason is Reason.CANARY_MISSING
    simulation.world.deployments["checkout-canary"] = Deployment(
        gone.name, "v2", 4, changed_at=simulation.world.now_at
    )
    simulation.run(200, until=lambda: len(simulation.world.releases) == 2 and simulation.finished())
    assert simulation.release().phase is Phase.SUCCEEDED


def test_weights_too_coarse_for_the_steps_are_refused_with_the_remedy() -> None:
    simulation = simulate()
    simulation.world.routes["checkout"] = [Split(1, 0)]
    simulation.run(30)
    assert simulation.release().phase is Phase.PENDING
    assert "let them sum to 100" in simulation.release().message
    assert simulation.world.weights == [0]


def test_effect_that_somebody_undoes_is_repeated_ever_more_rarely_and_reported() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    world = simulation.world

    def undo(number: int) -> None:
        world.routes["checkout"] = [Split(100, 0)]

    world.after_write = undo
    undo(0)
    before = len(world.weights)
    simulation.run(300)
    assert 5 <= len(world.weights) - before <= 25
    assert any(line.startswith("Contested") for line in simulation.told())


def test_pause_holds_although_another_annotation_has_a_typo() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    assert simulation.world.annotations is not None
    simulation.world.annotations |= {"canaryctl.dev/paused": "true", "canaryctl.dev/stepz": "10"}
    writes = simulation.world.writes
    simulation.run(100)
    assert simulation.world.writes == writes


def test_deleted_release_object_is_measured_no_more() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    assert simulation.ports.observer.targets()
    simulation.world.releases.clear()
    simulation.world.annotations = None
    simulation.run(3)
    assert not simulation.ports.observer.targets()


def test_pods_outlive_their_traffic_by_the_drain() -> None:
    simulation = simulate(drain="20s")
    simulation.ask_when_there(abort="aborted by ada")
    world = simulation.world
    simulation.run(60, until=lambda: bool(world.releases) and simulation.release().stage is Stage.DRAINING)
    left_at = world.now_at
    simulation.run(100, until=lambda: world.deployments["checkout-canary"].replicas == 0)
    assert world.now_at - left_at >= 20


def test_weight_that_comes_back_while_draining_keeps_the_pods_until_it_is_gone_again() -> None:
    simulation = until_promoting(simulate(drain="20s"), Stage.DRAINING)
    simulation.run(10)
    world = simulation.world
    world.dead.add("checkout")
    world.routes["checkout"] = [Split(0, 100)]
    simulation.run(100)
    assert world.deployments["checkout-canary"].replicas == 4
    assert world.sent_to_unready == 0
    world.dead.clear()
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert world.percent() == 0
    assert world.sent_to_unready == 0


def test_no_write_is_made_once_leadership_is_gone() -> None:
    whole = simulate()
    whole.run(300, until=whole.finished)
    for lost_after in range(whole.world.writes):
        simulation = simulate()
        refused: list[int] = []

        def check(
            world: World = simulation.world, last: int = lost_after, refused: list[int] = refused
        ) -> None:
            if world.writes >= last:
                refused.append(world.writes)
                raise LeadershipLost("paused beyond the lease")

        simulation.fence.check = check  # type: ignore[method-assign]
        simulation.run(300, until=lambda refused=refused: len(refused) >= 5)  # type: ignore[misc]
        assert len(refused) >= 5, lost_after
        assert simulation.world.writes <= lost_after + 1, lost_after


def test_outage_between_saving_a_step_and_shifting_to_it_makes_no_step_without_its_weight() -> None:
    simulation = simulate()
    world = simulation.world
    simulation.run(60, until=lambda: world.percent() == 10)

    def die(number: int) -> None:
        if simulation.release().step == 1 and world.percent() == 10:
            raise Crash

    world.before_write = die
    simulation.run(60, until=lambda: simulation.restarts == 1)
    world.before_write = lambda number: None
    world.advance(60)
    began = world.now_at
    simulation.run(100, until=lambda: world.percent() == 100)
    assert world.weights == [0, 10, 50, 100]
    assert world.now_at - began >= 10


def test_release_is_not_promoted_on_steps_whose_writes_are_denied() -> None:
    simulation = simulate()
    world = simulation.world
    simulation.run(60, until=lambda: world.percent() == 10)
    weights = dict(world.routes)

    def undo(number: int) -> None:
        world.routes = dict(weights)

    world.after_write = undo
    simulation.run(300)
    assert simulation.release().phase is Phase.HELD
    assert simulation.release().reason is Reason.SHIFTING
    assert simulation.release().step == 1
    world.after_write = lambda number: None
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_weights_edited_by_hand_make_the_step_begin_anew() -> None:
    simulation = simulate(steps="10@60s,100@10s")
    world = simulation.world
    simulation.run(60, until=lambda: world.percent() == 10)
    simulation.run(50)
    world.routes["checkout"] = [Split(100, 0)]
    simulation.run(5)
    assert world.percent() == 10
    simulation.run(30)
    assert world.percent() == 10


def test_pods_go_when_no_virtual_service_is_left_to_take_traffic_from_them() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    simulation.world.routes = {}
    simulation.run(20, until=lambda: simulation.world.deployments["checkout-canary"].replicas == 0)
    assert simulation.world.deployments["checkout-canary"].replicas == 0


def test_requests_that_stable_lost_do_not_convict_the_canary() -> None:
    simulation = simulate(steps="10@60s,100@10s")
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    simulation.world.dead.add("checkout")
    simulation.run(30)
    assert simulation.release().reason is Reason.STABLE_NOT_READY
    simulation.world.dead.clear()
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_annotation_mended_before_the_first_step_begins_a_release_that_goes_by_it() -> None:
    simulation = simulate(virtual_services="nosuch")
    simulation.world.route_problems = (AMBIGUOUS,)
    simulation.run(10)
    assert simulation.release().phase is Phase.PENDING
    assert simulation.world.annotations is not None
    del simulation.world.annotations["canaryctl.dev/virtual-services"]
    simulation.world.route_problems = ()
    simulation.run(200, until=lambda: len(simulation.world.releases) == 2 and simulation.finished())
    assert simulation.release(0).reason is Reason.PLAN_CHANGED
    assert simulation.release(1).phase is Phase.SUCCEEDED


def test_pods_of_the_revision_before_that_are_ready_are_not_taken_for_the_canarys() -> None:
    simulation = simulate(deadline="1m")
    world = simulation.world
    world.deployments["checkout-canary"].replicas = 4
    ready = world.ready
    world.ready = lambda deployment: (  # type: ignore[method-assign]
        (4, False) if deployment.name == "checkout-canary" else ready(deployment)
    )
    simulation.run(10)
    expected = "4 of 4 pods of checkout-canary are ready, but the rollout of revision hash-v2 is not complete"
    assert (simulation.release().phase, simulation.release().message) == (Phase.PENDING, expected)
    simulation.run(100, until=simulation.finished)
    assert simulation.release().reason is Reason.CANARY_NOT_READY
    assert simulation.release().message == f"not ready to begin in time: {expected}"
    assert world.weights == [0]


def test_canary_that_somebody_scales_to_zero_ends_and_begins_again_only_when_asked() -> None:
    simulation = simulate()
    world = simulation.world
    simulation.run(60, until=lambda: world.percent() == 10)
    world.deployments["checkout-canary"].replicas = 0
    simulation.run(60, until=simulation.finished)
    ended = simulation.release()
    assert (ended.phase, ended.reason) == (Phase.ROLLED_BACK, Reason.CANARY_NOT_READY)
    assert ended.message == "no pod of checkout-canary is ready any more: it is scaled to 0"
    assert world.percent() == 0
    world.deployments["checkout-canary"].replicas = 4
    simulation.run(60)
    assert (len(world.releases), world.percent()) == (1, 0)
    simulation.ask(retry=True)
    simulation.run(200, until=lambda: len(world.releases) == 2 and simulation.finished())
    assert simulation.release().phase is Phase.SUCCEEDED

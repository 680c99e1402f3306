"""A VirtualService of another namespace is withheld: never written, never ended behind, always named."""

import pytest

from canary.domain.plan import Gate
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.domain.weight import Split
from tests.app.simulation import Simulation, simulate
from tests.app.world import Behaviour

GATEWAY = "gateway.istio-ingress"
CANARY = "checkout-canary"


def with_gateway(**more: str) -> Simulation:
    """A mesh route in the service's namespace and a gateway's in another, both at rest."""
    simulation = simulate(**more)
    simulation.world.routes[GATEWAY] = [Split(100, 0)]
    return simulation


def weights(simulation: Simulation) -> tuple[int, int]:
    return tuple(simulation.world.routes[name][0].canary for name in ("checkout", GATEWAY))  # type: ignore[return-value]


def until_weights(simulation: Simulation, percent: int) -> Simulation:
    simulation.run(300, until=lambda: weights(simulation) == (percent, percent))
    assert weights(simulation) == (percent, percent)
    return simulation


def warnings(simulation: Simulation) -> list[str]:
    return [
        item.message
        for item in simulation.world.announced
        if item.reason == "RoutesWithheld" and item.warning
    ]


def test_both_shift_together_through_a_whole_release() -> None:
    simulation = with_gateway()
    seen = set()
    simulation.run(300, until=lambda: seen.add(weights(simulation)) or simulation.finished())  # type: ignore[func-returns-value]
    assert simulation.release().phase is Phase.SUCCEEDED
    assert seen == {(0, 0), (10, 10), (50, 50), (100, 100)}
    assert weights(simulation) == (0, 0)
    assert warnings(simulation) == []


def test_without_consent_no_release_takes_its_first_step_until_there_is_consent() -> None:
    simulation = with_gateway()
    simulation.world.withheld = {GATEWAY}
    simulation.run(200)
    assert simulation.release().phase is Phase.PENDING
    assert simulation.release().reason is Reason.ROUTES_INVALID
    assert GATEWAY in simulation.release().message
    assert weights(simulation) == (0, 0)
    assert simulation.world.writes_without_consent == 0
    assert len(warnings(simulation)) == 1
    simulation.world.withheld = set()
    simulation.run(300, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_naming_what_is_not_shared_is_warned_of_before_any_release() -> None:
    simulation = with_gateway()
    simulation.world.deploy(CANARY, "v1")
    simulation.world.withheld = {GATEWAY}
    simulation.run(100)
    assert not simulation.world.releases
    assert len(warnings(simulation)) == 1
    assert GATEWAY in warnings(simulation)[0]


def test_consent_withdrawn_mid_release_holds_it_where_it_is_and_consent_again_lets_it_go_on() -> None:
    simulation = until_weights(with_gateway(), 10)
    simulation.world.withheld = {GATEWAY}
    simulation.run(600)
    assert simulation.release().phase is Phase.HELD
    assert simulation.release().reason is Reason.ROUTES_INVALID
    assert GATEWAY in simulation.release().message
    assert weights(simulation) == (10, 10)
    assert simulation.world.writes_without_consent == 0
    assert len(warnings(simulation)) == 1
    simulation.world.withheld = set()
    simulation.run(300, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert weights(simulation) == (0, 0)


def test_a_person_cannot_promote_past_what_is_withheld() -> None:
    simulation = until_weights(with_gateway(gates="promotion"), 10)
    simulation.world.withheld = {GATEWAY}
    simulation.ask(promote=True, approved=frozenset(Gate))
    simulation.run(100)
    assert simulation.release().phase is Phase.HELD
    assert weights(simulation) == (10, 10)


def test_a_weight_that_somebody_lowered_is_not_raised_again_while_another_route_is_withheld() -> None:
    simulation = until_weights(with_gateway(), 10)
    simulation.world.withheld = {GATEWAY}
    simulation.world.routes["checkout"] = [Split(100, 0)]
    simulation.run(60)
    assert weights(simulation) == (0, 10)


@pytest.mark.parametrize("ends", ["it fails", "a person aborts it"])
def test_a_rollback_returns_what_it_may_and_neither_writes_the_rest_nor_ends_the_pods_behind_it(
    ends: str,
) -> None:
    simulation = until_weights(with_gateway(steps="10@60s,100@10s"), 10)
    simulation.world.withheld = {GATEWAY}
    if ends == "it fails":
        simulation.world.behaviours["v2"] = Behaviour(errors=0.5)
    else:
        simulation.ask(abort="aborted by ada")
    simulation.run(60, until=lambda: weights(simulation) == (0, 10))
    assert weights(simulation) == (0, 10)
    simulation.run(300, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert GATEWAY in simulation.release().message
    assert weights(simulation) == (0, 10)
    assert simulation.world.deployments[CANARY].replicas == 4
    assert simulation.world.writes_without_consent == 0
    assert warnings(simulation)
    simulation.world.withheld = set()
    simulation.run(60)
    assert weights(simulation) == (0, 0)


def test_consent_that_comes_back_during_a_rollback_completes_it() -> None:
    simulation = until_weights(with_gateway(), 10)
    simulation.world.withheld = {GATEWAY}
    simulation.ask(abort="aborted by ada")
    simulation.run(20)
    assert simulation.release().stage is Stage.RETURNING
    simulation.world.withheld = set()
    simulation.run(60, until=simulation.finished)
    assert simulation.release().phase is Phase.ROLLED_BACK
    assert GATEWAY not in simulation.release().message
    assert weights(simulation) == (0, 0)
    assert simulation.world.deployments[CANARY].replicas == 0


def test_a_promotion_that_cannot_return_everything_ends_and_leaves_the_pods() -> None:
    simulation = with_gateway()
    simulation.run(
        300, until=lambda: bool(simulation.world.releases) and simulation.release().stage is Stage.COPYING
    )
    simulation.world.withheld = {GATEWAY}
    simulation.run(300, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert simulation.world.deployments["checkout"].template == "v2"
    assert weights(simulation) == (0, 100)
    assert simulation.world.deployments[CANARY].replicas == 4
    assert simulation.world.sent_to_unready == 0
    assert simulation.world.writes_without_consent == 0


def test_the_next_revision_is_not_kept_from_being_judged_by_one_whose_traffic_was_withheld() -> None:
    simulation = until_weights(with_gateway(), 10)
    simulation.world.withheld = {GATEWAY}
    simulation.run(10)
    simulation.world.deploy(CANARY, "v3")
    simulation.run(200)
    assert simulation.release(0).phase is Phase.SUPERSEDED
    assert simulation.release(1).phase is Phase.PENDING
    # The owner gives the gateway up; what it does is its owners' business then.
    assert simulation.world.annotations is not None
    simulation.world.annotations["canaryctl.dev/virtual-services"] = "checkout"
    simulation.world.withheld = set()
    del simulation.world.routes[GATEWAY]
    simulation.run(300, until=lambda: len(simulation.world.releases) == 3 and simulation.finished())
    assert simulation.release().phase is Phase.SUCCEEDED


def test_weight_left_on_an_idle_canary_is_returned_where_it_may_be() -> None:
    simulation = with_gateway()
    simulation.world.deploy(CANARY, "v1")
    simulation.world.deployments[CANARY].replicas = 2
    for name in ("checkout", GATEWAY):
        simulation.world.routes[name] = [Split(90, 10)]
    simulation.world.withheld = {GATEWAY}
    simulation.run(60)
    assert weights(simulation) == (0, 10)
    assert simulation.world.writes_without_consent == 0

"""Releases whose steps must show that going on is safe: healthy ones take longer, costly ones stay."""

import pytest

from canary.domain.release import Phase
from canary.domain.verdict import Reason
from tests.app.simulation import simulate
from tests.app.world import Behaviour

COSTLY = {"max_error_rate": "40%", "tolerance": "100x"}
"""Nothing convicts a canary by this; only its cost to all users may keep it from going on."""


def test_a_healthy_canary_is_promoted_when_each_step_has_shown_it() -> None:
    """10 % of 100 requests a second, so that the first step alone takes about a minute."""
    simulation = simulate(steps="10@5s,50@5s,100@5s", evidence="budget", min_requests="1")
    simulation.run(600, until=simulation.finished)
    bakes = simulate(steps="10@5s,50@5s,100@5s", min_requests="1")
    bakes.run(600, until=bakes.finished)
    assert simulation.release().phase is bakes.release().phase is Phase.SUCCEEDED
    assert simulation.world.weights == bakes.world.weights == [0, 10, 50, 100, 0]
    assert simulation.world.now_at > bakes.world.now_at + 45


def test_until_it_is_shown_the_release_is_held_and_says_what_is_missing() -> None:
    simulation = simulate(steps="10@5s,50@5s", evidence="budget", min_requests="1")
    simulation.run(40)
    held = simulation.release()
    assert (held.phase, held.reason, simulation.world.percent()) == (Phase.HELD, Reason.NOT_SHOWN_SAFE, 10)
    assert "step 1 of 2 (10 %) goes on to 50 % when it is shown" in held.message
    assert "more canary requests are needed, about" in held.message


@pytest.mark.parametrize(
    ("on_no_data", "phase"), [("hold", Phase.HELD), ("rollback", Phase.ROLLED_BACK)], ids=["hold", "rollback"]
)
def test_a_canary_that_costs_more_than_the_budget_never_goes_on(on_no_data: str, phase: Phase) -> None:
    simulation = simulate(
        steps="10@5s,50@5s", evidence="budget", deadline="5m", on_no_data=on_no_data, **COSTLY
    )
    simulation.world.behaviours |= {"v1": Behaviour(errors=0.01), "v2": Behaviour(errors=0.04)}
    simulation.run(600, until=simulation.finished)
    assert 50 not in simulation.world.weights
    assert simulation.release().phase is phase
    assert simulation.release().reason is Reason.DEADLINE_EXCEEDED


def test_the_same_canary_goes_on_where_a_larger_part_of_all_requests_may_fail() -> None:
    simulation = simulate(steps="10@5s,50@5s", evidence="budget", blast_radius_budget="6%", **COSTLY)
    simulation.world.behaviours |= {"v1": Behaviour(errors=0.01), "v2": Behaviour(errors=0.04)}
    simulation.run(600, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED

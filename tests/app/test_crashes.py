"""A crash at any write, before or after it took effect, changes nothing about how a release ends."""

import pytest

from canary.domain.release import Phase
from tests.app.simulation import Simulation, simulate
from tests.app.world import Behaviour, Crash

MOST_WRITES = 40


def crash_at(simulation: Simulation, number: int, *, applied: bool) -> Simulation:
    def die(write: int) -> None:
        if write == number:
            raise Crash

    if applied:
        simulation.world.after_write = die
    else:
        simulation.world.before_write = die
    return simulation


def run_to_the_end(simulation: Simulation) -> Simulation:
    simulation.run(400, until=simulation.finished)
    assert simulation.finished()
    return simulation


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_healthy_release_ends_alike_whichever_write_the_crash_follows(applied: bool) -> None:
    writes = run_to_the_end(simulate()).world.writes
    assert 10 < writes < MOST_WRITES
    for number in range(1, writes + 1):
        simulation = run_to_the_end(crash_at(simulate(), number, applied=applied))
        assert simulation.restarts == 1, number
        assert simulation.release().phase is Phase.SUCCEEDED, number
        assert simulation.world.weights == [0, 10, 50, 100, 0], number
        assert simulation.world.deployments["checkout"].template == "v2", number
        assert simulation.world.deployments["checkout-canary"].replicas == 0, number
        assert simulation.world.sent_to_unready == 0, number


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
def test_bad_release_is_rolled_back_whichever_write_the_crash_follows(applied: bool) -> None:
    def bad() -> Simulation:
        simulation = simulate()
        simulation.world.behaviours["v2"] = Behaviour(errors=0.2)
        return simulation

    writes = run_to_the_end(bad()).world.writes
    for number in range(1, writes + 1):
        simulation = run_to_the_end(crash_at(bad(), number, applied=applied))
        assert simulation.restarts == 1, number
        assert simulation.release().phase is Phase.ROLLED_BACK, number
        assert simulation.world.weights == [0, 10, 0], number
        assert simulation.world.deployments["checkout"].template == "v1", number

"""What becomes of canaries that keep the latency bound, and are slower than stable."""

import random

import pytest

from canary.domain.release import Phase
from canary.domain.verdict import Reason
from tests.app.simulation import Simulation, simulate
from tests.app.world import Behaviour


def released(times: float, **more: str) -> Simulation:
    """A release of a canary that takes so many times as long as stable's 20 ms at the median."""
    simulation = simulate(max_latency="99% < 500ms", steps="10@2m,50@20s,100@10s", **more)
    simulation.world.behaviours |= {
        "v1": Behaviour(median_ms=20.0),
        "v2": Behaviour(median_ms=20.0 * times),
    }
    return simulation


def test_three_times_as_slow_is_rolled_back_by_comparison_and_the_edges_are_named() -> None:
    simulation = released(3.0)
    simulation.run(400, until=simulation.finished)
    release = simulation.release()
    assert (release.phase, release.reason) == (Phase.ROLLED_BACK, Reason.WORSE_THAN_STABLE)
    assert simulation.world.percent() == 0
    assert "of the canary's requests took longer than 100 ms, while of stable's" in release.message
    assert "took longer than even 50 ms" in release.message


def test_three_times_as_slow_on_a_dry_run_of_latency_is_promoted() -> None:
    simulation = released(3.0, dry_run="latency")
    simulation.run(600, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


@pytest.mark.parametrize("times", [0.8, 1.0, 1.1])
def test_a_tenth_slower_is_promoted_without_losing_a_second(times: float) -> None:
    simulation = released(times)
    simulation.run(600, until=simulation.finished)
    alike = released(1.0)
    alike.run(600, until=alike.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert simulation.world.now_at == alike.world.now_at


def test_a_canary_that_is_cold_for_its_first_minute_is_promoted() -> None:
    simulation = released(3.0)
    simulation.run(60, until=lambda: simulation.world.percent() == 10)
    simulation.run(55)
    simulation.world.behaviours["v2"] = Behaviour(median_ms=20.0)
    simulation.run(600, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_crashes_while_it_is_judged_change_nothing_of_what_is_known() -> None:
    undisturbed = released(3.0)
    undisturbed.run(400, until=lambda: undisturbed.world.weights[-1] == 0 and undisturbed.finished())
    draw = random.Random(7)  # noqa: S311 - repeatable
    simulation = released(3.0)
    for _ in range(400):
        if simulation.finished():
            break
        simulation.run(1)
        if draw.random() < 0.2:
            simulation.restart()
    assert simulation.release().evidence == undisturbed.release().evidence
    assert simulation.release().message == undisturbed.release().message

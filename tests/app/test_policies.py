"""Releases under a policy: it rules those that begin while it holds, and never jumps one under way."""

from canary.app.ports import StoredPolicy
from canary.domain.errors import Problem
from canary.domain.policy import PolicySpec, PolicyStep
from canary.domain.release import Phase
from tests.app.simulation import Simulation, simulate

STANDARD = PolicySpec(steps=(PolicyStep(20, "10s"), PolicyStep(100, "10s")))
OTHER = PolicySpec(steps=(PolicyStep(70, "10s"),))


def say(simulation: Simulation, spec: PolicySpec | None, *problems: Problem) -> None:
    stored = StoredPolicy("shop", "standard", spec, problems)
    simulation.world.policies = {("shop", "standard"): stored}


def under_a_policy() -> Simulation:
    simulation = simulate(policy="standard")
    assert simulation.world.annotations is not None
    del simulation.world.annotations["canaryctl.dev/steps"]
    return simulation


def test_release_goes_by_the_steps_of_the_policy() -> None:
    simulation = under_a_policy()
    say(simulation, STANDARD)
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED
    assert simulation.world.weights == [0, 20, 100, 0]
    assert simulation.release().plan.policy == "standard"


def test_edit_of_a_policy_takes_effect_with_the_next_release() -> None:
    simulation = under_a_policy()
    say(simulation, STANDARD)
    simulation.run(60, until=lambda: simulation.world.percent() == 20)
    say(simulation, OTHER)
    simulation.run(200, until=simulation.finished)
    assert simulation.world.weights == [0, 20, 100, 0]
    simulation.world.deploy("checkout-canary", "v3")
    simulation.run(200, until=lambda: len(simulation.world.releases) == 2 and simulation.finished())
    assert simulation.world.weights == [0, 20, 100, 0, 70, 0]


def test_nothing_is_released_while_the_policy_is_missing_and_it_is_once_it_comes() -> None:
    simulation = under_a_policy()
    simulation.run(30)
    assert not simulation.world.releases
    assert any("InvalidPlan" in words and "standard" in words for words in simulation.told())
    say(simulation, STANDARD)
    simulation.run(200, until=simulation.finished)
    assert simulation.release().phase is Phase.SUCCEEDED


def test_policy_that_is_broken_or_deleted_mid_release_changes_nothing_of_it() -> None:
    simulation = under_a_policy()
    say(simulation, STANDARD)
    simulation.run(60, until=lambda: simulation.world.percent() == 20)
    say(simulation, None, Problem("spec.steps", "7", "write a list"))
    simulation.run(5)
    simulation.world.policies = {}
    simulation.run(200, until=simulation.finished)
    assert simulation.world.weights == [0, 20, 100, 0]
    assert simulation.release().phase is Phase.SUCCEEDED

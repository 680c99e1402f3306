"""Evidence that going on is safe: a canary that costs too much is seldom passed, a good one soon."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.analysis import start_step
from canary.domain.assurance import GRID, excess_allowed, log_assured, missing, next_weight
from canary.domain.measurement import Counts
from canary.domain.plan import EvidenceRule, Plan, Step
from canary.domain.sequential import Dispersion, Hypothesis, bet, log_factor
from canary.domain.verdict import Outcome, Reason
from tests.domain.measured import BOTH, ERRORS, PLAN, Stretch, Traffic, counts

BUDGET = replace(PLAN, evidence=EvidenceRule.BUDGET, min_requests=1)
STEPS = (Step(10, 1.0), Step(50, 1.0), Step(100, 1.0))


def seconds_until(
    stretch: Stretch, traffic: Traffic, outcome: Outcome, most: int, seed: int = 1
) -> int | None:
    for second, seen in enumerate(traffic.windows(most, seed), start=1):
        if stretch.see(errors=seen).outcome is outcome:
            return second
    return None


def test_a_step_is_asked_about_the_weight_that_follows_and_promotion_is_all_of_it() -> None:
    assert [next_weight(PLAN, index) for index in range(3)] == [50, 100, 100]
    assert [excess_allowed(PLAN, index) for index in range(3)] == pytest.approx([0.01, 0.005, 0.005])
    assert next_weight(replace(PLAN, steps=(Step(5, 1.0),)), 0) == 100
    assert (
        excess_allowed(replace(PLAN, steps=(Step(1, 1.0), Step(1, 1.0)), blast_radius_budget=0.5), 0) == 1.0
    )


def test_baking_alone_does_not_pass_where_evidence_is_asked_for() -> None:
    plan = replace(BUDGET, steps=STEPS)
    bakes, proves = Stretch(plan=replace(plan, evidence=EvidenceRule.BAKE)), Stretch(plan=plan)
    for _ in range(10):
        of_bake, of_budget = (each.see(errors=counts((10, 0), (90, 0))) for each in (bakes, proves))
    assert of_bake.outcome is Outcome.PASS
    assert (of_budget.outcome, of_budget.reason) == (Outcome.HOLD, Reason.NOT_SHOWN_SAFE)
    assert of_budget.objective == "errors"
    assert "step 1 of 3 (10 %) goes on to 50 % when it is shown" in of_budget.sentence
    assert "exceeds stable's by less than 1.0 %, which is 0.5 % of all requests then" in of_budget.sentence


@pytest.mark.parametrize(("step_index", "least"), [(0, 461), (1, 922)])
def test_without_any_error_it_takes_about_as_many_requests_as_the_best_bet_would(
    step_index: int, least: int
) -> None:
    """ln(1/beta)/delta, and a part more for not knowing the best bet."""
    stretch = Stretch(plan=replace(BUDGET, steps=STEPS), step_index=step_index)
    clean = Traffic(10, 90, canary_rate=0.0, stable_rate=0.0)
    seconds = seconds_until(stretch, clean, Outcome.PASS, 600)
    assert seconds is not None
    assert least <= 10 * seconds <= 1.7 * least


def test_what_is_said_to_be_missing_is_about_what_it_takes() -> None:
    stretch = Stretch(plan=replace(BUDGET, steps=STEPS))
    for _ in range(20):
        verdict = stretch.see(errors=counts((10, 0), (90, 0)))
    said = missing(stretch.evidence, stretch.plan, 0)
    assert said is not None
    assert said.requests is not None
    assert f"about {math.ceil(said.requests)} more canary requests are needed, about 46s" in verdict.sentence
    seconds = seconds_until(stretch, Traffic(10, 90, 0.0, 0.0), Outcome.PASS, 600)
    assert seconds is not None
    assert 0.7 * said.requests <= 10 * seconds <= 1.3 * said.requests


def test_a_canary_that_costs_as_much_as_the_budget_is_seldom_passed() -> None:
    """At the boundary of what is doubted, over ten times as many requests as a good canary takes."""
    stable, excess = 0.001, excess_allowed(BUDGET, 0)
    at_the_boundary = Traffic(10, 90, canary_rate=stable + excess, stable_rate=stable)
    plan = replace(BUDGET, steps=STEPS, objectives=(replace(ERRORS, max_bad_ratio=0.5),), tolerance=100.0)
    passed = sum(
        seconds_until(Stretch(plan=plan), at_the_boundary, Outcome.PASS, 500, seed) is not None
        for seed in range(60)
    )
    assert passed <= 2


def test_evidence_is_fresh_at_each_step() -> None:
    stretch = Stretch(plan=replace(BUDGET, steps=STEPS))
    for _ in range(30):
        stretch.see(errors=counts((10, 0), (90, 0)))
    assert log_assured(stretch.evidence, "errors") > 1.0
    assert log_assured(start_step(stretch.evidence), "errors") == 0.0


def test_every_objective_has_to_be_shown() -> None:
    plan = replace(BOTH, evidence=EvidenceRule.BUDGET, steps=STEPS, min_requests=1)
    stretch = Stretch(plan=plan)
    slow = counts((10, 1), (90, 9))
    for _ in range(100):
        verdict = stretch.see(errors=counts((10, 0), (90, 0)), latency=replace(slow))
        if verdict.outcome is Outcome.FAIL:
            break
    lacking = missing(stretch.evidence, plan, 0)
    assert lacking is not None
    assert lacking.objective == "latency"
    assert log_assured(stretch.evidence, "errors") >= lacking.log_threshold


def test_at_all_traffic_without_stable_the_objectives_own_bound_has_to_be_shown() -> None:
    stretch = Stretch(plan=replace(BUDGET, steps=STEPS), step_index=2)
    seconds = seconds_until(stretch, Traffic(100, 0, 0.0, 0.0), Outcome.PASS, 60)
    assert seconds is not None
    assert 461 <= 100 * seconds <= 800


def test_a_canary_so_bad_that_nothing_would_show_it_safe_is_said_to_be() -> None:
    plan = replace(BUDGET, steps=STEPS, objectives=(replace(ERRORS, max_bad_ratio=0.9),), tolerance=100.0)
    stretch = Stretch(plan=plan)
    for _ in range(20):
        verdict = stretch.see(errors=counts((10, 3), (90, 9)))
    assert verdict.reason is Reason.NOT_SHOWN_SAFE
    assert "as things are, no number of requests would show it" in verdict.sentence


def test_a_canary_under_suspicion_takes_no_step_although_it_has_baked() -> None:
    plan = replace(PLAN, steps=(Step(10, 4.0), Step(100, 4.0)), min_requests=20)
    stretch = Stretch(plan=plan)
    for bad in (0, 1, 2, 2):
        verdict = stretch.see(errors=counts((15, bad), (135, 0)))
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.SUSPICION)
    assert "no step is taken" in verdict.sentence


def test_a_window_from_before_the_step_shows_nothing() -> None:
    stretch = Stretch(plan=replace(BUDGET, steps=STEPS), step_since=5.0)
    for _ in range(5):
        stretch.see(errors=counts((100, 0), (900, 0)))
    assert log_assured(stretch.evidence, "errors") == 0.0
    stretch.see(errors=counts((100, 0), (900, 0)))
    assert log_assured(stretch.evidence, "errors") > 0.0


@pytest.mark.parametrize("theta", GRID)
@pytest.mark.parametrize("dispersion", [1.0, 1.5, 4.0])
@pytest.mark.parametrize("hypothesis", [Hypothesis(1.0, 0.02), Hypothesis(0.0, 0.03)])
@pytest.mark.parametrize("stable_rate", [0.0, 0.01, 0.2])
def test_no_bet_that_going_on_is_safe_gains_on_average_when_it_is_not(
    stable_rate: float, hypothesis: Hypothesis, dispersion: float, theta: float
) -> None:
    """Exact, by enumeration, at the boundary of what is doubted."""
    canary, stable = 60, 90
    rate, allowed = hypothesis.ratio * stable_rate + hypothesis.delta, Dispersion(dispersion, dispersion)
    mean = 0.0
    for bad in range(canary + 1):
        likely = _binomial(canary, bad, rate)
        for other in range(stable + 1):
            seen = counts((canary, bad), (stable, other))
            size = bet(theta, hypothesis, seen, allowed)
            gain = log_factor(size, hypothesis, seen, allowed)
            mean += likely * _binomial(stable, other, stable_rate) * math.exp(gain)
    assert mean <= 1.0 + 1e-9


def _binomial(number: int, bad: int, rate: float) -> float:
    return math.comb(number, bad) * rate**bad * (1.0 - rate) ** (number - bad)


arms = st.integers(0, 10**7).flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(0, n)))


@given(st.lists(st.tuples(arms, arms), min_size=1, max_size=12), st.sampled_from([0, 1, 2]))
def test_no_counts_however_extreme_break_the_arithmetic(
    seen: list[tuple[Counts, Counts]], step_index: int
) -> None:
    plan: Plan = replace(BUDGET, steps=STEPS)
    stretch = Stretch(plan=plan, step_index=step_index)
    for canary, stable in seen:
        verdict = stretch.see(errors=counts((canary.requests, canary.bad), (stable.requests, stable.bad)))
        assert verdict.outcome in Outcome
        assert not math.isnan(log_assured(stretch.evidence, "errors"))

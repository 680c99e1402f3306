"""The sequential tests bound false alarms by arithmetic, and find real faults in seconds."""

import json
import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.evidence import MixtureState
from canary.domain.interval import anytime_interval
from canary.domain.measurement import ArmCounts, Counts
from canary.domain.sequential import (
    COMPARISON_GRID,
    INDEPENDENT,
    OBJECTIVE_GRID,
    Budget,
    Dispersion,
    Hypothesis,
    SequentialTest,
    bet,
    comparison_test,
    fold_alarm,
    fold_window,
    fresh_state,
    log_evidence,
    log_factor,
    log_sum_exp,
    objective_test,
)
from tests.domain.measured import Traffic, counts

BUDGET = Budget(alpha=0.01, weight=1.0, horizon_windows=3600)
OBJECTIVE = objective_test(0.01, BUDGET)
COMPARISON = comparison_test(1.2, BUDGET)

requests = st.integers(0, 10**7)
arms = st.builds(
    lambda n, share: Counts(n, min(n, int(n * share))), requests, st.floats(0, 1, exclude_max=True)
)
windows = st.builds(ArmCounts, arms, arms)


def chance(number: int, bad: int, rate: float) -> float:
    return math.comb(number, bad) * rate**bad * (1.0 - rate) ** (number - bad)


def all_outcomes(canary: int, stable: int) -> list[ArmCounts]:
    return [counts((canary, k), (stable, j)) for k, j in product(range(canary + 1), range(stable + 1))]


def mean_factor(
    hypothesis: Hypothesis, theta: float, arm_sizes: tuple[int, int], stable_rate: float
) -> float:
    """The exact mean of e where the canary is exactly as bad as the hypothesis allows."""
    canary_rate = min(1.0, hypothesis.ratio * stable_rate + hypothesis.delta)
    return mean_factor_at(hypothesis, theta, arm_sizes, (canary_rate, stable_rate))


def mean_factor_at(
    hypothesis: Hypothesis,
    theta: float,
    arm_sizes: tuple[int, int],
    rates: tuple[float, float],
    dispersion: Dispersion = INDEPENDENT,
) -> float:
    total = 0.0
    for seen in all_outcomes(*arm_sizes):
        likely = chance(arm_sizes[0], seen.canary.bad, rates[0]) * chance(
            arm_sizes[1], seen.stable.bad, rates[1]
        )
        size = bet(theta, hypothesis, seen, dispersion)
        total += likely * math.exp(log_factor(size, hypothesis, seen, dispersion))
    return total


@pytest.mark.parametrize("arm_sizes", [(1, 1), (3, 9), (9, 3), (12, 1), (5, 0), (0, 5)])
@pytest.mark.parametrize("stable_rate", [0.0, 0.003, 0.1, 0.5, 0.83])
@pytest.mark.parametrize(
    ("ratio", "delta"), [(0.0, 0.01), (0.0, 0.3), (1.0, 0.0), (1.2, 0.0), (1.2, 0.005), (3.0, 0.0)]
)
def test_no_bet_gains_on_average_at_the_boundary_of_what_is_allowed(arm_sizes, stable_rate, ratio, delta):
    hypothesis = Hypothesis(ratio, delta)
    for theta in {*OBJECTIVE_GRID, *COMPARISON_GRID}:
        assert mean_factor(hypothesis, theta, arm_sizes, stable_rate) <= 1.0 + 1e-12


@pytest.mark.parametrize("dispersion", [Dispersion(1.5, 1.0), Dispersion(3.0, 3.0), Dispersion(1.0, 8.0)])
def test_allowing_for_bursts_only_makes_bets_more_careful(dispersion):
    for hypothesis, theta in product((Hypothesis(0.0, 0.05), Hypothesis(1.2, 0.0)), COMPARISON_GRID):
        assert mean_factor_at(hypothesis, theta, (4, 9), (0.05, 0.05), dispersion) <= 1.0 + 1e-12


def test_a_tiny_overdispersion_is_nearly_none():
    seen = counts((100, 7), (900, 9))
    for hypothesis in (Hypothesis(0.0, 0.01), Hypothesis(1.2, 0.0)):
        plain = log_factor(bet(3.0, hypothesis, seen), hypothesis, seen)
        almost = Dispersion(1.0 + 1e-9, 1.0 + 1e-9)
        allowed_for = log_factor(bet(3.0, hypothesis, seen, almost), hypothesis, seen, almost)
        assert allowed_for == pytest.approx(plain, rel=1e-5)


def test_a_bet_against_too_good_a_canary_gains_nothing_on_average_either():
    hypothesis = Hypothesis(0.0, 0.2)
    total = sum(
        chance(6, k, 0.2) * math.exp(log_factor(-0.5, hypothesis, counts((6, k), (0, 0)))) for k in range(7)
    )
    # (1 + b p)^n against exp(b n p): equal to first order, so below 1 for either sign of b.
    assert total <= 1.0


@pytest.mark.parametrize(
    ("test", "stable_rate"), [(objective_test(0.2, BUDGET), 0.2), (COMPARISON, 0.2 / 1.2)]
)
def test_the_mixture_over_bets_and_starting_times_gains_nothing_on_average(test, stable_rate):
    outcomes = [
        (chance(2, seen.canary.bad, 0.2) * chance(3, seen.stable.bad, stable_rate), seen)
        for seen in all_outcomes(2, 3)
    ]

    def mean(state: MixtureState, windows_left: int) -> float:
        if windows_left == 0:
            return math.exp(log_evidence(state))
        return sum(
            likely * mean(fold_window(test, state, seen), windows_left - 1) for likely, seen in outcomes
        )

    assert mean(fresh_state(test), 2) <= 1.0 + 1e-9


@pytest.mark.parametrize("test", [OBJECTIVE, COMPARISON])
def test_no_single_window_convicts_however_bad(test):
    once = fold_window(test, fresh_state(test), counts((10**6, 10**6), (10**6, 0)))
    assert log_evidence(once) < math.log(1 / BUDGET.alpha)
    assert log_evidence(fold_window(test, once, counts((100, 100), (900, 0)))) >= math.log(1 / BUDGET.alpha)


@given(
    st.floats(0.00001, 0.1),
    st.floats(0.05, 1.0),
    st.lists(windows, max_size=8),
    windows,
)
def test_a_window_convicts_only_where_those_before_had_raised_suspicion(alpha, weight, before, last):
    test = comparison_test(1.2, Budget(alpha, weight, 3600))
    state = fresh_state(test)
    for seen in before:
        state = fold_window(test, state, seen)
    suspicion = log_evidence(state)
    assert log_evidence(fold_window(test, state, last)) < max(suspicion, 0.0) + math.log(1 / alpha)


def first_alarm(test: SequentialTest, traffic: Traffic, seed: int, most: int) -> int | None:
    state = fresh_state(test)
    for number, seen in enumerate(traffic.windows(most, seed), start=1):
        state = fold_window(test, state, seen)
        if log_evidence(state) >= math.log(1 / BUDGET.alpha):
            return number
    return None


@pytest.mark.parametrize(
    ("canary", "rate", "at_most"), [(10, 0.2, 4), (10, 1.0, 2), (100, 0.05, 3), (1, 0.2, 30)]
)
def test_real_faults_are_found_within_seconds(canary, rate, at_most):
    traffic = Traffic(canary, 9 * canary, canary_rate=rate, stable_rate=0.002)
    found = sorted(first_alarm(OBJECTIVE, traffic, seed, 200) or 999 for seed in range(21))
    assert found[0] >= 2
    assert found[10] <= at_most


def test_a_canary_exactly_at_the_bound_is_rarely_convicted():
    traffic = Traffic(20, 180, canary_rate=0.01, stable_rate=0.01 / 1.2)
    convicted = [
        seed
        for seed in range(60)
        for test in (OBJECTIVE, COMPARISON)
        if first_alarm(test, traffic, seed, 150) is not None
    ]
    assert len(convicted) <= 1


def test_a_late_fault_is_found_nearly_as_fast_as_an_early_one():
    good = Traffic(10, 90, canary_rate=0.002, stable_rate=0.002)
    bad = Traffic(10, 90, canary_rate=0.2, stable_rate=0.002)
    state = fresh_state(OBJECTIVE)
    for seen in good.windows(2880, seed=1):
        state = fold_window(OBJECTIVE, state, seen)
    late = bad.windows(100, seed=2)
    windows_needed = 0
    while log_evidence(state) < math.log(100):
        state = fold_window(OBJECTIVE, state, next(late))
        windows_needed += 1
    assert windows_needed <= 10


@given(st.lists(windows, max_size=20))
def test_a_canary_without_bad_requests_never_gathers_evidence_against_itself(seen_windows):
    for test in (OBJECTIVE, COMPARISON):
        state = fresh_state(test)
        for seen in seen_windows:
            state = fold_window(test, state, ArmCounts(Counts(seen.canary.requests, 0), seen.stable))
            assert log_evidence(state) <= 1e-9


@given(st.lists(windows, max_size=20))
def test_no_counts_however_extreme_break_the_arithmetic(seen_windows):
    for test in (OBJECTIVE, COMPARISON):
        state = fresh_state(test)
        for seen in seen_windows:
            state = fold_window(test, state, seen)
            assert all(not math.isnan(value) and value < math.inf for value in state.log_capitals)
            assert math.isfinite(log_evidence(state))


@given(st.lists(windows, min_size=1, max_size=12), st.data())
def test_a_restart_from_the_saved_state_changes_nothing(seen_windows, data):
    cut = data.draw(st.integers(1, len(seen_windows)))
    through = fresh_state(COMPARISON)
    for seen in seen_windows:
        through = fold_window(COMPARISON, through, seen)
    state = fresh_state(COMPARISON)
    for seen in seen_windows[:cut]:
        state = fold_window(COMPARISON, state, seen)
    saved = json.loads(json.dumps([state.log_capitals, state.reserve, state.windows]))
    state = MixtureState(tuple(saved[0]), saved[1], saved[2])
    for seen in seen_windows[cut:]:
        state = fold_window(COMPARISON, state, seen)
    assert state == through


def test_a_window_without_requests_of_the_canary_leaves_the_evidence_as_it_is():
    state = fresh_state(COMPARISON)
    for seen in Traffic(10, 90, 0.1, 0.01).windows(5, seed=3):
        state = fold_window(COMPARISON, state, seen)
    for empty in (counts((0, 0), (90, 3)), counts((10, 5), (0, 0))):
        assert log_evidence(fold_window(COMPARISON, state, empty)) == pytest.approx(log_evidence(state))


def test_capital_is_neither_made_nor_lost_by_being_staked():
    state = fresh_state(objective_test(0.01, Budget(0.01, 1.0, horizon_windows=10)))
    test = objective_test(0.01, Budget(0.01, 1.0, horizon_windows=10))
    for _ in range(25):
        state = fold_window(test, state, counts((0, 0), (0, 0)))
        assert log_evidence(state) == pytest.approx(0.0, abs=1e-12)
    assert state.reserve == pytest.approx(0.0, abs=1e-12)


def test_evidence_outlives_a_change_of_the_grid():
    saved = MixtureState((1.0, 2.0, 3.0), reserve=0.25, windows=7)
    folded = fold_window(OBJECTIVE, saved, counts((0, 0), (0, 0)))
    assert log_evidence(folded) == pytest.approx(log_evidence(saved))


@pytest.mark.parametrize("bound", [0.001, 0.01, 0.05, 0.4, 0.9, 0.999])
def test_alternatives_beyond_all_requests_bad_are_not_bet_on(bound):
    grid = objective_test(bound, BUDGET).grid
    assert grid
    assert all(1.0 < theta <= 1.0 / bound for theta in grid)


def test_a_bad_request_of_stable_never_costs_a_bet_everything():
    seen = counts((10**6, 0), (1, 1))
    size = bet(100.0, COMPARISON.hypothesis, seen)
    assert log_factor(size, COMPARISON.hypothesis, seen) >= math.log(0.02) - 1e-9


def test_dispersion_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Dispersion(0.5, 1.0)


def test_an_alarm_rises_at_once_and_ends_soon_after_its_cause():
    healthy, broken = counts((100, 0), (0, 0)), counts((100, 50), (0, 0))
    state = None
    for _ in range(1000):
        state = fold_alarm(OBJECTIVE, state, healthy)
    for _ in range(500):
        state = fold_alarm(OBJECTIVE, state, broken)
    assert log_evidence(state) >= math.log(100)
    for _ in range(20):
        state = fold_alarm(OBJECTIVE, state, healthy)
    assert log_evidence(state) < 0.0


def test_sums_of_logarithms_neither_overflow_nor_need_anything_to_add():
    assert log_sum_exp(()) == -math.inf
    assert log_sum_exp((-math.inf, -math.inf)) == -math.inf
    assert log_sum_exp((5000.0, 5000.0)) == pytest.approx(5000.0 + math.log(2))
    assert log_sum_exp((-9000.0, 0.0)) == pytest.approx(0.0)


def test_the_interval_for_23_of_1000_is_the_published_one():
    interval = anytime_interval(1000, 23)
    assert interval.low == pytest.approx(0.0097, abs=5e-5)
    assert interval.high == pytest.approx(0.0447, abs=5e-5)


def test_the_interval_of_no_requests_is_everything():
    assert (anytime_interval(0, 0).low, anytime_interval(0, 0).high) == (0.0, 1.0)


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(1.0, 5.0))
def test_an_interval_holds_what_was_seen_and_widens_with_bursts(number, share, dispersion):
    bad = int(number * share)
    plain, wide = anytime_interval(number, bad), anytime_interval(number, bad, dispersion=dispersion)
    assert 0.0 <= wide.low <= plain.low + 1e-12
    assert plain.low <= bad / number <= plain.high
    assert plain.high - 1e-12 <= wide.high <= 1.0


def test_intervals_hold_the_truth_at_every_look_far_more_often_than_promised():
    missed = 0
    for seed in range(60):
        total = bad = 0
        for seen in Traffic(20, 0, 0.03, 0.0).windows(60, seed):
            total, bad = total + seen.canary.requests, bad + seen.canary.bad
            interval = anytime_interval(total, bad)
            if not interval.low <= 0.03 <= interval.high:
                missed += 1
                break
    assert missed <= 3

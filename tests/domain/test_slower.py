"""A canary several times as slow as stable is found within its bound; a bit slower is left alone."""

import json
import math
from dataclasses import replace
from itertools import product
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.domain.analysis import start_step
from canary.domain.edges import edges_beside, name_at, pairs_of
from canary.domain.evidence import MixtureState
from canary.domain.hypotheses import in_shared_trouble, planned_tests
from canary.domain.measurement import ArmCounts, Counts, Measurement, Window
from canary.domain.sequential import (
    INDEPENDENT,
    Budget,
    Dispersion,
    comparison_test,
    fold_window,
    fresh_state,
    log_evidence,
)
from canary.domain.slower import counts_of, fold_pairs, larger, log_evidence_by_pair
from canary.domain.verdict import Outcome, Reason
from tests.domain.measured import BOTH, LATENCY, Stretch, Traffic, counts

BUDGET = Budget(alpha=0.01, weight=1.0, horizon_windows=3600)
PAIRS = pairs_of("latency", 500.0)
TEST = comparison_test(1.2, BUDGET, comparisons=len(PAIRS))
ALIKE = (INDEPENDENT,) * len(PAIRS)
SLOWER = "latency/slower"

arms = st.integers(0, 10**7).flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(0, n)))
seen_by_pairs = st.lists(
    st.none() | st.builds(ArmCounts, arms, arms), min_size=len(PAIRS), max_size=len(PAIRS)
)


def chance(number: int, bad: int, rate: float) -> float:
    return math.comb(number, bad) * rate**bad * (1.0 - rate) ** (number - bad)


class Durations:
    """Logarithms of durations (ms) are normal; what is drawn is only how many are above each edge."""

    def __init__(self, median: float, deviation: float = 0.8) -> None:
        self._normal = NormalDist(math.log(median), deviation)

    def above(self, edge: float) -> float:
        return 1.0 - self._normal.cdf(math.log(edge))

    def counts(self, number: int) -> dict[float, Counts]:
        edges = {500.0, *edges_beside(500.0)}
        return {edge: Counts(number, round(number * self.above(edge))) for edge in edges}


def measured(end: float, canary: dict[float, Counts], stable: dict[float, Counts]) -> Measurement:
    """A window of a second; both arms count the same edges."""
    at_edges = {edge: ArmCounts(canary[edge], stable[edge]) for edge in canary}
    return Measurement(
        Window(end - 1.0, end),
        {"latency": at_edges[500.0]},
        edges={name_at("latency", edge): seen for edge, seen in at_edges.items() if edge != 500.0},
    )


def stretch_of(canary: Durations, stable: Durations, windows: int, number: int = 1000) -> Stretch:
    stretch = Stretch(plan=replace(BOTH, objectives=(LATENCY,)))
    for _ in range(windows):
        stretch.see_measurement(measured(stretch.at + 1.0, canary.counts(number), stable.counts(9 * number)))
    return stretch


# What is promised


@pytest.mark.parametrize("dispersion", [INDEPENDENT, Dispersion(3.0, 3.0)])
@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.1, 0.05), (0.4, 0.1), (0.8, 0.5)])
def test_at_the_boundary_no_capital_is_won_on_average_by_pairs_that_depend_on_each_other(rates, dispersion):
    """Two pairs in a chain: of each arm's requests some are above the low edge, and of these some above."""
    test = replace(comparison_test(1.2, BUDGET, comparisons=2), grid=(1.3, 3.5, 100.0))
    low, high = rates
    # At the boundary: the canary's share above an edge is 1.2 times stable's above the one below.
    stable = {"low": low, "middle": min(low, high), "top": 0.0}
    canary = {"middle": min(1.0, 1.2 * stable["low"]), "top": min(1.0, 1.2 * stable["middle"])}

    def nested(number: int, outer: float, inner: float) -> list[tuple[float, int, int]]:
        share = inner / outer if outer else 0.0
        return [
            (chance(number, k, outer) * chance(k, j, share), k, j)
            for k in range(number + 1)
            for j in range(k + 1)
        ]

    canaries = nested(2, canary["middle"], min(canary["top"], canary["middle"]))
    stables = nested(3, stable["low"], stable["middle"])
    outcomes = [
        (one * other, [counts((2, k_middle), (3, j_low)), counts((2, k_top), (3, j_middle))])
        for (one, k_middle, k_top), (other, j_low, j_middle) in product(canaries, stables)
    ]
    assert sum(likely for likely, _ in outcomes) == pytest.approx(1.0)
    # The second window lacks a pair: what does not bet wins nothing either.
    total = 0.0
    for likely, seen in outcomes:
        state = fold_pairs(test, None, seen, (dispersion,) * 2)
        for again, more in outcomes:
            after = fold_pairs(test, state, [more[0], None], (dispersion,) * 2)
            total += likely * again * math.exp(log_evidence(after))
    assert total <= 1.0 + 1e-9


@given(st.lists(seen_by_pairs, max_size=6))
def test_the_evidence_is_the_mean_of_what_the_pairs_have_by_themselves(windows):
    state, alone = None, [fresh_state(TEST) for _ in PAIRS]
    for seen in windows:
        state = fold_pairs(TEST, state, seen, ALIKE)
        alone = [fold_window(TEST, part, each or ArmCounts()) for part, each in zip(alone, seen, strict=True)]
    if state is not None:
        by_pair = log_evidence_by_pair(state, len(PAIRS))
        assert by_pair == pytest.approx([log_evidence(part) for part in alone])
        most = max(by_pair)
        mean = most + math.log(sum(math.exp(each - most) for each in by_pair) / len(PAIRS))
        assert log_evidence(state) == pytest.approx(mean, abs=1e-9)


@given(st.lists(seen_by_pairs, min_size=1, max_size=8), st.data())
def test_a_restart_from_the_saved_state_changes_nothing(windows, data):
    cut = data.draw(st.integers(1, len(windows)))
    through = None
    for seen in windows:
        through = fold_pairs(TEST, through, seen, ALIKE)
    state = None
    for seen in windows[:cut]:
        state = fold_pairs(TEST, state, seen, ALIKE)
    assert state is not None
    saved = json.loads(json.dumps([state.log_capitals, state.reserve, state.windows]))
    state = MixtureState(tuple(saved[0]), saved[1], saved[2])
    for seen in windows[cut:]:
        state = fold_pairs(TEST, state, seen, ALIKE)
    assert state == through


@given(st.lists(seen_by_pairs, max_size=8), seen_by_pairs)
def test_no_single_window_convicts(before, last):
    state = fold_pairs(TEST, None, [None] * len(PAIRS), ALIKE)
    for seen in before:
        state = fold_pairs(TEST, state, seen, ALIKE)
    suspicion = log_evidence(state)
    assert log_evidence(fold_pairs(TEST, state, last, ALIKE)) < max(suspicion, 0.0) + math.log(100)


def test_a_window_without_a_pair_leaves_its_capital_as_it_is():
    bad, none = counts((100, 60), (900, 90)), [None] * len(PAIRS)
    state = fold_pairs(TEST, None, [bad, *none[1:]], ALIKE)
    before = log_evidence_by_pair(state, len(PAIRS))
    assert before[0] > 1.0
    assert before[1:] == pytest.approx((0.0,) * (len(PAIRS) - 1))
    after = log_evidence_by_pair(fold_pairs(TEST, state, none, ALIKE), len(PAIRS))
    assert after == pytest.approx(before, abs=1e-3)


@given(st.integers(1, 6), st.integers(0, 40))
def test_evidence_outlives_a_change_of_the_pairs(pairs, saved):
    state = MixtureState(tuple(float(number % 5) for number in range(saved)), reserve=0.25, windows=7)
    if not saved:
        state = replace(state, log_capitals=(-math.inf,))
    folded = fold_pairs(TEST, replace(state), [None] * pairs, (INDEPENDENT,) * pairs)
    assert log_evidence(folded) == pytest.approx(log_evidence(state))
    assert len(folded.log_capitals) == pairs * len(TEST.grid)


def test_the_larger_dispersion_of_two_edges_is_assumed():
    assert larger(Dispersion(1.5, 1.5), Dispersion(4.0, 4.0)) == Dispersion(4.0, 4.0)


# What is found, and what is not


def test_three_times_as_slow_within_the_bound_fails_by_comparison():
    stretch = stretch_of(Durations(60.0), Durations(20.0), windows=90, number=100)
    verdict = stretch.judge()
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, Reason.WORSE_THAN_STABLE)
    assert verdict.objective == "latency"
    (found,) = verdict.findings
    assert found.slower is not None
    assert found.log_evidence_slo < 0.0
    assert f"took longer than {found.slower.canary_ms:g} ms" in verdict.sentence
    assert f"took longer than even {found.slower.stable_ms:g} ms" in verdict.sentence


@pytest.mark.parametrize("times", [1.0, 1.1, 1.4, 1.5])
@pytest.mark.parametrize("deviation", [0.3, 0.8, 1.5])
def test_a_canary_that_is_a_bit_slower_gathers_no_evidence_against_itself(times, deviation):
    stretch = stretch_of(Durations(40.0 * times, deviation), Durations(40.0, deviation), windows=260)
    assert log_evidence(stretch.evidence.tests[SLOWER]) <= 0.0


def test_a_canary_that_is_cold_for_a_minute_gathers_no_evidence_against_itself():
    stretch = stretch_of(Durations(60.0), Durations(20.0), windows=60)
    assert log_evidence(stretch.evidence.tests[SLOWER]) == pytest.approx(0.0)
    for _ in range(60):
        stretch.see_measurement(
            measured(stretch.at + 1.0, Durations(20.0).counts(1000), Durations(20.0).counts(9000))
        )
    assert log_evidence(stretch.evidence.tests[SLOWER]) <= 0.0


def test_windows_without_a_request_of_the_canary_warm_nobody_up():
    nobody = dict.fromkeys(Durations(20.0).counts(0), Counts(0, 0))
    stretch = Stretch(plan=BOTH)
    for _ in range(100):
        stretch.see_measurement(measured(stretch.at + 1.0, nobody, Durations(20.0).counts(9000)))
    assert SLOWER not in stretch.evidence.tests


def test_a_stable_that_breaks_the_bound_mutes_no_comparison():
    stretch = stretch_of(Durations(900.0), Durations(250.0), windows=120)
    assert in_shared_trouble(stretch.evidence.tests, "latency")
    assert stretch.judge().reason is Reason.WORSE_THAN_STABLE


def test_windows_without_further_edges_bet_nothing_and_spoil_nothing():
    stretch = Stretch(plan=BOTH)
    for seen in Traffic(10, 90, 0.002, 0.002).windows(5, seed=1):
        verdict = stretch.see(errors=seen, latency=seen)
    assert SLOWER not in stretch.evidence.tests
    assert verdict.findings[1].slower is None
    assert verdict.outcome is Outcome.HOLD


def test_edges_that_a_histogram_lacks_are_fewer_pairs():
    slow, fast = Durations(120.0).counts(1000), Durations(40.0).counts(9000)
    stretch = Stretch(plan=BOTH)
    for _ in range(90):
        whole = measured(stretch.at + 1.0, slow, fast)
        some = {name: whole.edges[name] for name in ("latency@250", "latency@100")}
        verdict = stretch.see_measurement(replace(whole, edges=some))
    assert verdict.findings[1].slower is not None
    assert {verdict.findings[1].slower.canary_ms, verdict.findings[1].slower.stable_ms} <= {100, 250, 500}
    by_pair = log_evidence_by_pair(stretch.evidence.tests[SLOWER], len(PAIRS))
    assert by_pair[0] == by_pair[3] == pytest.approx(0.0)


def test_on_a_dry_run_it_decides_nothing():
    stretch = Stretch(plan=replace(BOTH, objectives=(LATENCY,), dry_run=frozenset({"latency"})))
    for _ in range(90):
        seen = measured(stretch.at + 1.0, Durations(120.0).counts(1000), Durations(40.0).counts(9000))
        verdict = stretch.see_measurement(seen)
    assert verdict.outcome is not Outcome.FAIL
    assert verdict.findings[0].slower is not None
    assert verdict.findings[0].slower.log_evidence > math.log(100)


def test_the_weights_of_what_decides_sum_to_one():
    for plan in (BOTH, replace(BOTH, dry_run=frozenset({"latency"})), replace(BOTH, objectives=(LATENCY,))):
        weights = [test.weight for test in planned_tests(plan, 1.0) if test.decides]
        assert sum(weights) == pytest.approx(1.0)


def test_the_test_goes_on_over_steps_while_its_counts_begin_anew():
    stretch = stretch_of(Durations(60.0), Durations(40.0), windows=5)
    begun = start_step(stretch.evidence)
    assert begun.step_edges == {}
    assert begun.tests[SLOWER] == stretch.evidence.tests[SLOWER]


@settings(max_examples=20)
@given(st.floats(0.2, 5.0))
def test_counts_of_a_pair_are_the_canarys_above_and_stables_below(times):
    canary, stable = Durations(40.0 * times).counts(100), Durations(40.0).counts(900)
    window = measured(1.0, canary, stable)
    by_name = {**window.edges, **window.counts}
    for pair in PAIRS:
        assert counts_of(pair, by_name) == ArmCounts(canary[pair.canary_ms], stable[pair.stable_ms])

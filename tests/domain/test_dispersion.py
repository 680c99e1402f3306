"""How bad requests come is learned from stable alone, and bets that allow for it gain nothing on average."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.analysis import fold, new_evidence, with_history
from canary.domain.dispersion import UNKNOWN, Block, dispersion_of, learn, nothing_learned, spread
from canary.domain.hypotheses import MOST_OF_LOST, dispersion_for
from canary.domain.measurement import NOTHING, ArmCounts, Counts, Measurement, Window
from canary.domain.plan import UNATTRIBUTED
from canary.domain.sequential import Dispersion, Hypothesis, bet, log_factor
from canary.domain.verdict import Reason
from tests.domain.measured import ERRORS, PLAN, Stretch, Traffic, counts, windows_until_fail

HOUR = 3600
Pods = tuple[Counts, ...]


def learned(seconds: Iterator[Pods], *, told_apart: bool) -> float:
    blocks = nothing_learned()
    for second, pods in enumerate(seconds):
        window = Window(float(second), second + 1.0)
        blocks = learn(blocks, window, sum(pods, NOTHING), pods if told_apart else ())
    return dispersion_of(blocks)


def drawn(
    seed: int, rate: Callable[[int], float], clump: int = 1, pods: int = 8, per_second: int = 10
) -> Iterator[Pods]:
    draw = random.Random(seed)  # noqa: S311 - repeatable
    for second in range(HOUR):
        chance = rate(second) / clump
        groups = [sum(draw.random() < chance for _ in range(per_second)) for _ in range(pods)]
        yield tuple(Counts(per_second, min(per_second, clump * number)) for number in groups)


@pytest.mark.parametrize("told_apart", [True, False])
@pytest.mark.parametrize("clump", [1, 2, 5])
def test_errors_in_clumps_are_found_to_vary_as_many_times_as_much(clump: int, told_apart: bool) -> None:
    found = learned(drawn(clump, lambda _: 0.005, clump), told_apart=told_apart)
    assert 0.8 * clump <= found <= 2.0 * clump


def test_what_befalls_all_pods_at_once_is_no_burst_where_they_are_told_apart() -> None:
    def in_spells(second: int) -> float:
        return 0.05 if second % 300 < 30 else 0.001

    assert learned(drawn(1, in_spells), told_apart=True) < 1.3
    assert learned(drawn(1, in_spells), told_apart=False) > 5.0


def test_nothing_is_known_at_first_and_silence_teaches_nothing() -> None:
    assert dispersion_of(nothing_learned()) == UNKNOWN > 1.0
    assert learned(drawn(1, lambda _: 0.0), told_apart=True) == UNKNOWN


def test_one_pod_alone_is_compared_with_itself_over_time() -> None:
    alone = learned(drawn(3, lambda _: 0.05, clump=5, pods=1), told_apart=True)
    assert alone == learned(drawn(3, lambda _: 0.05, clump=5, pods=1), told_apart=False)
    assert alone > 3.0


def test_blocks_that_do_not_follow_each_other_are_not_compared() -> None:
    blocks = nothing_learned()
    for start, bad in ((0.0, 0), (500.0, 90), (1000.0, 0), (1500.0, 90), (2000.0, 0)):
        blocks = learn(blocks, Window(start, start + 10.0), Counts(100, bad), ())
    assert dispersion_of(blocks) == UNKNOWN


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=9))
def test_no_counts_however_extreme_make_less_than_independence_of_it(pairs: list[tuple[int, int]]) -> None:
    parts = [Counts(max(pair), min(pair)) for pair in pairs]
    found = spread(parts)
    assert math.isfinite(found.squares)
    assert found.squares >= 0.0 <= found.expected
    assert dispersion_of((Block(learned=found),)) >= 1.0


def chance_of(bad: int, mean: float, dispersion: float) -> float:
    """Of a negative binomial number with this mean, and ``dispersion`` times the mean as its variance."""
    size = mean / (dispersion - 1.0)
    logarithm = math.lgamma(bad + size) - math.lgamma(size) - math.lgamma(bad + 1.0)
    return math.exp(logarithm - size * math.log(dispersion) + bad * math.log1p(-1.0 / dispersion))


@pytest.mark.parametrize("dispersion", [1.2, 1.5, 3.0, 8.0])
@pytest.mark.parametrize("theta", [1.3, 3.0, 20.0])
@pytest.mark.parametrize("hypothesis", [Hypothesis(0.0, 0.01), Hypothesis(1.2, 0.0), Hypothesis(1.0, 0.002)])
def test_no_bet_gains_on_average_when_errors_come_in_bursts(
    hypothesis: Hypothesis, theta: float, dispersion: float
) -> None:
    """Exact: every pair of numbers of bad requests, weighed by its chance at the boundary."""
    canary, stable, stable_rate = 400, 900, 0.004
    rates = hypothesis.ratio * stable_rate + hypothesis.delta, stable_rate
    allowed = Dispersion(dispersion, dispersion)
    of_stable = [(j, chance_of(j, stable * rates[1], dispersion)) for j in range(160)]
    mean = 0.0
    for bad in range(300):
        likely = chance_of(bad, canary * rates[0], dispersion)
        for other, chance in of_stable:
            seen = counts((canary, bad), (stable, other))
            size = bet(theta, hypothesis, seen, allowed)
            mean += likely * chance * math.exp(log_factor(size, hypothesis, seen, allowed))
    assert mean <= 1.0 + 1e-6


def measurement(second: int, canary_bad: int, stable_bad: int) -> Measurement:
    seen = ArmCounts(Counts(10, canary_bad), Counts(90, stable_bad))
    return Measurement(Window(float(second), second + 1.0), {ERRORS.name: seen})


def test_a_windows_own_errors_do_not_decide_how_it_is_bet_on() -> None:
    """Else a burst of both arms would excuse itself, and the bound on false alarms would not hold."""
    evidence = new_evidence(0.0)
    for second in range(25):
        evidence = fold(
            evidence, measurement(second, 0, 1), PLAN, window_seconds=1.0, step_index=0, step_since=0.0
        )
    calm, burst = (
        fold(evidence, measurement(25, 1, stable_bad), PLAN, window_seconds=1.0, step_index=0, step_since=0.0)
        for stable_bad in (0, 40)
    )
    assert calm.tests["errors/slo"] == burst.tests["errors/slo"]


def test_bursts_of_stable_make_the_next_bets_more_careful() -> None:
    evidence = new_evidence(0.0)
    for second in range(300):
        bad = 30 if second % 40 == 0 else 0
        evidence = fold(
            evidence, measurement(second, 0, bad), PLAN, window_seconds=1.0, step_index=0, step_since=0.0
        )
    assert dispersion_for(ERRORS.name, evidence).canary > 5.0


@pytest.mark.parametrize("after", [0, 1, 7, 50])
def test_history_teaches_the_same_whenever_it_comes_and_only_once(after: int) -> None:
    past = [measurement(second, 0, 5 if second % 30 == 0 else 0) for second in range(600)]
    release = [measurement(second, 0, second % 2) for second in range(600, 650)]
    evidence = new_evidence(600.0)
    for number, each in enumerate(release):
        if number >= after:
            evidence = with_history(evidence, past, PLAN)
        evidence = fold(evidence, each, PLAN, window_seconds=1.0, step_index=0, step_since=600.0)
    evidence = with_history(evidence, past, PLAN)
    at_once = with_history(new_evidence(600.0), past, PLAN)
    for each in release:
        at_once = fold(at_once, each, PLAN, window_seconds=1.0, step_index=0, step_since=600.0)
    assert evidence.dispersion[ERRORS.name][0].learned == at_once.dispersion[ERRORS.name][0].learned
    assert evidence.history_until == at_once.history_until == 600.0


def test_bursts_that_begin_after_an_hour_of_calm_are_known_within_a_minute() -> None:
    calm = [
        Measurement(Window(float(at), at + 1.0), {ERRORS.name: counts((0, 0), (900, 4 + at % 2))})
        for at in range(HOUR)
    ]
    evidence = with_history(new_evidence(float(HOUR)), calm, PLAN)
    assert dispersion_for(ERRORS.name, evidence).canary < 1.1
    for second in range(HOUR, HOUR + 70):
        bad = 45 if second // 10 % 3 == 0 else 0
        seen = Measurement(Window(float(second), second + 1.0), {ERRORS.name: counts((0, 0), (900, bad))})
        evidence = fold(evidence, seen, PLAN, window_seconds=1.0, step_index=0, step_since=0.0)
    assert dispersion_for(ERRORS.name, evidence).canary > 5.0


def lost(second: int, bad: int) -> Measurement:
    return replace(measurement(second, 0, 0), unattributed=Counts(100, bad))


def test_how_requests_get_lost_is_learned_from_the_past_alone() -> None:
    """Once the canary has traffic they may be its own, and must not excuse it."""
    calm = [lost(second, 0) for second in range(600)]
    bursts = [lost(second, 20 if second % 60 == 0 else 0) for second in range(600)]
    evidence = with_history(new_evidence(600.0), bursts, PLAN)
    assert dispersion_for(UNATTRIBUTED, evidence).canary == MOST_OF_LOST
    evidence = with_history(new_evidence(600.0), calm, PLAN)
    for second in range(600, 700):
        evidence = fold(evidence, lost(second, 100), PLAN, window_seconds=1.0, step_index=0, step_since=600.0)
    assert dispersion_for(UNATTRIBUTED, evidence).canary == UNKNOWN


def test_a_dead_canary_is_found_though_an_earlier_one_is_in_the_history() -> None:
    dead = [lost(second, 10 if second < 20 else 0) for second in range(600)]
    stretch = Stretch()
    stretch.evidence = with_history(stretch.evidence, dead, PLAN)
    verdicts = [stretch.see(unattributed=Counts(100, 10), errors=counts((0, 0), (90, 0))) for _ in range(15)]
    assert verdicts[-1].reason is Reason.UNATTRIBUTED_ERRORS


def test_a_history_that_is_empty_is_not_asked_for_again() -> None:
    evidence = with_history(new_evidence(600.0), (), PLAN)
    assert evidence.history_until is not None
    assert dispersion_for(ERRORS.name, evidence).canary == UNKNOWN
    assert with_history(new_evidence(600.0), None, PLAN).history_until is None


def test_a_fifth_of_requests_failing_is_found_sooner_when_it_is_known_how_errors_come() -> None:
    traffic = Traffic(10, 90, canary_rate=0.2, stable_rate=0.002)
    healthy = Traffic(10, 90, canary_rate=0.002, stable_rate=0.002)
    found: list[int] = []
    for seed in range(15):
        stretch = Stretch()
        past = [
            Measurement(Window(float(at - HOUR), at - HOUR + 1.0), {ERRORS.name: seen})
            for at, seen in enumerate(healthy.windows(HOUR, seed))
        ]
        stretch.evidence = with_history(stretch.evidence, past, PLAN)
        found.append(windows_until_fail(stretch, traffic.windows(60, seed)) or 99)
    assert sorted(found)[7] <= 4

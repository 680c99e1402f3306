"""The analysis fails what is bad, holds what is unknown, and passes only what was measured well enough."""

import math
from dataclasses import replace
from functools import partial
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.domain.analysis import fold, new_evidence, start_step, with_no_data
from canary.domain.measurement import NOTHING, ArmCounts, Counts, Measurement, NoData, NoDataReason, Window
from canary.domain.plan import OnNoData, Step
from canary.domain.sentences import one_in
from canary.domain.sequential import log_evidence
from canary.domain.verdict import Outcome, Reason
from tests.domain.measured import BOTH, ERRORS, PLAN, Stretch, Traffic, counts, windows_until_fail

HEALTHY = counts((10, 0), (90, 0))
BROKEN = counts((10, 10), (90, 0))
SILENT = counts((0, 0), (100, 0))
TIMEOUT = NoData(NoDataReason.TIMEOUT, "no answer within 10 s", at=30.0)

arms = st.integers(0, 300).flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(0, n)))
seen_windows = st.builds(ArmCounts, arms, arms)


by_seconds = partial(fold, plan=PLAN, window_seconds=1.0, step_index=0, step_since=0.0)


def chance(number: int, bad: int, rate: float) -> float:
    return math.comb(number, bad) * rate**bad * (1.0 - rate) ** (number - bad)


# What fails


def test_a_canary_that_fails_every_request_fails_with_the_second_window():
    assert windows_until_fail(Stretch(), [BROKEN] * 10) == 2


def test_no_first_window_convicts_even_when_every_test_speaks_against_the_canary():
    terrible = counts((10**5, 10**5), (10**5, 0))
    verdict = Stretch(plan=BOTH).see(errors=terrible, latency=terrible, unattributed=Counts(10**5, 10**5))
    assert verdict.outcome is Outcome.HOLD


def test_the_breached_objective_is_named_with_its_numbers():
    stretch = Stretch(plan=BOTH)
    for _ in range(3):
        verdict = stretch.see(errors=HEALTHY, latency=BROKEN)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, Reason.OBJECTIVE_BREACHED)
    assert verdict.objective == "latency"
    assert verdict.log_evidence >= verdict.log_threshold == pytest.approx(math.log(100))
    assert verdict.findings[1].canary == Counts(30, 30)
    assert "requests slower than 500 ms" in verdict.sentence


def test_a_fifth_of_requests_failing_is_found_within_seconds_at_ten_requests_a_second():
    traffic = Traffic(10, 90, canary_rate=0.2, stable_rate=0.002)
    found = sorted(windows_until_fail(Stretch(), traffic.windows(60, seed)) or 99 for seed in range(15))
    assert found[7] <= 6


def test_requests_that_reach_no_workload_fail_a_silent_canary():
    stretch = Stretch()
    verdicts = [stretch.see(errors=counts((0, 0), (90, 0)), unattributed=Counts(100, 10)) for _ in range(4)]
    assert verdicts[-1].outcome is Outcome.FAIL
    assert verdicts[-1].reason is Reason.UNATTRIBUTED_ERRORS
    assert "reached no workload: 10.0 %" in verdicts[-1].sentence


def test_twice_as_bad_as_stable_but_within_the_bound_fails_by_comparison():
    lenient = replace(PLAN, objectives=(replace(ERRORS, max_bad_ratio=0.2),))
    stretch = Stretch(plan=lenient)
    traffic = Traffic(100, 300, canary_rate=0.10, stable_rate=0.05)
    assert windows_until_fail(stretch, traffic.windows(60, seed=4)) is not None
    assert stretch.judge().reason is Reason.WORSE_THAN_STABLE


def test_a_fault_that_starts_at_80_percent_of_the_release_is_found():
    stretch = Stretch(window_seconds=5.0)
    good = Traffic(50, 450, canary_rate=0.002, stable_rate=0.002)
    bad = replace(good, canary_rate=0.2)
    assert windows_until_fail(stretch, good.windows(576, seed=5)) is None
    assert (windows_until_fail(stretch, bad.windows(144, seed=6)) or 99) <= 4


def test_failure_is_told_while_the_step_bakes_and_data_is_missing():
    stretch = Stretch()
    for _ in range(2):
        stretch.see(errors=BROKEN)
    stretch.evidence = with_no_data(stretch.evidence, TIMEOUT)
    assert stretch.judge(now=1e6).outcome is Outcome.FAIL


def test_a_breach_of_the_owners_bound_is_named_before_being_worse_than_stable():
    stretch = Stretch()
    for _ in range(3):
        verdict = stretch.see(errors=counts((100, 20), (900, 0)))
    assert verdict.reason is Reason.OBJECTIVE_BREACHED
    (found,) = verdict.findings
    assert found.log_evidence_stable > verdict.log_threshold
    assert f"at most 1 of {one_in(found.log_evidence_slo):,} releases" in verdict.sentence


def test_a_dead_canary_fails_even_while_stable_is_in_trouble():
    stretch = Stretch()
    for _ in range(20):
        verdict = stretch.see(errors=counts((0, 0), (90, 5)), unattributed=Counts(100, 10))
    assert verdict.reason is Reason.UNATTRIBUTED_ERRORS


def test_small_faults_in_several_objectives_convict_together():
    stretch = Stretch(plan=BOTH)
    tests = {
        name: replace(state, log_capitals=(math.log(110.0),) * len(state.log_capitals), reserve=0.0)
        for name, state in _after(stretch, HEALTHY).items()
        if not name.endswith("stable-slo")
    }
    tests["errors/stable"] = replace(
        tests["errors/stable"], log_capitals=(math.log(200.0),) * len(tests["errors/stable"].log_capitals)
    )
    stretch.evidence = replace(stretch.evidence, tests=tests)
    verdict = stretch.judge()
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, Reason.WORSE_THAN_STABLE)
    assert "with the other objectives" in verdict.sentence


def _after(stretch: Stretch, seen: ArmCounts) -> dict[str, object]:
    stretch.see(errors=seen, latency=seen, unattributed=Counts(100, 0))
    return dict(stretch.evidence.tests)


# What must not fail


@given(st.lists(seen_windows, max_size=15))
def test_improvements_never_fail(windows):
    stretch = Stretch()
    for seen in windows:
        perfect = ArmCounts(Counts(seen.canary.requests, 0), seen.stable)
        assert stretch.see(errors=perfect).outcome is not Outcome.FAIL


def test_a_canary_as_bad_as_is_allowed_is_rarely_failed():
    traffic = Traffic(20, 180, canary_rate=0.01, stable_rate=0.01 / 1.2)
    failed = [seed for seed in range(25) if windows_until_fail(Stretch(), traffic.windows(150, seed))]
    assert len(failed) <= 1


def test_the_combined_evidence_gains_nothing_on_average_at_the_boundary():
    # p_c is at the bound and at the tolerated multiple of p_s; alarms about stable come and go meanwhile.
    bound, stable_rate = 0.24, 0.2
    plan = replace(PLAN, objectives=(replace(ERRORS, max_bad_ratio=bound),))
    outcomes = [
        (chance(2, k, bound) * chance(2, j, stable_rate), counts((2, k), (2, j)))
        for k, j in product(range(3), range(3))
    ]

    def means(stretch: Stretch, windows_left: int) -> tuple[float, float]:
        if windows_left == 0:
            state = stretch.evidence.tests["errors/slo"]
            return math.exp(stretch.judge().log_evidence), math.exp(log_evidence(state))
        parts = []
        for likely, seen in outcomes:
            branch = replace(stretch)
            branch.see(errors=seen)
            parts.append((likely, means(branch, windows_left - 1)))
        return sum(p * m[0] for p, m in parts), sum(p * m[1] for p, m in parts)

    combined, against_bound = means(Stretch(plan=plan), 3)
    assert combined <= 1.0 + 1e-9
    assert against_bound <= 1.0 + 1e-9


@pytest.mark.parametrize(("canary", "stable"), [(10, 90), (50, 50), (80, 20)])
@pytest.mark.parametrize("rate", [0.05, 1.0])
def test_an_outage_that_stable_shares_holds_and_never_blames_the_canary(canary, stable, rate):
    good = Traffic(canary, stable, canary_rate=0.002, stable_rate=0.002)
    outage = replace(good, canary_rate=rate, stable_rate=rate)
    blamed = 0
    for seed in range(5):
        stretch = Stretch()
        blamed += windows_until_fail(stretch, good.windows(30, seed)) is not None
        blamed += windows_until_fail(stretch, outage.windows(60, seed + 100)) is not None
        assert stretch.judge().reason is Reason.SHARED_TROUBLE
        # What both suffered must not convict the canary when stable recovers.
        blamed += windows_until_fail(stretch, good.windows(90, seed + 200)) is not None
        assert stretch.judge().outcome is Outcome.PASS
    assert blamed == 0


def test_a_canary_that_is_worse_still_fails_while_stable_is_in_trouble():
    traffic = Traffic(50, 50, canary_rate=0.9, stable_rate=0.1)
    stretch = Stretch()
    assert windows_until_fail(stretch, traffic.windows(60, seed=1)) is not None
    assert stretch.judge().reason is Reason.WORSE_THAN_STABLE


def test_muted_evidence_that_would_convict_holds():
    stretch = Stretch()
    for _ in range(3):
        stretch.see(errors=counts((50, 0), (50, 5)))
    states = dict(stretch.evidence.tests)
    states["errors/slo"] = replace(states["errors/slo"], log_capitals=(50.0,) * 8)
    states["errors/stable-slo"] = replace(states["errors/stable-slo"], log_capitals=(1.0,) * 8)
    stretch.evidence = replace(stretch.evidence, tests=states)
    assert stretch.judge().reason is Reason.SHARED_TROUBLE


def test_an_alarm_about_stable_does_not_outlive_the_step():
    stretch = Stretch()
    for _ in range(5):
        stretch.see(errors=counts((10, 0), (90, 45)))
    stretch.evidence = start_step(stretch.evidence)
    stretch.step_index, stretch.step_since = 2, stretch.at
    assert windows_until_fail(stretch, [counts((100, 100), (0, 0))] * 5) is not None


# What holds


def test_nothing_measured_yet_bakes():
    assert Stretch().judge().reason is Reason.BAKING


def test_no_requests_at_all_hold_and_say_so():
    stretch = Stretch()
    for _ in range(100):
        verdict = stretch.see(errors=SILENT)
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.NO_TRAFFIC)
    assert "has had no request yet" in verdict.sentence


def test_traffic_that_stops_mid_step_holds_until_it_comes_back():
    stretch = Stretch()
    reasons = [stretch.see(errors=HEALTHY).reason for _ in range(50)]
    reasons += [stretch.see(errors=SILENT).reason for _ in range(50)]
    assert reasons[-1] is Reason.NO_TRAFFIC
    assert "has had no request for 50s" in stretch.judge().sentence
    assert stretch.see(errors=HEALTHY).outcome is Outcome.PASS


def test_a_low_traffic_canary_holds_until_it_has_had_enough_requests():
    stretch = Stretch()
    verdicts = [stretch.see(errors=counts((n % 2, 0), (9, 0))) for n in range(100)]
    assert verdicts[79].reason is Reason.TOO_FEW_REQUESTS
    assert "40 of at least 50" in verdicts[79].sentence
    assert "about 20s" in verdicts[79].sentence
    assert verdicts[99].outcome is Outcome.PASS


def test_an_objective_that_is_never_counted_cannot_pass():
    stretch = Stretch(plan=BOTH)
    for _ in range(100):
        verdict = stretch.see(errors=HEALTHY)
    assert (verdict.reason, verdict.objective) == (Reason.TOO_FEW_REQUESTS, "latency")


def test_a_stable_that_is_never_counted_holds_while_it_should_have_traffic():
    stretch = Stretch()
    for _ in range(100):
        verdict = stretch.see(errors=counts((10, 0), (0, 0)))
    assert verdict.reason is Reason.NO_TRAFFIC
    assert "nothing to compare" in verdict.sentence
    stretch.step_index = 2
    assert stretch.judge().outcome is Outcome.PASS


def test_missing_data_holds_with_its_reason_and_clears_with_the_next_window():
    stretch = Stretch()
    for _ in range(100):
        stretch.see(errors=HEALTHY)
    stretch.evidence = with_no_data(stretch.evidence, TIMEOUT)
    assert stretch.judge().reason is Reason.NO_DATA
    assert "Timeout: no answer within 10 s" in stretch.judge().sentence
    assert stretch.see(errors=HEALTHY).outcome is Outcome.PASS


def test_silence_of_the_data_holds_even_if_nobody_reports_it():
    stretch = Stretch()
    for _ in range(100):
        stretch.see(errors=HEALTHY)
    assert stretch.judge(now=130.0).outcome is Outcome.PASS
    verdict = stretch.judge(now=131.0)
    assert verdict.reason is Reason.NO_DATA
    assert "since 1970-01-01T00:01:40Z" in verdict.sentence


def test_a_step_that_has_just_begun_is_not_held_for_the_silence_before_it():
    stretch = Stretch(step_since=1000.0)
    assert stretch.judge(now=1001.0).reason is Reason.BAKING


def test_a_prometheus_that_is_down_for_a_while_neither_fails_nor_advances_the_step():
    stretch = Stretch()
    for _ in range(30):
        stretch.see(errors=HEALTHY)
    stretch.evidence = with_no_data(stretch.evidence, TIMEOUT)
    assert stretch.judge(now=300.0).reason is Reason.NO_DATA
    # The missed windows come as soon as it answers, each by itself; only what was measured bakes.
    reasons = [stretch.see(errors=HEALTHY).reason for _ in range(30)]
    assert reasons[:-1] == [Reason.BAKING] * 29
    assert reasons[-1] is Reason.BAKED


def test_the_bake_time_counts_what_was_measured_not_what_has_passed():
    stretch = Stretch()
    for _ in range(59):
        verdict = stretch.see(errors=HEALTHY)
    assert verdict.reason is Reason.BAKING
    assert stretch.judge(now=80.0).reason is Reason.BAKING
    assert stretch.see(errors=HEALTHY).reason is Reason.BAKED


# Folding


def _window(start: float, seen: ArmCounts = HEALTHY) -> Measurement:
    return Measurement(Window(start, start + 1.0), {"errors": seen})


@given(st.lists(st.tuples(st.integers(0, 12), seen_windows), max_size=25))
@settings(max_examples=60)
def test_each_window_is_folded_at_most_once_however_often_it_comes(arrivals):
    def folded(measurements: list[Measurement]) -> object:
        evidence = new_evidence(0.0)
        for measurement in measurements:
            evidence = by_seconds(evidence, measurement)
        return evidence

    by_start = {start: _window(start, seen) for start, seen in sorted(arrivals, key=lambda a: a[0])}
    once = [by_start[start] for start in sorted(by_start)]
    replayed = [again for number in range(1, len(once) + 1) for again in once[:number]]
    assert folded(replayed) == folded(once)


def test_a_window_that_overlaps_what_was_folded_is_left_out():
    evidence = new_evidence(10.0)
    for start in (3.0, 9.0, 9.5):
        assert by_seconds(evidence, _window(start)) is evidence


def test_grid_points_off_by_rounding_are_still_new():
    evidence = by_seconds(new_evidence(0.3), _window(0.1 * 3 - 1e-9))
    assert evidence.release_counts["errors"] == HEALTHY


def test_windows_from_before_the_step_inform_the_tests_but_not_the_steps_counts():
    stretch = Stretch(step_since=1.5)
    for _ in range(3):
        stretch.see(errors=HEALTHY, unattributed=Counts(100, 1))
    assert stretch.evidence.step_counts["errors"] == HEALTHY
    # What convicts a canary of lost requests must be there to be shown.
    assert stretch.evidence.step_unattributed == Counts(300, 3)
    assert stretch.evidence.release_counts["errors"] == counts((30, 0), (270, 0))
    assert stretch.evidence.tests["errors/slo"].windows == 3


def test_a_new_step_begins_with_no_counts_and_all_the_canarys_evidence():
    stretch = Stretch()
    for _ in range(3):
        stretch.see(errors=HEALTHY, unattributed=Counts(100, 1))
    begun = start_step(stretch.evidence)
    assert (begun.step_counts, begun.step_unattributed) == ({}, NOTHING)
    assert begun.release_counts == stretch.evidence.release_counts
    assert begun.tests["errors/slo"] == stretch.evidence.tests["errors/slo"]


def test_counts_of_objectives_that_nobody_asked_for_are_left_out():
    stretch = Stretch()
    stretch.see(errors=HEALTHY, surprise=BROKEN)
    assert set(stretch.evidence.step_counts) == {"errors"}
    assert {name.partition("/")[0] for name in stretch.evidence.tests} == {"errors", "unattributed"}


def test_the_last_request_of_the_canary_is_remembered():
    stretch = Stretch()
    stretch.see(errors=HEALTHY)
    stretch.see(errors=SILENT)
    assert stretch.evidence.last_canary_request_at == 1.0


def test_a_plan_without_objectives_judges_nothing_and_breaks_nothing():
    stretch = Stretch(plan=replace(PLAN, objectives=()))
    verdict = stretch.see()
    assert (verdict.reason, verdict.log_evidence) == (Reason.BAKING, 0.0)


def test_a_plan_of_one_short_step_and_one_long_window_is_judged_too():
    plan = replace(PLAN, steps=(Step(100, 1.0),), deadline_seconds=10.0, on_no_data=OnNoData.ROLLBACK)
    stretch = Stretch(plan=plan, window_seconds=60.0)
    assert stretch.see(errors=counts((600, 0), (0, 0))).outcome is Outcome.PASS

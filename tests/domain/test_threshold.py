"""The threshold rule: what fails, what holds, and that nothing is ever checked twice or passed unseen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.analysis import fold, start_step
from canary.domain.hypotheses import planned_tests
from canary.domain.measurement import GaugeReading, Measurement, Window
from canary.domain.plan import EvidenceRule, Side, Threshold
from canary.domain.threshold_sentences import number
from canary.domain.verdict import Outcome, Reason, Verdict
from tests.domain.measured import PLAN, Stretch, counts

QUEUE = Threshold("queue-length", Side.AT_MOST, 500.0)
WATCHED = replace(PLAN, thresholds=(QUEUE,))
HEALTHY = counts((10, 0), (90, 0))


def stretch_of(threshold: Threshold = QUEUE) -> Stretch:
    """Windows of ten seconds: each of them has a check."""
    return Stretch(plan=replace(PLAN, thresholds=(threshold,)), window_seconds=10.0)


def see(stretch: Stretch, *values: float | None, stable: float | None = 40.0, age: float = 1.0) -> Verdict:
    """Windows without an error, each with a value of the gauge that is ``age`` seconds old, or with none."""
    verdict = stretch.judge()
    for value in values:
        window = Window(stretch.at, stretch.at + stretch.window_seconds)
        at = window.end - age
        gauges = {} if value is None else {"queue-length": GaugeReading(value, stable, at, at)}
        verdict = stretch.see_measurement(Measurement(window, {"errors": HEALTHY}, gauges=gauges))
    return verdict


def test_more_failed_checks_than_are_allowed_fail_the_canary_and_say_by_which_rule() -> None:
    stretch = stretch_of()
    assert see(stretch, 20, 612, 30, 700, 10, 40).outcome is Outcome.PASS
    verdict = see(stretch, 812)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, Reason.THRESHOLD_BREACHED)
    assert verdict.objective == "queue-length"
    assert verdict.sentence == (
        "FAIL queue-length: 812, more than the 500 that are allowed, in 3 of 7 checks of this step "
        "(2 failures are allowed; threshold rule, no statistics). Stable was at 40, which decides nothing."
    )


def test_a_value_at_its_bound_is_good_on_either_side() -> None:
    least = Threshold("queue-length", Side.AT_LEAST, 0.5, failures=0)
    assert see(stretch_of(replace(QUEUE, failures=0)), *[500.0] * 6).outcome is Outcome.PASS
    assert see(stretch_of(least), *[0.5] * 6).outcome is Outcome.PASS
    verdict = see(stretch_of(least), 0.9, 0.2)
    assert verdict.sentence.startswith(
        "FAIL queue-length: 0.2, less than the 0.5 that are asked for, in 1 of 2 checks of this step "
        "(no failures are allowed;"
    )


def test_failures_in_a_row_fail_the_canary_before_their_number_does() -> None:
    stretch = stretch_of(replace(QUEUE, failures=9, consecutive=3))
    assert see(stretch, 600, 600, 30, 600, 600).outcome is Outcome.HOLD
    verdict = see(stretch, 601)
    assert verdict.outcome is Outcome.FAIL
    assert "601, more than the 500 that are allowed, in 3 checks in a row" in verdict.sentence


def test_what_convicted_within_one_look_convicts_although_the_last_of_its_windows_was_good() -> None:
    stretch = stretch_of(replace(QUEUE, consecutive=2))
    verdict = see(stretch, 600, 650, 10)
    assert verdict.outcome is Outcome.FAIL
    assert "650, more than" in verdict.sentence


def test_a_failed_check_takes_no_step_until_one_is_good_again() -> None:
    stretch = stretch_of()
    verdict = see(stretch, 10, 10, 10, 10, 10, 10, 600)
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.SUSPICION)
    assert "600, more than the 500 that are allowed, in the latest check" in verdict.sentence
    assert "(1 of 7 checks failed, 2 failures are allowed; threshold rule" in verdict.sentence
    passed = see(stretch, 450)
    assert passed.outcome is Outcome.PASS
    assert (
        "queue-length: canary 450 vs stable 40 (at most 500, 1 of 8 checks failed, threshold rule)"
        in passed.sentence
    )


def test_a_gauge_that_was_never_seen_holds() -> None:
    verdict = see(stretch_of(), *[None] * 60)
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.TOO_FEW_CHECKS)
    assert verdict.objective == "queue-length"
    assert "none was taken in step 1 of 3 (10 %) yet" in verdict.sentence


def test_a_gauge_that_is_seen_no_more_holds_and_goes_on_when_it_is() -> None:
    stretch = stretch_of()
    assert see(stretch, *[10.0] * 6).outcome is Outcome.PASS
    verdict = see(stretch, None)
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.NO_DATA)
    assert "no fresh value of the canary" in verdict.sentence
    assert see(stretch, 10.0).outcome is Outcome.PASS


def test_silence_neither_fails_nor_counts_between_failures_in_a_row() -> None:
    stretch = stretch_of(replace(QUEUE, consecutive=2))
    assert see(stretch, 600, None, None, None).outcome is Outcome.HOLD
    assert see(stretch, 600).outcome is Outcome.FAIL


def test_stable_decides_nothing() -> None:
    assert see(stretch_of(), *[10.0] * 6, stable=9000.0).outcome is Outcome.PASS
    assert see(stretch_of(), *[600.0] * 3, stable=9000.0).outcome is Outcome.FAIL
    verdict = see(stretch_of(), *[600.0] * 3, stable=None)
    assert "Nothing fresh was known of stable" in verdict.sentence


def test_checks_are_as_far_apart_as_they_are_asked_to_be() -> None:
    stretch = stretch_of(replace(QUEUE, every_seconds=60.0))
    see(stretch, *[600.0] * 17)
    checks = stretch.evidence.step_checks["queue-length"]
    assert (checks.taken, checks.checked_at) == (2, 120.0)


def test_a_sample_is_checked_once_however_often_it_is_looked_at() -> None:
    stretch = stretch_of()
    for _ in range(6):
        window = Window(stretch.at, stretch.at + 10.0)
        reading = GaugeReading(9000.0, None, 5.0, 5.0)
        verdict = stretch.see_measurement(
            Measurement(window, {"errors": HEALTHY}, gauges={"queue-length": reading})
        )
    assert verdict.outcome is Outcome.HOLD
    assert stretch.evidence.step_checks["queue-length"].taken == 1


def test_a_check_waits_until_every_series_was_sampled_again() -> None:
    stretch = stretch_of()
    for oldest, newest in ((2.0, 9.0), (9.0, 19.0), (19.0, 29.0)):
        window = Window(stretch.at, stretch.at + 10.0)
        gauges = {"queue-length": GaugeReading(9000.0, None, oldest, newest)}
        stretch.see_measurement(Measurement(window, {"errors": HEALTHY}, gauges=gauges))
    assert stretch.evidence.step_checks["queue-length"].taken == 2


def test_what_was_sampled_before_the_step_is_not_checked_in_it() -> None:
    stretch = stretch_of()
    see(stretch, *[600.0] * 2)
    stretch.evidence, stretch.step_index, stretch.step_since = start_step(stretch.evidence), 1, 20.0
    see(stretch, 600.0, age=10.0)
    assert stretch.evidence.step_checks == {}
    see(stretch, 600.0, 600.0)
    assert stretch.evidence.step_checks["queue-length"].failed == 2


def test_a_threshold_takes_nothing_from_the_tests_and_is_asked_for_no_assurance() -> None:
    assert planned_tests(WATCHED, 10.0) == planned_tests(PLAN, 10.0)
    asking = replace(WATCHED, evidence=EvidenceRule.BUDGET)
    plain = replace(PLAN, evidence=EvidenceRule.BUDGET)
    with_it, without = (Stretch(plan=plan, window_seconds=10.0) for plan in (asking, plain))
    for _ in range(30):
        verdicts = [see(each, 10.0) for each in (with_it, without)]
        assert verdicts[0].log_evidence == verdicts[1].log_evidence
        assert verdicts[0].log_threshold == verdicts[1].log_threshold
    assert with_it.evidence.step_assurance == without.evidence.step_assurance
    assert verdicts[0].reason is verdicts[1].reason


def test_the_statistics_name_the_cause_where_both_convict() -> None:
    stretch = stretch_of(replace(QUEUE, failures=0))
    for number_of in range(3):
        window = Window(number_of * 10.0, number_of * 10.0 + 10.0)
        reading = GaugeReading(600.0, None, window.end, window.end)
        bad = {"errors": counts((100, 100), (900, 0))}
        verdict = stretch.see_measurement(Measurement(window, bad, gauges={"queue-length": reading}))
    assert verdict.reason is Reason.OBJECTIVE_BREACHED


VALUES = st.lists(st.none() | st.sampled_from([10.0, 500.0, 501.0, 9000.0]), max_size=40)
RULES = st.builds(
    Threshold,
    st.just("queue-length"),
    st.just(Side.AT_MOST),
    st.just(500.0),
    failures=st.integers(0, 3),
    consecutive=st.none() | st.integers(1, 3),
    every_seconds=st.sampled_from([1.0, 10.0, 25.0]),
)


@given(RULES, VALUES)
def test_it_fails_by_its_checks_alone_and_passes_on_a_good_one_only(
    rule: Threshold, values: list[float | None]
) -> None:
    stretch = stretch_of(rule)
    verdict = see(stretch, *values)
    checks = stretch.evidence.step_checks.get("queue-length")
    if verdict.outcome is Outcome.PASS:
        assert checks is not None
        assert values[-1] is not None
        assert rule.holds(checks.canary)
        assert checks.failed <= rule.failures
    seen = [value for value in values if value is not None]
    if rule.every_seconds <= 10.0:
        failed = sum(value > 500 for value in seen)
        assert (checks.failed if checks is not None else 0) == failed
    if checks is not None:
        too_many = checks.failed > rule.failures
        in_a_row = rule.consecutive is not None and checks.most_in_a_row >= rule.consecutive
        assert (verdict.outcome is Outcome.FAIL) == (too_many or in_a_row)


@given(VALUES, st.integers(0, 39))
def test_a_window_that_comes_again_is_not_checked_again(values: list[float | None], again: int) -> None:
    stretch = stretch_of()
    see(stretch, *values)
    window = Window(again * 10.0, again * 10.0 + 10.0)
    reading = {"queue-length": GaugeReading(9000.0, None, window.end, window.end)}
    if again < len(values):
        measurement = Measurement(window, {"errors": HEALTHY}, gauges=reading)
        folded = fold(
            stretch.evidence, measurement, stretch.plan, window_seconds=10.0, step_index=0, step_since=0.0
        )
        assert folded == stretch.evidence


@pytest.mark.parametrize(
    ("value", "text"),
    [(812.0, "812"), (0.25, "0.25"), (0.0, "0"), (2_147_483_648.0, "2,147,483,648"), (1.5e-7, "1.5e-07"),
     (-3.0, "-3"), (1e300, "1e+300")],
)  # fmt: skip
def test_values_read_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


def test_a_value_that_rounds_to_its_bound_is_told_exactly() -> None:
    verdict = see(stretch_of(replace(QUEUE, failures=0)), 500.00001)
    assert "500.00001, more than the 500.0 that are allowed" in verdict.sentence

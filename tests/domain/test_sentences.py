"""Sentences tell a person what was found, allowed and missing; never that a canary is good."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain import sentences
from canary.domain.interval import anytime_interval
from canary.domain.measurement import Counts, NoData, NoDataReason
from canary.domain.plan import ObjectiveKind, OnNoData
from canary.domain.sentences import Progress
from canary.domain.verdict import Finding
from tests.domain.measured import PLAN

FIRST = Progress(PLAN, 0, measured_seconds=40.0)


def finding(canary: Counts, stable: Counts, bound_ms: float | None = None) -> Finding:
    return Finding(
        objective="latency" if bound_ms else "error-rate",
        canary=canary,
        stable=stable,
        canary_interval=anytime_interval(canary.requests, canary.bad),
        stable_interval=anytime_interval(stable.requests, stable.bad),
        max_bad_ratio=0.01,
        bound_ms=bound_ms,
        log_evidence_slo=0.0,
        log_evidence_stable=0.0,
    )


WORSE = finding(Counts(1000, 23), Counts(9000, 36))
PAYMENTS = replace(
    finding(Counts(400, 12), Counts(3600, 1)),
    objective="payments",
    kind=ObjectiveKind.TEMPLATE,
    max_bad_ratio=0.005,
)


def test_worse_than_stable_reads_as_a_person_would_say_it():
    assert sentences.worse_than_stable(WORSE, 1.2, math.log(12_345.0), 4) == (
        "FAIL error rate: canary 2.3 % [1.0, 4.5] (23 of 1000) vs stable 0.4 % [0.2, 0.7] (36 of 9000). "
        "If the canary were at most 1.2x stable, evidence this strong would appear in at most 1 of 10,000 "
        "releases. 4 windows."
    )


def test_a_breach_says_what_was_allowed():
    said = sentences.breached(finding(Counts(100, 20), Counts(900, 0), 500.0), math.log(250.0), 1)
    assert said.startswith("FAIL requests slower than 500 ms: canary 20.0 %")
    assert "vs stable 0 % [0, " in said
    assert "at most 1.0 % is allowed" in said
    assert said.endswith("at most 1 of 200 releases. 1 window.")


def test_an_arm_without_requests_is_unknown_not_zero():
    said = sentences.breached(finding(Counts(10, 10), Counts(0, 0)), 5.0, 2)
    assert "vs stable unknown (no requests)" in said


def test_what_a_template_counts_is_called_by_the_objectives_name_and_is_no_request():
    said = sentences.breached(PAYMENTS, math.log(250.0), 3)
    assert said == (
        "FAIL payments: canary 3.0 % [0.9, 7.0] (12 of 400 bad) vs stable 0.03 % [<0.001, 0.3] (1 of 3600 "
        "bad); at most 0.5 % is allowed. If the canary kept that bound, evidence this strong would appear in "
        "at most 1 of 200 releases. 3 windows."
    )
    assert sentences.baked(FIRST, (PAYMENTS,)).startswith("PASS step 1 of 3 (10 %): payments: canary 3.0 %")
    assert sentences.too_few_requests(FIRST, 10, PAYMENTS).startswith(
        "HOLD too few events (payments): 10 of at least 50 canary events were counted"
    )
    assert "(payments): no event of stable was counted" in sentences.no_stable_traffic(FIRST, PAYMENTS)
    silent = replace(PAYMENTS, stable=Counts(0, 0))
    assert "vs stable unknown (no events)" in sentences.worse_than_stable(silent, 1.2, 5.0, 2)


def test_no_sentence_about_a_template_speaks_of_requests_or_of_an_error_rate():
    said = (
        sentences.breached(PAYMENTS, 5.0, 2),
        sentences.worse_than_stable(PAYMENTS, 1.2, 5.0, 2),
        sentences.together(PAYMENTS, 1.2, 5.0, 2),
        sentences.shared_trouble(PAYMENTS, 1.2),
        sentences.under_suspicion(PAYMENTS, 2.0, 4.6),
        sentences.baked(FIRST, (PAYMENTS,)),
        sentences.too_few_requests(FIRST, 10, PAYMENTS),
        sentences.no_stable_traffic(FIRST, PAYMENTS),
    )
    assert all("payments" in each for each in said)
    assert not any(word in each for each in said for word in ("request", "error rate", "slower"))


def test_shared_trouble_does_not_blame_the_canary():
    said = sentences.shared_trouble(finding(Counts(100, 20), Counts(900, 180)), 1.2)
    assert said.startswith("HOLD error rate: stable itself is in trouble")
    assert "The canary is not blamed" in said


def test_too_few_requests_says_how_many_more_and_how_long_that_takes():
    assert sentences.too_few_requests(FIRST, 10, WORSE) == (
        "HOLD too few requests (error rate): 10 of at least 50 canary requests were counted in step 1 of 3 "
        "(10 %); 40 more are needed, at the present rate of 0.25/s they take about 2m40s."
    )


def test_a_rate_that_is_unknown_is_not_made_up():
    assert sentences.too_few_requests(FIRST, 0, WORSE).endswith("50 more are needed, and none has come yet.")


def test_baking_says_how_long_it_still_takes():
    assert sentences.baking(FIRST, 60.0, 1) == (
        "HOLD baking: step 1 of 3 (10 %) has been measured for 40s of 1m, 20 s to go; "
        "1 canary request so far."
    )


def test_baking_before_the_first_window_counts_from_nothing():
    said = sentences.baking(Progress(PLAN, 0, measured_seconds=-0.7), 60.0, 0)
    assert "for 0s of 1m" in said


@pytest.mark.parametrize(
    ("choice", "outcome"), [(OnNoData.HOLD, "stays held"), (OnNoData.ROLLBACK, "rolled back")]
)
def test_missing_data_says_what_the_deadline_makes_of_it(choice, outcome):
    plan = replace(PLAN, on_no_data=choice)
    said = sentences.no_data(NoData(NoDataReason.PARTIAL, "x" * 5000, 0.0), plan)
    assert outcome in said
    assert "deadline of 1h" in said
    assert len(said) < 500


def test_a_pass_shows_the_numbers_and_claims_no_more_than_was_found():
    said = sentences.baked(FIRST, (WORSE,))
    assert said.startswith("PASS step 1 of 3 (10 %): error rate: canary 2.3 %")
    assert said.endswith("Measured for 40s; nothing found against the canary.")
    assert "probability" not in said


@given(st.floats(0.0, 1.0))
def test_a_percentage_never_rounds_something_to_nothing(fraction):
    assert (sentences.percent(fraction) == "0 %") == (fraction == 0.0)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.023, "2.3 %"), (0.2, "20.0 %"), (0.0007, "0.07 %"), (1.0, "100.0 %"), (1e-9, "<0.001 %")],
)
def test_percentages_are_short(fraction, text):
    assert sentences.percent(fraction) == text


@given(st.floats(-10.0, 1e6))
def test_one_of_so_many_releases_never_claims_more_than_the_evidence(log_evidence):
    claimed = sentences.one_in(log_evidence)
    assert 1 <= claimed <= 1_000_000_000
    assert math.log(claimed) <= max(log_evidence, 0.0) + 1e-6


@pytest.mark.parametrize("budget", [0.1, 0.01, 0.001])
def test_evidence_at_the_threshold_is_as_rare_as_the_budget_says(budget):
    assert sentences.one_in(-math.log(budget)) == round(1 / budget)

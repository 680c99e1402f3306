"""An objective by a template is judged like the others, by its own events, which never stand for requests."""

from dataclasses import replace

import pytest

from canary.domain.measurement import ArmCounts
from canary.domain.metric_template import Counter, MetricTemplate
from canary.domain.plan import Objective, ObjectiveKind
from canary.domain.verdict import Outcome, Reason
from tests.domain.measured import ERRORS, PLAN, Stretch, Traffic, counts

TEMPLATE = MetricTemplate(Counter("payments_total"), Counter("payments_total", {"result": ("failed",)}))
PAYMENTS = Objective("payments", ObjectiveKind.TEMPLATE, 0.005, template=TEMPLATE)
PAID = replace(PLAN, objectives=(ERRORS, PAYMENTS))
HEALTHY = counts((10, 0), (90, 0))
SILENT = counts((0, 0), (90, 0))


def seen(stretch: Stretch, errors: ArmCounts, payments: ArmCounts, windows: int):
    for _ in range(windows):
        verdict = stretch.see(errors=errors, payments=payments)
    return verdict


def test_a_breach_is_found_as_fast_as_of_an_error_rate_and_named_by_the_objective():
    stretch = Stretch(plan=PAID)
    verdict = seen(stretch, HEALTHY, counts((10, 10), (90, 0)), 3)
    assert (verdict.outcome, verdict.reason) == (Outcome.FAIL, Reason.OBJECTIVE_BREACHED)
    assert verdict.objective == "payments"
    assert verdict.sentence.startswith("FAIL payments: canary 100.0 %")
    assert "(30 of 30 bad)" in verdict.sentence
    assert [finding.kind for finding in verdict.findings] == [ObjectiveKind.ERRORS, ObjectiveKind.TEMPLATE]


def test_a_canary_worse_than_stable_within_the_bound_fails_by_comparison():
    stretch = Stretch(plan=replace(PAID, objectives=(ERRORS, replace(PAYMENTS, max_bad_ratio=0.5))))
    traffic = Traffic(100, 300, canary_rate=0.2, stable_rate=0.05)
    verdicts = [stretch.see(errors=HEALTHY, payments=each) for each in traffic.windows(30, seed=2)]
    assert verdicts[-1].reason is Reason.WORSE_THAN_STABLE
    assert verdicts[-1].objective == "payments"


def test_a_trouble_that_stable_shares_holds():
    traffic = Traffic(10, 90, canary_rate=0.3, stable_rate=0.3)
    stretch = Stretch(plan=PAID)
    verdicts = [stretch.see(errors=HEALTHY, payments=each) for each in traffic.windows(60, seed=3)]
    assert all(verdict.outcome is Outcome.HOLD for verdict in verdicts)
    assert verdicts[-1].reason is Reason.SHARED_TROUBLE


def test_events_are_as_many_as_are_asked_for_of_requests_or_the_step_holds():
    stretch = Stretch(plan=PAID)
    rare = counts((1, 0), (9, 0))
    assert seen(stretch, HEALTHY, SILENT, 11).reason is Reason.BAKING
    seen(stretch, HEALTHY, rare, 49)
    held = stretch.judge()
    assert (held.reason, held.objective) == (Reason.TOO_FEW_REQUESTS, "payments")
    assert "49 of at least 50 canary events" in held.sentence
    assert seen(stretch, HEALTHY, rare, 1).outcome is Outcome.PASS


def test_windows_without_events_change_no_evidence():
    stretch = Stretch(plan=PAID)
    before = seen(stretch, HEALTHY, counts((10, 1), (90, 0)), 1)
    after = seen(stretch, HEALTHY, counts((0, 0), (0, 0)), 100)
    for one, other in zip(before.findings, after.findings, strict=True):
        if one.objective == "payments":
            assert other.log_evidence_slo == pytest.approx(one.log_evidence_slo, abs=0.05)
            assert other.log_evidence_stable == pytest.approx(one.log_evidence_stable, abs=0.05)


def test_events_do_not_make_a_canary_without_requests_look_alive():
    stretch = Stretch(plan=PAID)
    seen(stretch, HEALTHY, HEALTHY, 60)
    assert stretch.judge().outcome is Outcome.PASS
    verdict = seen(stretch, SILENT, HEALTHY, 31)
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.NO_TRAFFIC)
    assert "no request for 31s" in verdict.sentence


def test_events_are_not_told_as_requests_while_a_step_bakes():
    verdict = seen(Stretch(plan=PAID), HEALTHY, counts((500, 0), (900, 0)), 3)
    assert verdict.reason is Reason.BAKING
    assert "30 canary requests so far" in verdict.sentence


def test_a_stable_without_events_holds_while_it_has_traffic_and_not_at_the_last_step():
    stretch = Stretch(plan=PAID)
    verdict = seen(stretch, HEALTHY, counts((10, 0), (0, 0)), 100)
    assert (verdict.reason, verdict.objective) == (Reason.NO_TRAFFIC, "payments")
    assert "no event of stable" in verdict.sentence
    stretch.step_index = 2
    assert stretch.judge().outcome is Outcome.PASS


def test_an_objective_that_was_never_counted_cannot_pass():
    stretch = Stretch(plan=PAID)
    for _ in range(100):
        verdict = stretch.see(errors=HEALTHY)
    assert (verdict.reason, verdict.objective) == (Reason.TOO_FEW_REQUESTS, "payments")

"""Objectives on a dry run are counted, tested and shown, and decide nothing; the others' budget is theirs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.annotations import parse_plan
from canary.domain.errors import InvalidPlan
from canary.domain.hypotheses import planned_tests
from canary.domain.measurement import Counts
from canary.domain.plan import ServiceKey
from canary.domain.verdict import Outcome, Reason
from tests.domain.measured import BOTH, ERRORS, LATENCY, Stretch, counts

REHEARSED = replace(BOTH, dry_run=frozenset({"latency"}))
FINE, SLOW = counts((20, 0), (180, 0)), counts((20, 20), (180, 0))
KEY = ServiceKey("shop", "checkout")


def test_a_breach_on_a_dry_run_is_recorded_and_the_step_passes() -> None:
    stretch = Stretch(plan=REHEARSED)
    verdict = [stretch.see(errors=FINE, latency=SLOW) for _ in range(60)][-1]
    assert verdict.outcome is Outcome.PASS
    assert verdict.log_evidence < 0.0
    of_latency = next(finding for finding in verdict.findings if finding.objective == "latency")
    assert of_latency.dry_run
    assert of_latency.canary == Counts(1200, 1200)
    assert of_latency.log_evidence_slo > verdict.log_threshold


def test_an_objective_on_a_dry_run_that_cannot_be_counted_holds_nobody_up() -> None:
    stretch = Stretch(plan=REHEARSED)
    assert [stretch.see(errors=FINE) for _ in range(60)][-1].outcome is Outcome.PASS
    waits = Stretch(plan=BOTH)
    assert [waits.see(errors=FINE) for _ in range(60)][-1].reason is Reason.TOO_FEW_REQUESTS


def test_errors_on_a_dry_run_take_what_reached_no_workload_with_them() -> None:
    stretch = Stretch(plan=replace(BOTH, dry_run=frozenset({"errors"})))
    lost = Counts(200, 100)
    verdicts = [stretch.see(errors=SLOW, latency=FINE, unattributed=lost) for _ in range(60)]
    assert {verdict.outcome for verdict in verdicts} == {Outcome.HOLD, Outcome.PASS}


def test_trouble_that_stable_has_on_a_dry_run_is_no_reason_to_wait() -> None:
    stretch = Stretch(plan=REHEARSED)
    both_slow = counts((20, 10), (180, 90))
    assert [stretch.see(errors=FINE, latency=both_slow) for _ in range(60)][-1].outcome is Outcome.PASS


@given(st.frozensets(st.sampled_from(["errors", "latency"])))
def test_what_decides_has_all_of_the_error_budget_whatever_is_on_a_dry_run(dry_run: frozenset[str]) -> None:
    tests = planned_tests(replace(BOTH, dry_run=dry_run), 1.0)
    weights = [test.weight for test in tests if test.decides]
    assert sum(weights) == pytest.approx(1.0 if weights else 0.0)
    alone = replace(BOTH, objectives=tuple(item for item in (ERRORS, LATENCY) if item.name not in dry_run))
    of_those = {test.name: test for test in planned_tests(alone, 1.0) if test.decides}
    assert {test.name: test for test in tests if test.decides} == of_those


def test_an_objective_that_there_is_not_cannot_be_on_a_dry_run() -> None:
    annotations = {"canaryctl.dev/enabled": "true", "canaryctl.dev/dry-run": "latency, checkouts"}
    with pytest.raises(InvalidPlan) as refused:
        parse_plan(KEY, annotations)
    (problem,) = map(str, refused.value.problems)
    assert problem.startswith(
        'canaryctl.dev/dry-run: found "checkouts"; write names of objectives: error-rate'
    )
    # A policy for many services may name what some of them do not have.
    plan = parse_plan(KEY, {**annotations, "canaryctl.dev/dry-run": "latency, error-rate"})
    assert plan is not None
    assert plan.dry_run == {"latency", "error-rate"}

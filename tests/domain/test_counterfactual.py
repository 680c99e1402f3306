"""Claims about counterfactuals: from which bound on the same counts would not have rolled a canary back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.counterfactual import Limits, limits_of
from canary.domain.evidence import Evidence
from canary.domain.measurement import ArmCounts
from canary.domain.verdict import Outcome
from tests.domain.measured import ERRORS, PLAN, Stretch, counts


def limits(seen: ArmCounts) -> Limits:
    evidence = Evidence(0.0, release_counts={ERRORS.name: seen})
    return limits_of(evidence, PLAN, 1.0)[ERRORS.name]


def outcomes_with(bound: float, tolerance: float, seen: ArmCounts, windows: int) -> set[Outcome]:
    plan = replace(PLAN, objectives=(replace(ERRORS, max_bad_ratio=bound),), tolerance=tolerance)
    stretch = Stretch(plan=plan)
    return {stretch.see(errors=seen).outcome for _ in range(windows)}


def test_a_canary_that_was_rolled_back_would_have_passed_with_wider_bounds_and_not_with_narrower() -> None:
    """Twenty windows, each with 1 of 20 bad and 1 of 180: about 5 % beside 0.6 %."""
    found = limits(counts((400, 20), (3600, 20)))
    assert found.bound is not None
    assert found.tolerance is not None
    assert 0.01 < found.bound < 0.05
    assert 1.2 < found.tolerance < 9.0
    each = counts((20, 1), (180, 1))
    assert Outcome.FAIL in outcomes_with(0.01, 1.2, each, 20)
    assert Outcome.FAIL not in outcomes_with(found.bound * 1.5, found.tolerance * 1.5, each, 20)
    assert Outcome.FAIL in outcomes_with(found.bound / 1.5, found.tolerance * 1.5, each, 20)


def test_without_a_bad_request_no_bound_is_too_strict() -> None:
    assert limits(counts((400, 0), (3600, 20))) == Limits(0.0, 0.0)


def test_beside_a_stable_of_which_little_is_known_the_tolerance_is_wider() -> None:
    little, much = (limits(counts((400, 100), (requests, 0))).tolerance for requests in (400, 3600))
    assert little is not None
    assert much is not None
    assert 1.2 < little < much
    assert limits(counts((4000, 4000), (10**6, 0))).tolerance is None


def test_nothing_is_said_of_an_objective_that_was_not_counted() -> None:
    assert limits_of(Evidence(0.0), PLAN, 1.0) == {}


@pytest.mark.parametrize("requests", [1, 10**9])
@given(share=st.floats(0.0, 1.0), stable=st.floats(0.0, 1.0))
def test_whatever_was_counted_the_limits_are_shares_and_ratios(
    requests: int, share: float, stable: float
) -> None:
    found = limits(counts((requests, int(share * requests)), (requests, int(stable * requests))))
    assert found.bound is None or 0.0 <= found.bound <= 1.0
    assert found.tolerance is None or 0.0 <= found.tolerance <= 1000.0

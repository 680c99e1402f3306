"""Counts are possible counts, add up, and windows lie on one grid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.measurement import NOTHING, ArmCounts, Counts, NoData, NoDataReason, Window, grid_floor


@pytest.mark.parametrize(("requests", "bad"), [(1, 2), (-1, -1), (5, -1), (-5, 0)])
def test_impossible_counts_are_refused(requests, bad):
    with pytest.raises(ValueError, match=f"{bad} bad of {requests} requests"):
        Counts(requests, bad)


def test_counts_of_both_arms_add_up():
    one = ArmCounts(Counts(10, 1), Counts(90, 0))
    assert one + one == ArmCounts(Counts(20, 2), Counts(180, 0))
    assert one + ArmCounts() == one


def test_no_requests_have_no_bad_ratio():
    assert NOTHING.bad_ratio is None
    assert Counts(8, 2).bad_ratio == 0.25


@given(st.floats(0, 4e9), st.sampled_from([1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0]))
def test_the_grid_point_is_the_latest_not_after(at, step):
    point = grid_floor(at, step)
    assert point % step == 0.0
    assert point <= at + 1e-6 * step
    assert at < point + step


@given(st.integers(0, 10**9), st.sampled_from([0.5, 1.0, 2.5, 15.0, 60.0]))
def test_a_grid_point_is_its_own_floor(index, step):
    assert grid_floor(index * step, step) == index * step


def test_windows_are_in_order_of_time():
    assert sorted([Window(2.0, 3.0), Window(1.0, 2.0)]) == [Window(1.0, 2.0), Window(2.0, 3.0)]


def test_missing_data_says_why_in_one_line():
    assert str(NoData(NoDataReason.TIMEOUT, "no answer in 10 s", 5.0)) == "Timeout: no answer in 10 s"

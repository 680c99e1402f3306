"""Weights are integers that keep the route's sum, and a small step is still a step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.weight import Split, percent_of, split_total


@given(st.integers(1, 1000), st.integers(0, 100))
def test_the_sum_never_changes_and_no_weight_is_negative(total, percent):
    split = split_total(total, percent)
    assert split.total == total
    assert split.stable >= 0
    assert split.canary >= 0


@given(st.integers(1, 1000))
def test_none_is_none_and_all_is_all(total):
    assert split_total(total, 0) == Split(total, 0)
    assert split_total(total, 100) == Split(0, total)


@given(st.integers(2, 1000), st.integers(1, 99))
def test_a_part_never_rounds_to_none_or_to_all(total, percent):
    assert 0 < split_total(total, percent).canary < total


@given(st.integers(1, 1000), st.integers(0, 99))
def test_a_higher_step_never_gives_the_canary_less(total, percent):
    assert split_total(total, percent).canary <= split_total(total, percent + 1).canary


@given(st.integers(0, 100))
def test_where_all_hundred_are_ours_the_weight_is_the_percent(percent):
    assert split_total(100, percent) == Split(100 - percent, percent)
    assert percent_of(split_total(100, percent)) == pytest.approx(percent)


@given(st.integers(100, 1000), st.integers(0, 100))
def test_the_share_is_right_to_the_nearest_integer(total, percent):
    assert abs(split_total(total, percent).canary - total * percent / 100) <= 0.5


@pytest.mark.parametrize("percent", [-1, 101])
def test_weights_outside_0_to_100_are_refused(percent):
    with pytest.raises(ValueError, match=r"outside 0\.\.100"):
        split_total(100, percent)


def test_a_route_without_weight_cannot_be_divided():
    with pytest.raises(ValueError, match="must be positive"):
        split_total(0, 10)


def test_a_pair_without_weight_gives_the_canary_nothing():
    assert percent_of(Split(0, 0)) == 0.0

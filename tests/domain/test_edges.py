"""The edges of a latency objective are few, far apart, and the same whoever asks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.edges import APART, ISTIO_EDGES, edges_beside, names_beside, pairs_of


def test_half_a_second_is_looked_at_from_a_second_down_to_a_twentieth():
    pairs = [(pair.canary_ms, pair.stable_ms) for pair in pairs_of("latency", 500.0)]
    assert pairs == [(1000.0, 500.0), (500.0, 250.0), (250.0, 100.0), (100.0, 50.0)]


def test_the_counts_at_the_bound_are_the_objectives_own():
    slowest, second, *_ = pairs_of("latency", 500.0)
    assert (slowest.canary_counts, slowest.stable_counts) == ("latency@1000", "latency")
    assert (second.canary_counts, second.stable_counts) == ("latency", "latency@250")
    assert names_beside("latency", 500.0) == ("latency@50", "latency@100", "latency@250", "latency@1000")


def test_what_has_no_bound_has_no_pairs():
    assert pairs_of("errors", None) == ()
    assert edges_beside(None) == frozenset()


def test_a_bound_far_from_every_edge_has_no_pairs():
    assert pairs_of("latency", 0.05) == ()


@given(st.one_of(st.sampled_from(ISTIO_EDGES), st.floats(0.01, 1e7)))
def test_pairs_are_few_far_apart_and_chained_around_the_bound(bound_ms):
    pairs = pairs_of("tail", bound_ms)
    assert len(edges_beside(bound_ms)) <= 4
    assert all(pair.canary_ms >= APART * pair.stable_ms for pair in pairs)
    assert all(bound_ms / 10 <= pair.canary_ms <= 2.5 * bound_ms for pair in pairs)
    assert all(one.stable_ms == other.canary_ms for one, other in pairwise(pairs))
    assert all(one.stable_counts == other.canary_counts for one, other in pairwise(pairs))


@pytest.mark.parametrize("bound_ms", ISTIO_EDGES)
def test_every_edge_of_istio_can_be_compared_with_another(bound_ms):
    assert bound_ms > 1_000_000 or pairs_of("latency", bound_ms)

"""Durations are read as Go writes them, refused with what would be right, and survive a round trip."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.domain.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("90s", 90.0),
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("500ms", 0.5),
        ("0.1s", 0.1),
        ("2h45m", 9900.0),
        ("1h1m1s1ms1us1ns", 3661.001001001),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("250μs", 0.00025),
        ("30s1m", 90.0),
    ],
)
def test_durations_mean_what_they_mean_in_go(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("90", 'write "90s", "90ms", "90m" or "90h"'),
        ("1.5", 'write "1.5s"'),
        ("-5s", "without a sign"),
        ("+5s", "without a sign"),
        ("", "such as"),
        ("s", "such as"),
        (".s", "such as"),
        ("5 s", "such as"),
        ("5d", "the units are h, m, s"),
        ("1m30", "such as"),
        ("5S", "such as"),
        ("five minutes", "such as"),
        ("٣s", "such as"),
        ("1e3s", "such as"),
        ("9999999h", "292 years"),
        ("1s" * 51, "such as"),
        ("9" * 5000 + "s", "such as"),
    ],
)
def test_what_is_no_duration_is_refused_with_what_would_be_right(text, remedy):
    with pytest.raises(ValueError, match=remedy) as refused:
        parse_duration(text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (1e-12, "0s"),
        (90.0, "1m30s"),
        (3600.0, "1h"),
        (3605.0, "1h5s"),
        (0.5, "500ms"),
        (1.5, "1.5s"),
        (0.0002505, "250.5us"),
        (7e-9, "7ns"),
        (259200.0, "72h"),
    ],
)
def test_durations_are_written_as_short_as_they_can_be(seconds, text):
    assert format_duration(seconds) == text


@given(st.integers(0, 10**9 * 86400 * 90))
def test_what_was_written_reads_back_the_same(nanoseconds):
    seconds = nanoseconds / 1e9
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_and_nothing_else(text):
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0.0


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_impossible_durations_are_not_written(seconds):
    with pytest.raises(ValueError, match="at least zero"):
        format_duration(seconds)

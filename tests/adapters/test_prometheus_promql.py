"""Claims about query text: nothing that a value holds can get out of its quotes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.adapters.prometheus.promql import (
    InvalidName,
    dns_name,
    edge_texts,
    matcher,
    quoted,
    range_selector,
    regex_literal,
    selector,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NASTY = st.lists(
    st.sampled_from(['"', "\\", "\n", "}", "{", "|", ".*", "(", "#", "\x00", "a", "'", "`"])
).map("".join)


def read_literal(text: str) -> tuple[str, str]:
    """A PromQL string literal read by the rules of the language: its value, and what follows it."""
    assert text[0] == '"'
    value, rest = "", text[1:]
    while not rest.startswith('"'):
        assert rest[0] != "\n"
        if rest.startswith("\\x"):
            value, rest = value + chr(int(rest[2:4], 16)), rest[4:]
        elif rest.startswith("\\"):
            assert rest[1] in '"\\'
            value, rest = value + rest[1], rest[2:]
        else:
            value, rest = value + rest[0], rest[1:]
    return value, rest[1:]


@given(TEXT | NASTY)
def test_a_value_stays_inside_its_quotes_and_means_itself(value: str) -> None:
    assert read_literal(quoted(value) + "} or vector(1)") == (value, "} or vector(1)")


@given(TEXT | NASTY, TEXT | NASTY)
def test_an_alternative_matches_itself_and_nothing_else(value: str, other: str) -> None:
    # Python reads these escapes as RE2 does, but for `$`, which fullmatch anchors.
    expression = regex_literal(value)
    assert re.fullmatch(expression, value)
    assert bool(re.fullmatch(expression, other)) == (value == other)


@given(st.sets(TEXT | NASTY, min_size=2, max_size=4))
def test_several_values_become_literal_alternatives_in_one_quoted_expression(values: set[str]) -> None:
    expression, rest = read_literal(matcher("instance", values).removeprefix("instance=~"))
    assert rest == ""
    assert all(re.fullmatch(expression, value) for value in values)


def test_one_value_is_compared_and_not_matched() -> None:
    assert matcher("job", ["a.b"]) == 'job="a.b"'
    assert matcher("job", ["a.b", "c"]) == r'job=~"a\\.b|c"'


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A.b",
        "a..b",
        "-a.b",
        "a.b-",
        'a"} or up{',
        "a|b",
        ".*",
        "a\n",
        "a" * 64,
        ".".join(["a" * 63] * 4),
        "*.b",
    ],
)
def test_what_is_no_dns_name_is_refused_and_shown(name: str) -> None:
    with pytest.raises(InvalidName, match=r"is not a DNS name"):
        dns_name(name)


def test_dns_names_pass() -> None:
    for name in ("web", "web.shop.svc.cluster.local", "0.example.com", "xn--a-1.b"):
        assert dns_name(name) == name


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidName):
        quoted("\ud800")


def test_names_of_labels_and_metrics_are_checked() -> None:
    with pytest.raises(InvalidName):
        matcher('job="x",a', ["b"])
    with pytest.raises(InvalidName):
        selector("up or x", [])
    with pytest.raises(InvalidName):
        matcher("job", [])


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "up{}[5000ms]"), (0.0001, "up{}[1ms]"), (1.0004, "up{}[1001ms]")]
)
def test_ranges_are_whole_milliseconds_rounded_up(seconds: float, text: str) -> None:
    assert range_selector("up{}", seconds) == text


@pytest.mark.parametrize(
    ("edge", "texts"),
    [
        (500.0, ("500", "500.0", "5e+02")),
        (0.5, ("0.5", "5e-01")),
        (2.5, ("2.5", "2.5e+00")),
        (1_800_000.0, ("1800000", "1800000.0", "1.8e+06")),
    ],
)
def test_an_edge_is_looked_for_in_every_form_in_which_it_may_be_written(
    edge: float, texts: tuple[str, ...]
) -> None:
    assert edge_texts(edge) == texts
    assert {float(text) for text in texts} == {edge}

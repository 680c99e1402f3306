"""Values are shown in the words of YAML and JSON, and never at length."""

from datetime import date
from typing import Any

import pytest

from canary.domain.values import kind_of, shown
from canary.domain.wishes import LONGEST_SHOWN


@pytest.mark.parametrize(
    ("value", "words", "kind"),
    [
        (None, "nothing", "nothing"),
        (True, "true", "a boolean"),
        (7, "7", "a number"),
        (0.5, "0.5", "a number"),
        ("a\nb", '"a\\nb"', "a text"),
        (date(2026, 1, 31), "2026-01-31", "a date"),
        ([1, None], "[1, null]", "a list"),
        ({"a": "é"}, '{"a": "é"}', "a mapping"),
        ({date(2026, 1, 31): 1}, "a mapping", "a mapping"),
        ([{1, 2}, b"x"], '["a set", "binary data"]', "a list"),
    ],
)
def test_a_value_is_shown_as_its_author_knows_it(value: object, words: str, kind: str) -> None:
    assert (shown(value), kind_of(value)) == (words, kind)


def test_a_value_that_holds_itself_is_told_by_its_kind() -> None:
    value: list[Any] = []
    value.append(value)
    assert shown(value) == "a list"


def test_a_value_that_stands_for_gigabytes_is_shown_at_once() -> None:
    value: list[Any] = ["x"]
    for _ in range(100):
        value = [value] * 10
    assert len(shown(value)) == LONGEST_SHOWN

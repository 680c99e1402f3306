"""Lists look like kubectl's: aligned, without boxes, ages in the two largest units."""

import pytest

from canary.entrypoints.rendering import duration, printable, shortened, table


def test_columns_are_as_wide_as_their_widest_cell_and_three_spaces_apart():
    text = table(("NAME", "PHASE"), [("a", "Held"), ("checkout", "")])
    assert text == "NAME       PHASE\na          Held\ncheckout   -"


def test_table_without_rows_is_its_header():
    assert table(("NAME", "PHASE"), []) == "NAME   PHASE"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0.2, "1s"),
        (45, "45s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (7199, "119m"),
        (7200, "2h"),
        (18_720, "5h12m"),
        (36_000, "10h"),
        (273_600, "3d4h"),
        (172_800, "2d"),
        (3_456_000, "40d"),
    ],
)
def test_ages_are_written_as_kubectl_writes_them(seconds, text):
    assert duration(seconds) == text


def test_a_shortened_text_is_one_line_and_shows_that_something_is_missing():
    assert shortened("one\n two", 20) == "one two"
    assert shortened("abcdef", 4) == "abc…"


def test_what_a_tenant_wrote_cannot_steer_the_readers_terminal():
    assert printable("\x1b[2Jgone\x07 ≤ 5 %\nnext") == "\ufffd[2Jgone\ufffd ≤ 5 %\nnext"
    assert "\x1b" not in table(("NAME",), [("\x1b]0;title",)])

"""After all the rest: what the controller's account asked for in the whole run is what the chart grants."""

from tests.chart.permissions import granted_by, wherever
from tests.chart.rendering import NEEDED, render
from tests.cluster.figures import asked, refused

GRANTED = wherever(granted_by(render(NEEDED)))


def test_nothing_was_refused_for_want_of_permission() -> None:
    assert asked().total() > 1000
    assert refused() == []


def test_everything_that_was_asked_for_is_granted_and_nothing_more() -> None:
    needed = set(asked())
    assert {str(item) for item in needed - GRANTED} == set(), "asked for, but not granted"
    assert {str(item) for item in GRANTED - needed} == set(), "granted, but never asked for"

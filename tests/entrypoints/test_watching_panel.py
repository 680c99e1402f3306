"""The panel that follows a release keeps what was known when the cluster is silent, and calls it old."""

from io import StringIO

import pytest
from rich.console import Console

from canary.app.errors import Retryable
from canary.entrypoints.commands.detail import Detail
from canary.entrypoints.commands.watching import follow_one
from canary.entrypoints.live_view import live_view
from canary.entrypoints.status_view import Row
from tests.entrypoints.examples import BAKING, NOW

ROW = Row(
    "shop", "checkout", "Waiting", "CanaryMissing", "workload checkout-canary does not exist: deploy it"
)


def drawn(*moments: Detail | Exception) -> str:
    """Follow through ``moments`` on a terminal, with Ctrl-C after the last one; return what was drawn."""
    output = StringIO()
    left = list(moments)

    def read() -> Detail:
        if not left:
            raise KeyboardInterrupt
        moment = left.pop(0)
        if isinstance(moment, Exception):
            raise moment
        return moment

    with pytest.raises(KeyboardInterrupt):
        follow_one(read, lambda _: None, Console(file=output, force_terminal=True, width=100, no_color=True))
    return output.getvalue()


def test_what_was_known_stays_on_the_screen_and_is_called_stale():
    text = drawn(
        Detail(ROW, live_view(BAKING, 10, NOW), (), (), (), (), NOW), Retryable("GET /apis: no answer")
    )
    assert "the cluster cannot be asked, this is what was known: GET /apis: no answer" in text
    assert "STALE" in text.partition("the cluster cannot be asked")[0]


def test_a_service_without_release_is_followed_too():
    assert "shop/checkout Waiting | workload checkout-canary" in drawn(Detail(ROW, None, (), (), (), (), NOW))

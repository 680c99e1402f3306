"""Releases that wait, for nothing speaks for a rollback and too little for going on: and say why."""

import re

import pytest

from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.showcase import SERVICE
from tests.scenarios.shop import Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_trouble_that_stable_shares_holds_and_is_not_blamed_on_the_canary(shop: Shop) -> None:
    shop.open("10@4s,50@4s")
    # Else the canary, which runs what stable did, would be judged first.
    shop.annotate(paused="true")
    shop.push("v1", "errors=20%", to=SERVICE)
    shop.until(lambda: shop.version_of(SERVICE) == "v1" and shop.is_ready(), "stable to be in trouble")
    shop.wait_for_requests(300)
    shop.push("v2", "errors=20%")
    shop.annotate(paused=None)
    held = shop.wait_for(Phase.HELD, Reason.SHARED_TROUBLE).release
    assert "stable itself is in trouble" in held.message
    assert "The canary is not blamed for what both suffer" in held.message
    shop.wait_for_requests(800)
    assert (shop.newest().release.phase, shop.weights(), shop.count()) == (Phase.HELD, (90, 10), 1)


def test_too_little_traffic_holds_and_says_how_much_is_missing_and_how_long_that_takes(shop: Shop) -> None:
    shop.open("10@2s,50@2s", min_requests="150")
    shop.push("v2")
    held = shop.wait_for(Phase.HELD, Reason.TOO_FEW_REQUESTS).release
    assert re.search(r"\d+ of at least 150 canary requests were counted in step 1 of 2", held.message)
    assert re.search(r"\d+ more are needed, at the present rate of [\d.]+/s they take about", held.message)
    assert shop.weights() == (90, 10)
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.statuses() == {200}

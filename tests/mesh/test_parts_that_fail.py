"""istiod, Envoy or Prometheus is away in the middle of a release: nothing is decided on what is not known."""

import json
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.sandbox.envoy_config import STARTED_AT
from canary.sandbox.showcase import CANARY, SERVICE
from canary.sandbox.traffic_log import read_totals
from tests.exact_counts import number_of
from tests.mesh.asking import answers
from tests.scenarios.shop import ALL_ON_STABLE, RATE_PER_SECOND, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OWN_REQUESTS = 200
"""More than a test asks itself."""
LOST_SECONDS = 3
"""The longest between a request and the scrape that has it."""
EVERY_STEP = [(90, 10), (50, 50), (0, 100), ALL_ON_STABLE]


def is_connected(shop: Shop) -> bool:
    """Whether Envoy has a connection to istiod, by its own word."""
    found = requests.get(
        f"{shop.sandbox.envoy_admin_url}/stats", params={"filter": "control_plane.connected_state"}, timeout=5
    )
    return found.text.split(":")[-1].strip() == "1"


@contextmanager
def stopped(shop: Shop, name: str) -> Iterator[None]:
    """Stop a part of the mesh, as a node that hangs does, and let it go on afterwards."""
    child = shop.sandbox.processes.named(name)
    child.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        child.signal(signal.SIGCONT)


def start_again(shop: Shop, name: str, **env: str) -> None:
    processes = shop.sandbox.processes
    processes.start_again(processes.named(name), env)


def begin(shop: Shop, steps: str) -> str:
    """A healthy release with its first request to the canary; the version before it."""
    shop.open(steps, drain="1s")
    version = shop.version
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    shop.until(lambda: answers(shop, 20)[200, "v2"], "the canary's first request")
    return version


def test_istiod_that_is_away_for_a_minute_holds_the_step_whose_weight_no_proxy_has_heard_of(
    shop: Shop,
) -> None:
    """Envoy, which gets no answer any more, ends its connection, and begins a new one afterwards."""
    version = begin(shop, "10@5s,50@5s,100@5s")
    with stopped(shop, "istiod"):
        shop.wait_for_weights(50, 50)
        held = shop.wait_for(Phase.HELD, Reason.SPLIT_NOT_OBSERVED).release
        assert "in step 2 of 3 (50 %) the canary got" in held.message
        shop.until(lambda: not is_connected(shop), "Envoy to give istiod up")
        shop.wait_for_requests(60 * RATE_PER_SECOND)
        assert (shop.weights(), shop.newest().release.reason) == ((50, 50), Reason.SPLIT_NOT_OBSERVED)
    shop.wait_for(Phase.SUCCEEDED)
    assert is_connected(shop)
    assert shop.weights_since(version) == EVERY_STEP
    assert shop.statuses() == {200}


def test_istiod_that_crashes_and_comes_back_costs_no_request(shop: Shop) -> None:
    version = begin(shop, "10@5s,50@5s,100@5s")
    start_again(shop, "istiod")
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == EVERY_STEP
    assert shop.statuses() == {200}


def test_istiod_that_is_away_while_traffic_returns_leaves_the_canarys_pods_to_their_users(shop: Shop) -> None:
    begin(shop, "10@5s,100@5s")
    shop.wait_for_weights(0, 100)
    shop.until(lambda: set(answers(shop, 20)) == {(200, "v2")}, "istiod to have told Envoy")
    with stopped(shop, "istiod"):
        shop.wait_for_stage(Stage.DRAINING)
        shop.until(lambda: "pods stay" in shop.newest().release.message, "a word of the pods that stay")
        shop.wait_for_requests(20 * RATE_PER_SECOND)
        assert len(shop.pods("canary")) == 2
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.deployment(CANARY)["spec"]["replicas"] == 0
    assert shop.statuses() == {200}


def test_prometheus_that_hangs_takes_no_step_and_rolls_nothing_back(shop: Shop) -> None:
    version = begin(shop, "10@5s,50@5s")
    with stopped(shop, "prometheus"):
        shop.wait_for(Phase.HELD, Reason.NO_DATA)
        # Four times as long as the step lasts.
        shop.wait_for_requests(20 * RATE_PER_SECOND)
        held = shop.newest().release
        assert (shop.weights(), held.phase, held.reason) == ((90, 10), Phase.HELD, Reason.NO_DATA)
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == [(90, 10), (50, 50), ALL_ON_STABLE]
    assert shop.statuses() == {200}


def test_prometheus_that_is_killed_and_started_again_takes_no_step_too_early(shop: Shop) -> None:
    version = begin(shop, "10@5s,50@5s")
    start_again(shop, "prometheus")
    ended = shop.wait_for(Phase.SUCCEEDED).release
    measured = [record.verdict.at - record.since for record in ended.records]
    assert len(measured) == 2
    assert min(measured) >= 5.0, "each step was measured for as long as it bakes"
    assert shop.weights_since(version) == [(90, 10), (50, 50), ALL_ON_STABLE]
    assert shop.version_of(SERVICE) == "v2"
    assert shop.statuses() == {200}


def test_envoy_that_is_started_again_counts_from_nothing_and_no_request_is_counted_twice(shop: Shop) -> None:
    """Users lose what was under way; what was answered between its last scrape and its end is not counted."""
    begin(shop, "10@20s,50@5s")
    judged_from = shop.newest().release.step_since
    shop.end_traffic()
    before = number_between(shop.logs[0], judged_from - 1, math.inf)
    start_again(shop, "envoy", **{STARTED_AT: str(int(time.time()))})
    shop.until(lambda: is_answered(shop), "Envoy to serve again")
    log = shop.start_traffic()
    shop.wait_for(Phase.SUCCEEDED)
    shop.end_traffic()
    users = read_totals(log)
    assert {status for _, status in users.requests} == {200}
    evidence = shop.newest().release.evidence
    counts = evidence.release_counts["error-rate"]
    counted = counts.canary.requests + counts.stable.requests
    # Once it is promoted nothing is counted any more; what was answered before a first scrape may be missing.
    judged = number_between(log, 0.0, evidence.evaluated_until)
    assert judged > 15 * RATE_PER_SECOND
    assert judged - LOST_SECONDS * RATE_PER_SECOND <= counted
    assert counted <= before + number_of(users) + OWN_REQUESTS
    assert (counts.canary.bad, counts.stable.bad) == (0, 0)


def number_between(log: Path, since: float, until: float) -> int:
    """How many requests users have made in a stretch of time, to the second."""
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return sum(line["count"] for line in lines if since <= line["second"] <= until)


def is_answered(shop: Shop) -> bool:
    try:
        return set(answers(shop, 5)) <= {(200, "v1"), (200, "v2")}
    except OSError:
        return False

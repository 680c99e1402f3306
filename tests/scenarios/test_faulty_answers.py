"""The API server refuses, is slow, or loses requests and answers: a release ends as it would have without."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from canary.adapters.kube.transport import TIMEOUT_SECONDS
from canary.domain.release import Phase
from canary.sandbox.apiserver.seam import Fault, Hook, SeenRequest
from canary.sandbox.showcase import CANARY, SERVICE
from tests.scenarios.shop import ALL_ON_STABLE, REPLICA, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = "10@2s,50@2s,100@2s"
EVERY_STEP = [(90, 10), (50, 50), (0, 100), ALL_ON_STABLE]
WRITES_OF_A_RELEASE = {
    "POST releases", "PUT releases/status", "PATCH virtualservices", "PATCH deployments", "POST events",
}  # fmt: skip

Kind = str
"""A request's method and what it asks for, like ``PUT releases/status``."""


def kind_of(shop: Shop, seen: SeenRequest) -> Kind | None:
    """The kind of a controller's request about the shop or all namespaces; None for any other request.

    Other shops share the controller: what it still does for them is none of this one's.
    """
    theirs = seen.user_agent.startswith(f"canary/{REPLICA}")
    here = rf"(?:namespaces/{shop.namespace}/)?(?!namespaces/)"
    found = re.fullmatch(rf"/(?:api|apis/[^/]+)/v\w+/{here}(\w+)(?:/[^/]+)?(/\w+)?", seen.path)
    return f"{seen.method} {found[1]}{found[2] or ''}" if theirs and found else None


def every_second(shop: Shop, fault: Fault, hit: Counter[Kind], *, reads: bool) -> Hook:
    """Fail a request of a kind, let the next one of that kind through, fail the one after it, and so on."""
    turn: set[Kind] = set()

    def hook(seen: SeenRequest) -> Fault | None:
        kind = kind_of(shop, seen)
        if kind is None or not (reads or seen.is_write):
            return None
        if kind in turn:
            turn.discard(kind)
            return None
        turn.add(kind)
        hit[kind] += 1
        return fault

    return hook


def the_first_of_each_kind(shop: Shop, fault: Fault, hit: Counter[Kind]) -> Hook:
    def hook(seen: SeenRequest) -> Fault | None:
        kind = kind_of(shop, seen)
        if kind is None or not seen.is_write or kind == "POST events" or kind in hit:
            return None
        hit[kind] += 1
        return fault

    return hook


@contextmanager
def failing(shop: Shop, hook: Callable[[Counter[Kind]], Hook]) -> Iterator[Counter[Kind]]:
    """Faults while the context lasts, and how often each kind of request met one."""
    hit: Counter[Kind] = Counter()
    shop.seam.before_response = hook(hit)
    try:
        yield hit
    finally:
        shop.seam.before_response = None


def promote(shop: Shop) -> None:
    """A healthy release from its first write to its end, with every weight as it should be, and no other."""
    version = shop.version
    shop.push("v2")
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == EVERY_STEP
    assert shop.version_of(SERVICE) == "v2"
    assert shop.deployment(CANARY)["spec"]["replicas"] == 0
    assert shop.statuses() == {200}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(409), id="conflict"),
        pytest.param(Fault(500), id="internal-error"),
        pytest.param(Fault(503), id="unavailable"),
        pytest.param(Fault(429, retry_after_seconds=1), id="too-many-requests"),
        pytest.param(Fault(0), id="request-lost"),
        pytest.param(Fault(0, after=True), id="answer-lost"),
        pytest.param(Fault(500, after=True), id="error-although-applied"),
    ],
)
def test_every_second_write_of_each_kind_fails_and_no_step_is_left_out_or_taken_twice(
    shop: Shop, fault: Fault
) -> None:
    shop.open(STEPS)
    with failing(shop, lambda hit: every_second(shop, fault, hit, reads=False)) as hit:
        promote(shop)
    assert set(hit) >= WRITES_OF_A_RELEASE


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(0), id="lost"),
        pytest.param(Fault(500), id="internal-error"),
        pytest.param(Fault(503), id="unavailable"),
        pytest.param(Fault(429), id="too-many-requests"),
    ],
)
def test_every_second_request_reads_and_watches_included_fails_and_a_bad_canary_is_rolled_back(
    shop: Shop, fault: Fault
) -> None:
    shop.open("10@10s,50@10s")
    with failing(shop, lambda hit: every_second(shop, fault, hit, reads=True)) as hit:
        shop.push("v2", "errors=20%")
        ended = shop.wait_for(Phase.ROLLED_BACK).release
    assert ended.verdict is not None
    assert ended.verdict.objective == "error-rate"
    assert (shop.weights(), shop.version_of(SERVICE)) == (ALL_ON_STABLE, "v1")
    assert {"GET services", "GET deployments", "GET virtualservices"} <= set(hit)


def test_the_first_write_of_each_kind_is_applied_when_the_controller_has_given_up_waiting(shop: Shop) -> None:
    shop.open(STEPS)
    late = Fault(0, after=True, delay_seconds=TIMEOUT_SECONDS + 1)
    with failing(shop, lambda hit: the_first_of_each_kind(shop, late, hit)) as hit:
        promote(shop)
    assert set(hit) == WRITES_OF_A_RELEASE - {"POST events"}

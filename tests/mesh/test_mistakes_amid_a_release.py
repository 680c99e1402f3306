"""People spoil VirtualServices and DestinationRules amid a release: what Istio makes of it, what users get,
and what we say then.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from canary.adapters.kube.release_codec import Abort
from canary.adapters.kube.releases import Wish
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import CANARY, SERVICE
from canary.sandbox.traffic_log import read_totals
from tests.mesh.asking import NOBODY, answers, until_answered
from tests.mesh.editing import GATEWAY, add, edit, set_subsets
from tests.scenarios.shop import ALL_ON_STABLE, RATE_PER_SECOND, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

STEPS, SLOW_STEPS = "10@5s,50@5s", "10@60s,50@60s"
NO_EXPRESSION = [{"uri": {"regex": "/orders/[0-9"}}]
"""Nothing that a regular expression could be; kube-apiserver takes it."""
LOST_SECONDS = 3
"""The longest that a mistake's share of the requests is lost before the weights are back."""


def begin(shop: Shop, steps: str) -> None:
    """A healthy release whose canary has answered its first users."""
    shop.open(steps, drain="1s")
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    shop.until(lambda: answers(shop, 20)[200, "v2"], "the canary's first request")


def lost(shop: Shop) -> int:
    """How many requests Envoy answered itself; all others were answered well. Ends the traffic."""
    shop.end_traffic()
    totals = read_totals(shop.logs[0]).requests
    assert set(totals) <= {("v1", 200), ("v2", 200), (NOBODY, 503)}
    return totals[NOBODY, 503]


def refusals(shop: Shop) -> int:
    """How often Envoy has refused routes that istiod had for it."""
    pattern = {"filter": r"rds\..*update_rejected"}
    found = requests.get(f"{shop.sandbox.envoy_admin_url}/stats", params=pattern, timeout=5).text
    return sum(int(line.rpartition(":")[2]) for line in found.splitlines())


@contextmanager
def refused_by_envoy(shop: Shop) -> Iterator[None]:
    """Wait, after the context, until Envoy has refused what was written in it."""
    before = refusals(shop)
    yield
    shop.until(lambda: refusals(shop) > before, "Envoy to refuse the routes")


def test_match_that_is_no_expression_freezes_envoys_routes_and_holds_the_next_step(shop: Shop) -> None:
    """Envoy refuses all routes of the gateway for the one, and keeps what it had."""
    begin(shop, STEPS)
    match = shop.virtual_service()["spec"]["http"][0]["match"]
    with refused_by_envoy(shop):
        edit(shop, {"op": "replace", "path": "/spec/http/0/match", "value": NO_EXPRESSION})
    shop.wait_for_weights(50, 50)
    held = shop.wait_for(Phase.HELD, Reason.SPLIT_NOT_OBSERVED).release
    assert "do they refuse the routes of some VirtualService" in held.message
    # Twice as long as the step bakes. It begins anew, and is in doubt again and again.
    shop.wait_for_requests(10 * RATE_PER_SECOND)
    assert (shop.newest().release.step, shop.weights()) == (1, (50, 50))
    edit(shop, {"op": "replace", "path": "/spec/http/0/match", "value": match})
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.statuses() == {200}


def test_virtual_service_of_others_that_freezes_the_gateway_keeps_the_canarys_pods_for_their_users(
    shop: Shop,
) -> None:
    """An aborted release gives traffic back, and Envoy does not hear of it: its users are not let down."""
    begin(shop, SLOW_STEPS)
    nobody = {"destination": {"host": "nobody.attic.svc.cluster.local"}}
    spec = {
        "hosts": ["others.example.com"],
        "gateways": [GATEWAY],
        "http": [{"match": NO_EXPRESSION, "route": [nobody]}],
    }
    with refused_by_envoy(shop):
        add(shop, "others", spec)
    shop.ask(Wish(abort=Abort("ada", "wrong ticket")))
    shop.wait_for_stage(Stage.DRAINING)
    shop.until(lambda: "pods stay" in shop.newest().release.message, "a word of the pods that stay")
    assert shop.weights() == ALL_ON_STABLE
    assert len(shop.pods("canary")) == 2
    assert answers(shop, 100)[200, "v2"] > 0
    shop.delete(f"{shop.virtual_services_path}/others")
    shop.wait_for(Phase.ROLLED_BACK, Reason.ABORTED)
    assert shop.deployment(CANARY)["spec"]["replicas"] == 0
    assert shop.statuses() == {200}


def test_match_that_is_taken_away_from_the_route_in_front_holds_the_release_for_want_of_traffic(
    shop: Shop,
) -> None:
    """What stood for the status page takes every request then."""
    begin(shop, STEPS)
    match = shop.virtual_service()["spec"]["http"][0]["match"]
    edit(shop, {"op": "remove", "path": "/spec/http/0/match"})
    held = shop.wait_for(Phase.HELD).release
    assert held.reason in {Reason.TOO_FEW_REQUESTS, Reason.NO_TRAFFIC}
    until_answered(shop, (200, "v1"))
    shop.wait_for_requests(10 * RATE_PER_SECOND)
    held = shop.newest().release
    assert (held.phase, held.step, shop.weights()) == (Phase.HELD, 0, (90, 10))
    edit(shop, {"op": "add", "path": "/spec/http/0/match", "value": match})
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.statuses() == {200}


def test_slip_in_the_labels_of_the_canarys_subset_takes_the_canary_out_and_is_named(shop: Shop) -> None:
    begin(shop, STEPS)
    set_subsets(shop, stable={"track": "stable"}, canary={"track": "canry"})
    shop.wait_for_event("RollingBack", "subset canary, whose labels are no longer those of the pods of")
    shop.wait_for_weights(100, 0)
    waiting = shop.wait_for(Phase.PENDING, Reason.ROUTES_INVALID, count=2).release
    assert "subset canary, whose labels are no longer those of the pods of" in waiting.message
    set_subsets(shop, stable={"track": "stable"}, canary={"track": "canary"})
    shop.wait_for(Phase.SUCCEEDED, count=2)
    first = shop.releases.list(shop.key)[0].release
    assert (first.phase, first.reason) == (Phase.ROLLED_BACK, Reason.ROUTES_INVALID)
    assert 0 < lost(shop) < LOST_SECONDS * 0.1 * RATE_PER_SECOND


def test_subset_that_comes_to_hold_both_workloads_takes_the_canary_out_and_is_named(shop: Shop) -> None:
    begin(shop, SLOW_STEPS)
    set_subsets(shop, stable={"track": "stable"}, canary={})
    shop.wait_for_event("RollingBack", "subset canary, whose labels are no longer those of the pods of")
    shop.wait_for_weights(100, 0)
    until_answered(shop, (200, "v1"))
    assert shop.statuses() == {200}


def test_deleted_destination_rule_takes_all_answers_and_is_named_until_it_is_back(shop: Shop) -> None:
    """Both subsets are gone: no weight could help, and none is written that would be worse."""
    begin(shop, STEPS)
    kept = shop.delete(shop.destination_rule_path)
    shop.wait_for_event("RollingBack", "which no DestinationRule")
    shop.wait_for_weights(100, 0)
    until_answered(shop, (503, NOBODY))
    waiting = shop.wait_for(Phase.PENDING, Reason.ROUTES_INVALID, count=2).release
    assert "subset stable of" in waiting.message
    create(shop.transport, kept)
    shop.wait_for(Phase.SUCCEEDED, count=2)
    until_answered(shop, (200, "v2"))


def test_of_two_destination_rules_the_older_defines_the_subset(shop: Shop) -> None:
    begin(shop, STEPS)
    spoiled = {"host": SERVICE, "subsets": [{"name": "canary", "labels": {"track": "canry"}}]}
    # Times of creation are whole seconds; by its name it would be the first.
    add(shop, "a-younger", spoiled, kind="DestinationRule")
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.statuses() == {200}


def test_virtual_service_that_is_withdrawn_from_the_gateway_holds_the_release(shop: Shop) -> None:
    """Exported to its own namespace only: the gateway, which is another's, answers 404 to everybody."""
    begin(shop, STEPS)
    edit(shop, {"op": "add", "path": "/spec/exportTo", "value": ["."]})
    until_answered(shop, (404, NOBODY))
    held = shop.wait_for(Phase.HELD).release
    assert held.reason in {Reason.TOO_FEW_REQUESTS, Reason.NO_TRAFFIC}
    shop.wait_for_requests(10 * RATE_PER_SECOND)
    held = shop.newest().release
    assert (held.phase, held.step, shop.weights()) == (Phase.HELD, 0, (90, 10))
    edit(shop, {"op": "remove", "path": "/spec/exportTo"})
    shop.wait_for(Phase.SUCCEEDED)


def test_destination_that_is_taken_out_of_the_route_ends_the_release_and_costs_nothing(shop: Shop) -> None:
    begin(shop, SLOW_STEPS)
    edit(shop, {"op": "remove", "path": "/spec/http/1/route/1"})
    shop.wait_for_event("RollingBack", "sends to stable only")
    until_answered(shop, (200, "v1"))
    shop.wait_for(Phase.PENDING, Reason.ROUTES_INVALID, count=2)
    # Where the canary's requests come from is not known any more, so its pods are not ours to end.
    assert len(shop.pods("canary")) == 2
    assert shop.statuses() == {200}

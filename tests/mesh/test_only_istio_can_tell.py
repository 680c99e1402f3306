"""What only Istio can tell: what it makes of odd VirtualServices, what users get, and what we say then."""

import pytest

from canary.adapters.kube.transport import MERGE_PATCH
from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import CANARY, SERVICE
from canary.sandbox.traffic_log import read_totals
from tests.mesh.asking import NOBODY, answers, until_answered
from tests.mesh.editing import GATEWAY, add, pair, with_routes
from tests.scenarios.shop import ALL_ON_STABLE, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

QUICK_STEPS, SLOW_STEPS = "10@2s,50@2s", "10@60s,50@60s"


def share_of_canary(shop: Shop, count: int = 400) -> float:
    found = answers(shop, count)
    assert {status for status, _ in found} == {200}
    return found[200, "v2"] / count


@pytest.mark.parametrize("total", [40, 200])
def test_weights_that_do_not_sum_to_100_are_shares_and_are_kept_in_their_sum(shop: Shop, total: int) -> None:
    shop.open("25@60s")
    with_routes(shop, {"name": "main", "route": pair(stable=total)})
    shop.push("v2")
    shop.wait_for_weights(total * 3 // 4, total // 4)
    shop.until(lambda: answers(shop, 20)[200, "v2"], "istiod to have told Envoy")
    assert 0.16 < share_of_canary(shop) < 0.34


@pytest.mark.parametrize(
    "host", ["{name}.{namespace}", "{name}.{namespace}.svc", "{name}.{namespace}.svc.cluster.local."]
)
def test_host_with_a_dot_is_taken_to_the_letter_and_we_say_so_before_anything_is_shifted(
    shop: Shop, host: str
) -> None:
    written = host.format(name=SERVICE, namespace=shop.namespace)
    shop.open(SLOW_STEPS)
    with_routes(shop, {"name": "main", "route": pair(host=written)})
    until_answered(shop, (503, NOBODY))
    shop.push("v2")
    waiting = shop.wait_for(Phase.PENDING, Reason.ROUTES_INVALID).release
    assert f"destination host {written}, which Istio takes to the letter" in waiting.message
    assert f"write {shop.host}" in waiting.message
    with_routes(shop, {"name": "main", "route": pair(host=shop.host)})
    shop.wait_for_weights(90, 10)
    shop.wait_for_requests(200)
    assert shop.newest().release.phase is Phase.PROGRESSING, "what was lost before is not the canary's"


def test_full_name_in_another_namespaces_virtual_service_is_the_service_and_a_short_one_is_not(
    shop: Shop,
) -> None:
    """The gateway's owner has a VirtualService of their own in another namespace, and consents."""
    home = "istio-system"
    name = f"at-the-gateway-{shop.namespace}"
    outside = f"{shop.namespace}.example.com"
    shared = {"canaryctl.dev/shared-with": shop.namespace}
    spec = {"hosts": [outside], "gateways": [GATEWAY], "http": [{"route": pair(host=SERVICE)}]}
    shop.open(SLOW_STEPS)
    add(shop, name, spec, namespace=home, **shared)
    path = f"/apis/networking.istio.io/v1/namespaces/{home}/virtualservices/{name}"
    try:
        until_answered(shop, (503, NOBODY), host=outside)
        shop.annotate(virtual_services=f"{SERVICE},{name}.{home}")
        mended = {"spec": {"http": [{"route": pair(host=shop.host)}]}}
        shop.patch(path, mended, MERGE_PATCH)
        until_answered(shop, (200, "v1"), host=outside)
        shop.push("v2")
        shop.wait_for_weights(90, 10)
        shop.until(
            lambda: answers(shop, 20, host=outside)[200, "v2"], "the gateway's users to meet the canary"
        )
        weights = [leg["weight"] for leg in shop.get(path)["spec"]["http"][0]["route"]]
        assert weights == [90, 10]
    finally:
        shop.transport.request("DELETE", path)


def test_weights_that_are_all_zero_make_envoy_keep_what_it_had_and_nothing_is_shifted(shop: Shop) -> None:
    """Istio's webhook refuses such a VirtualService; where it is switched off, Envoy refuses all routes."""
    shop.open(SLOW_STEPS)
    with_routes(shop, {"name": "main", "route": pair(stable=0)})
    shop.push("v2")
    waiting = shop.wait_for(Phase.PENDING, Reason.ROUTES_INVALID).release
    assert "weights that are all zero or missing" in waiting.message
    assert set(answers(shop, 50)) == {(200, "v1")}
    with_routes(shop, {"name": "main", "route": pair()})
    shop.wait_for_weights(90, 10)
    shop.until(lambda: answers(shop, 20)[200, "v2"], "istiod to have told Envoy")
    assert shop.statuses() == {200}


def test_subset_that_no_destination_rule_has_gets_503_and_the_canary_is_taken_out_of_it(shop: Shop) -> None:
    shop.open(SLOW_STEPS)
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    subsets = shop.get(shop.destination_rule_path)["spec"]["subsets"]
    only_stable = [item for item in subsets if item["name"] == "stable"]
    shop.patch(shop.destination_rule_path, {"spec": {"subsets": only_stable}})
    shop.wait_for_event("RollingBack", "subset canary")
    shop.wait_for_weights(100, 0)
    until_answered(shop, (200, "v1"))
    shop.end_traffic()
    lost = read_totals(shop.logs[0]).requests[NOBODY, 503]
    assert 0 < lost < 100, "some requests of 10 % were lost until the weights were back"


def test_older_virtual_service_of_the_same_host_wins_and_the_release_holds_for_want_of_traffic(
    shop: Shop,
) -> None:
    """A gateway joins the routes of all VirtualServices of a host; the first that fits is the oldest's."""
    shop.open("10@20s,50@20s")
    ours = shop.delete(f"{shop.virtual_services_path}/{SERVICE}")
    to_stable = [{"destination": {"host": SERVICE, "subset": "stable"}}]
    hosts = {"hosts": [shop.host], "gateways": [GATEWAY]}
    add(shop, "older", {**hosts, "http": [{"name": "everything", "route": to_stable}]})
    # Times of creation are whole seconds.
    shop.wait_for_requests(200)
    create(shop.transport, ours)
    shop.push("v2")
    held = shop.wait_for(Phase.HELD, Reason.NO_TRAFFIC).release
    assert "the canary has had no request yet" in held.message
    assert (shop.weights(), set(answers(shop, 50))) == ((90, 10), {(200, "v1")})
    shop.delete(f"{shop.virtual_services_path}/older")
    shop.wait_for(Phase.PROGRESSING)
    assert shop.statuses() == {200}


def test_younger_virtual_service_of_the_same_host_changes_nothing(shop: Shop) -> None:
    shop.open(QUICK_STEPS, drain="1s")
    to_nobody = [{"destination": {"host": "nobody.attic.svc.cluster.local"}}]
    hosts = {"hosts": [shop.host], "gateways": [GATEWAY]}
    shop.wait_for_requests(150)
    add(shop, "younger", {**hosts, "http": [{"name": "everything", "route": to_nobody}]})
    shop.push("v2")
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.statuses() == {200}


def test_delegate_carries_the_weights_for_the_virtual_service_that_delegates(shop: Shop) -> None:
    shop.open(QUICK_STEPS, drain="1s")
    shop.delete(f"{shop.virtual_services_path}/{SERVICE}")
    add(shop, SERVICE, {"http": [{"name": "first", "route": pair()}, {"name": "main", "route": pair()}]})
    to_ours = {"delegate": {"name": SERVICE, "namespace": shop.namespace}}
    all_paths = [{"uri": {"prefix": "/"}}]
    http = [{"name": "root", "match": all_paths, **to_ours}]
    add(shop, "root", {"hosts": [shop.host], "gateways": [GATEWAY], "http": http})
    until_answered(shop, (200, "v1"))
    log = shop.start_traffic()
    before = shop.virtual_service("root")["spec"]
    shop.push("v2")
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.virtual_service("root")["spec"] == before
    shop.end_traffic()
    totals = read_totals(log)
    assert {status for _, status in totals.requests} == {200}
    assert totals.requests["v2", 200] > 50


def test_header_route_before_the_weights_leads_its_users_to_the_canary_and_no_others(shop: Shop) -> None:
    shop.open(SLOW_STEPS, gates="first-step")
    beta = {
        "name": "beta-testers",
        "match": [{"headers": {"x-beta": {"exact": "yes"}}}],
        "route": [{"destination": {"host": SERVICE, "subset": "canary"}}],
    }
    main = {"name": "main", "route": pair()}
    change = {"spec": {"http": [beta, main]}}
    shop.patch(f"{shop.virtual_services_path}/{SERVICE}", change, MERGE_PATCH)
    shop.push("v2")
    shop.wait_for(Phase.PENDING, Reason.GATE_CLOSED)
    testers = {"x-beta": "yes"}
    shop.until(lambda: set(answers(shop, 10, headers=testers)) == {(200, "v2")}, "testers to meet the canary")
    assert set(answers(shop, 100)) == {(200, "v1")}
    assert shop.virtual_service()["spec"]["http"][0] == beta


def test_virtual_services_for_the_mesh_and_for_the_gateway_are_shifted_together(shop: Shop) -> None:
    shop.open(QUICK_STEPS, drain="1s")
    only_mesh = {"spec": {"gateways": ["mesh"]}}
    at_the_gateway = {"hosts": [shop.host], "gateways": [GATEWAY], "http": [{"route": pair()}]}
    add(shop, "gateway", at_the_gateway)
    shop.patch(f"{shop.virtual_services_path}/{SERVICE}", only_mesh, MERGE_PATCH)
    until_answered(shop, (200, "v1"))
    version = str(shop.virtual_service("gateway")["metadata"]["resourceVersion"])
    log = shop.start_traffic()
    shop.push("v2")
    shop.wait_for(Phase.SUCCEEDED)
    states = [state["spec"]["http"][0]["route"] for state in shop.states_since(version, "gateway")]
    assert [[leg["weight"] for leg in legs] for legs in states] == [[90, 10], [50, 50], [100, 0]]
    shop.end_traffic()
    assert {status for _, status in read_totals(log).requests} == {200}
    assert read_totals(log).requests["v2", 200] > 50


def test_retries_hide_a_canarys_errors_from_its_users_and_so_from_the_verdict(shop: Shop) -> None:
    """What is judged is what users get: a canary that fails every fifth attempt passes."""
    shop.open(QUICK_STEPS, drain="1s", max_error_rate="2%")
    retries = {"attempts": 5, "retryOn": "5xx", "perTryTimeout": "2s"}
    with_routes(shop, {"name": "main", "route": pair(), "retries": retries})
    shop.push("v2", "errors=20%")
    shop.wait_for(Phase.SUCCEEDED)
    shop.end_traffic()
    totals = read_totals(shop.logs[0])
    failed = sum(count for (_, status), count in totals.requests.items() if status != 200)
    assert failed <= totals.requests["v2", 200] * 0.02
    # The pods themselves count each attempt: that is shown beside, and says what was hidden.
    judged = shop.newest().release.records[-1].verdict.findings[0]
    assert judged.beside is not None
    attempts = judged.beside.canary
    assert 0.1 < attempts.bad / attempts.requests < 0.3
    assert judged.canary.bad <= 0.02 * judged.canary.requests


def test_canary_of_one_pod_that_outlier_detection_takes_out_is_rolled_back_for_its_errors(shop: Shop) -> None:
    """Envoy then answers 503 in its place: requests that reached no workload."""
    shop.open(SLOW_STEPS)
    detection = {
        "consecutive5xxErrors": 3,
        "interval": "1s",
        "baseEjectionTime": "60s",
        "maxEjectionPercent": 100,
    }
    shop.patch(shop.destination_rule_path, {"spec": {"trafficPolicy": {"outlierDetection": detection}}})
    shop.patch(shop.deployment_path(CANARY), {"spec": {"replicas": 1}})
    shop.push("v2", "errors=100%")
    ended = shop.wait_for(Phase.ROLLED_BACK).release
    assert ended.reason in {Reason.OBJECTIVE_BREACHED, Reason.WORSE_THAN_STABLE, Reason.UNATTRIBUTED_ERRORS}
    assert shop.weights() == ALL_ON_STABLE
    shop.end_traffic()
    requests = read_totals(shop.logs[0]).requests
    assert requests["v2", 500] >= 3
    assert requests[NOBODY, 503] > 0, "Envoy took the pod out, or there was nothing to see here"
    assert set(requests) <= {("v1", 200), ("v2", 500), (NOBODY, 503)}


def test_canary_that_is_scaled_from_zero_gets_traffic_only_when_envoy_has_its_pods(shop: Shop) -> None:
    shop.open(QUICK_STEPS, drain="1s")
    shop.push("v2")
    shop.wait_for(Phase.SUCCEEDED)
    shop.until(lambda: not shop.pods("canary"), "the canary's pods to go")
    shop.push("v3", "ready-after=1s")
    shop.wait_for(Phase.SUCCEEDED, count=2)
    assert shop.version_of(SERVICE) == "v3"
    assert shop.statuses() == {200}

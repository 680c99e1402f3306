"""The translation of VirtualServices, DestinationRules and Pods into what Envoy should do."""

from dataclasses import replace

import pytest

from canary.sandbox.routes import MeshObjects, VirtualHost, translate, workload_of
from tests.sandbox.objects import (
    FULL,
    HOST,
    NONSENSE,
    Json,
    destination_rule,
    places,
    pod,
    service,
    split,
    to,
    virtual_service,
    with_nonsense,
)

OBJECTS = MeshObjects(
    services=(service(),),
    pods=(
        pod("myapp-1a", "127.0.0.1:1001", track="stable", version="v1"),
        pod("myapp-1a", "127.0.0.1:1002", track="stable"),
        pod("myapp-canary-2b", "127.0.0.1:2001", track="canary"),
    ),
    destination_rules=(destination_rule(stable={"track": "stable"}, canary={"track": "canary"}),),
)


def ports_of(objects: MeshObjects, cluster: str) -> list[int]:
    (found,) = [item for item in translate(objects).clusters if item.name == cluster]
    return [endpoint.port for endpoint in found.endpoints]


def host_of(objects: MeshObjects, host: str = HOST) -> VirtualHost:
    (found,) = [item for item in translate(objects).virtual_hosts if item.host == host]
    return found


def routes(*http: Json) -> list[Json]:
    objects = replace(OBJECTS, virtual_services=(virtual_service(*http),))
    assert translate(objects).problems == ()
    return list(host_of(objects).routes)


def actions(*http: Json) -> list[Json]:
    return [route["route"] for route in routes(*http)]


def problem(*virtual_services: Json) -> str:
    (found,) = translate(replace(OBJECTS, virtual_services=virtual_services)).problems
    return f"{found.virtual_service}: {found.message}"


def test_service_without_virtual_service_reaches_all_its_ready_pods() -> None:
    assert host_of(OBJECTS).routes[0]["route"]["cluster"] == f"outbound|80||{HOST}"
    assert ports_of(OBJECTS, f"outbound|80||{HOST}") == [1001, 1002, 2001]


def test_subset_selects_its_pods_only() -> None:
    assert ports_of(OBJECTS, f"outbound|80|stable|{HOST}") == [1001, 1002]
    assert ports_of(OBJECTS, f"outbound|80|canary|{HOST}") == [2001]


def test_subset_does_not_widen_its_services_selector() -> None:
    rule = destination_rule(other={"app": "other"})
    objects = replace(OBJECTS, destination_rules=(rule,), pods=(pod("other-1a", "127.0.0.1:9", app="other"),))
    assert ports_of(objects, f"outbound|80|other|{HOST}") == []


@pytest.mark.parametrize(
    "change",
    [
        {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
        {"status": {}},
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {"annotations": {}}},
        {"metadata": {"namespace": "elsewhere"}},
    ],
)
def test_pod_that_is_unready_ending_without_address_or_elsewhere_gets_nothing(change: Json) -> None:
    whole = pod("myapp-1a", "127.0.0.1:1001")
    changed = {"metadata": {**whole["metadata"], **change.get("metadata", {})}, "status": whole["status"]}
    changed["status"] = change.get("status", whole["status"])
    assert ports_of(replace(OBJECTS, pods=(changed,)), f"outbound|80||{HOST}") == []


def test_service_without_selector_has_no_endpoints() -> None:
    bare = {**service(), "spec": {"ports": [{"port": 80}]}}
    assert ports_of(replace(OBJECTS, services=(bare,)), f"outbound|80||{HOST}") == []


def test_pod_is_attributed_to_its_deployment() -> None:
    (cluster,) = [item for item in translate(OBJECTS).clusters if "|canary|" in item.name]
    assert {endpoint.workload for endpoint in cluster.endpoints} == {"myapp-canary"}


def test_pod_of_a_stateful_set_is_attributed_to_it_and_a_bare_pod_to_itself() -> None:
    owner = {"kind": "StatefulSet", "name": "db", "controller": True}
    assert workload_of({"metadata": {"name": "db-0", "ownerReferences": [owner]}}) == "db"
    assert workload_of({"metadata": {"name": "lonely"}}) == "lonely"


def test_weights_reach_envoy_as_they_are() -> None:
    (action,) = actions(split(90, 10))
    assert action["weighted_clusters"]["clusters"] == [
        {"name": f"outbound|80|stable|{HOST}", "weight": 90},
        {"name": f"outbound|80|canary|{HOST}", "weight": 10},
    ]


def test_weights_need_not_sum_to_100() -> None:
    (action,) = actions(split(3, 1))
    assert [item["weight"] for item in action["weighted_clusters"]["clusters"]] == [3, 1]


def test_destination_of_weight_0_gets_nothing() -> None:
    assert actions(split(100, 0))[0]["cluster"] == f"outbound|80|stable|{HOST}"
    assert actions(split(0, 100))[0]["cluster"] == f"outbound|80|canary|{HOST}"


def test_single_destination_gets_everything_whatever_its_weight() -> None:
    for weight in (None, 0, 37):
        assert actions({"route": [to(weight=weight)]})[0]["cluster"] == f"outbound|80||{HOST}"


def test_missing_weight_beside_others_is_0() -> None:
    (action,) = actions({"route": [to(subset="stable"), to(subset="canary", weight=1)]})
    assert action["cluster"] == f"outbound|80|canary|{HOST}"


def test_missing_subset_routes_to_a_cluster_that_does_not_exist() -> None:
    (action,) = actions({"route": [to(subset="nosuch")]})
    assert action["cluster"] == f"outbound|80|nosuch|{HOST}"
    assert action["cluster"] not in {cluster.name for cluster in translate(OBJECTS).clusters}


def test_plain_host_reaches_the_pods_of_that_service() -> None:
    canary = service("myapp-canary", track="canary")
    objects = replace(
        OBJECTS,
        services=(service(), canary),
        virtual_services=(virtual_service({"route": [to("myapp", weight=9), to("myapp-canary", weight=1)]}),),
    )
    names = [item["name"] for item in host_of(objects).routes[0]["route"]["weighted_clusters"]["clusters"]]
    assert names == [f"outbound|80||{HOST}", "outbound|80||myapp-canary.shop.svc.cluster.local"]
    assert ports_of(objects, names[1]) == [2001]


def test_short_host_belongs_to_the_virtual_services_namespace_and_a_dotted_one_is_taken_as_it_is() -> None:
    assert actions({"route": [to("reviews")]})[0]["cluster"].endswith("|reviews.shop.svc.cluster.local")
    assert actions({"route": [to("reviews.other")]})[0]["cluster"].endswith("|reviews.other")


def test_port_of_the_destination_or_else_of_the_service() -> None:
    objects = replace(
        OBJECTS, services=(service(port=8080),), virtual_services=(virtual_service({"route": [to()]}),)
    )
    assert host_of(objects).routes[0]["route"]["cluster"] == f"outbound|8080||{HOST}"
    assert actions({"route": [to(port={"number": 9090})]})[0]["cluster"] == f"outbound|9090||{HOST}"


def test_service_is_known_by_its_dns_names() -> None:
    assert host_of(OBJECTS).domains == (HOST, "myapp.shop.svc", "myapp.shop")


def test_external_host_is_known_by_its_own_name() -> None:
    objects = replace(
        OBJECTS, virtual_services=(virtual_service({"route": [to()]}, hosts=("shop.example.com",)),)
    )
    assert host_of(objects, "shop.example.com").domains == ("shop.example.com",)


def test_dotted_host_that_is_also_a_services_short_name_stands_for_itself_once() -> None:
    objects = replace(OBJECTS, virtual_services=(virtual_service(split(1, 1), hosts=("myapp.shop",)),))
    assert host_of(objects).domains == (HOST, "myapp.shop.svc")
    assert host_of(objects, "myapp.shop").domains == ("myapp.shop",)


def test_wildcard_host_covers_services_that_no_virtual_service_names() -> None:
    wild = virtual_service({"route": [to(subset="stable")]}, name="wild", hosts=("*.shop.svc.cluster.local",))
    objects = replace(OBJECTS, virtual_services=(wild,))
    assert host_of(objects).routes[0]["route"]["cluster"] == f"outbound|80|stable|{HOST}"


def test_routes_keep_their_order_and_every_match_block_is_one_route() -> None:
    blocks = [{"uri": {"exact": "/a"}}, {"uri": {"prefix": "/b"}}]
    matches = [route["match"] for route in routes({"match": blocks, **split(1, 1)}, split(9, 1))]
    assert matches == [{"path": "/a"}, {"prefix": "/b"}, {"prefix": "/"}]


@pytest.mark.parametrize(
    ("block", "match"),
    [
        ({"uri": {"regex": "/v[12]/.*"}}, {"safe_regex": {"regex": "/v[12]/.*"}}),
        ({"uri": {"exact": "/A"}, "ignoreUriCase": True}, {"path": "/A", "case_sensitive": False}),
        (
            {"method": {"exact": "GET"}},
            {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
        ),
        (
            {"headers": {"x-user": {"exact": "tester"}}},
            {"prefix": "/", "headers": [{"name": "x-user", "string_match": {"exact": "tester"}}]},
        ),
        (
            {"headers": {"x-user": {"prefix": "t"}}},
            {"prefix": "/", "headers": [{"name": "x-user", "string_match": {"prefix": "t"}}]},
        ),
        (
            {"headers": {"cookie": {"regex": ".*beta.*"}}},
            {
                "prefix": "/",
                "headers": [{"name": "cookie", "string_match": {"safe_regex": {"regex": ".*beta.*"}}}],
            },
        ),
        (
            {"headers": {"x-user": {}}},
            {"prefix": "/", "headers": [{"name": "x-user", "present_match": True}]},
        ),
        (
            {"withoutHeaders": {"x-user": {}}},
            {"prefix": "/", "headers": [{"name": "x-user", "present_match": True, "invert_match": True}]},
        ),
        (
            {"queryParams": {"beta": {"exact": "1"}}},
            {"prefix": "/", "query_parameters": [{"name": "beta", "string_match": {"exact": "1"}}]},
        ),
    ],
)
def test_match_block(block: Json, match: Json) -> None:
    assert routes({"match": [block], **split(1, 1)})[0]["match"] == match


@pytest.mark.parametrize(
    "block", [{"gateways": ["gw"]}, {"sourceLabels": {"app": "web"}}, {"sourceNamespace": "other"}]
)
def test_match_block_for_other_clients_is_left_out(block: Json) -> None:
    assert len(routes({"match": [block], **split(1, 1)}, split(9, 1))) == 1


def test_timeout_and_retries() -> None:
    retries = {"attempts": 3, "perTryTimeout": "500ms", "retryOn": "gateway-error,503"}
    (action,) = actions({**split(1, 1), "timeout": "1m1.5s", "retries": retries})
    assert action["timeout"] == "61.5s"
    policy = action["retry_policy"]
    assert (policy["num_retries"], policy["per_try_timeout"]) == (3, "0.5s")
    assert (policy["retry_on"], policy["retriable_status_codes"]) == (
        "gateway-error,retriable-status-codes",
        [503],
    )


def test_retries_are_istios_default_when_not_given_and_none_when_0() -> None:
    (action,) = actions(split(1, 1))
    assert action["timeout"] == "0s"
    assert action["retry_policy"]["num_retries"] == 2
    # The application's own errors reach the client, as in Istio.
    assert "5xx" not in action["retry_policy"]["retry_on"]
    assert "retry_policy" not in actions({**split(1, 1), "retries": {"attempts": 0}})[0]


def test_virtual_service_for_gateways_only_or_without_http_is_passed_over_in_silence() -> None:
    for other in (virtual_service(split(0, 1), gateways=["gw"]), virtual_service(tcp=[{}])):
        mesh = translate(replace(OBJECTS, virtual_services=(other,)))
        assert (mesh.problems, mesh.versions) == ((), {})
        assert mesh.virtual_hosts == translate(OBJECTS).virtual_hosts


def test_versions_in_force_are_remembered() -> None:
    assert translate(replace(OBJECTS, virtual_services=(virtual_service(split(1, 1)),))).versions == {
        "shop/myapp": "7"
    }


@pytest.mark.parametrize(
    ("http", "message"),
    [
        ({"route": []}, "spec.http[0].route: at least one destination is needed"),
        (split(0, 0), "spec.http[0].route: the weights of 2 destinations are all 0"),
        (split(-1, 101), "spec.http[0].route[0]: weight -1 must be an integer of at least 0"),
        ({"route": [{"destination": {}}]}, "spec.http[0].route[0].destination.host: a host name is needed"),
        ({"match": [{"uri": {"regex": "("}}], **split(1, 1)}, "spec.http[0].match[0].uri.regex: '('"),
        ({"match": [{"uri": {"regex": "a(?=b)"}}], **split(1, 1)}, "RE2 does not know"),
        ({"match": [{"uri": {"exact": "/a", "prefix": "/"}}], **split(1, 1)}, "exactly one of"),
        ({"match": [{"url": {"exact": "/a"}}], **split(1, 1)}, "spec.http[0].match[0]: unknown field 'url'"),
        ({"match": [{"headers": {"a b": {}}}], **split(1, 1)}, "'a b' is not a header name"),
        ({**split(1, 1), "timeout": "5"}, "spec.http[0].timeout: '5' is not a duration"),
        (
            {**split(1, 1), "retries": {"attempts": -1}},
            "spec.http[0].retries.attempts: -1 must be an integer from 0 to 1000",
        ),
        (
            {"redirect": {"uri": "/b"}},
            "spec.http[0].redirect: the sandbox reproduces only routes with destinations",
        ),
    ],
)
def test_invalid_virtual_service_is_ignored_with_its_reason_and_the_others_stay(
    http: Json, message: str
) -> None:
    good = virtual_service({"route": [to(subset="stable")]}, name="good", hosts=("other.example.com",))
    objects = replace(OBJECTS, virtual_services=(virtual_service(http), good))
    mesh = translate(objects)
    (found,) = mesh.problems
    assert found.virtual_service == "shop/myapp"
    assert message in found.message
    assert mesh.versions == {"shop/good": "7"}
    assert host_of(objects).routes == host_of(OBJECTS).routes
    assert host_of(objects, "other.example.com").routes[0]["route"]["cluster"] == f"outbound|80|stable|{HOST}"


def test_second_virtual_service_for_a_host_yields_to_the_older() -> None:
    old = virtual_service(split(1, 1), name="z-old")
    old["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    young = virtual_service(split(0, 1), name="a-young")
    young["metadata"]["creationTimestamp"] = "2026-02-01T00:00:00Z"
    assert problem(young, old) == f"shop/a-young: ignored for {HOST}: an older VirtualService has this host"


def test_what_is_not_reproduced_is_named_and_the_route_still_works() -> None:
    assert (
        problem(virtual_service({**split(1, 1), "fault": {}}))
        == "shop/myapp: spec.http[0].fault is not reproduced"
    )


def test_order_of_the_objects_does_not_matter() -> None:
    objects = replace(
        OBJECTS, services=(service(), service("other")), virtual_services=(virtual_service(split(1, 1)),)
    )
    turned = MeshObjects(
        objects.services[::-1], objects.pods[::-1], objects.destination_rules, objects.virtual_services
    )
    assert translate(turned).virtual_hosts == translate(objects).virtual_hosts
    assert [item.name for item in translate(turned).clusters] == [
        item.name for item in translate(objects).clusters
    ]


@pytest.mark.parametrize("path", places(FULL["spec"]), ids=lambda path: ".".join(map(str, path)))
def test_nonsense_anywhere_in_a_virtual_service_does_no_harm_to_the_others(
    path: tuple[str | int, ...],
) -> None:
    good = virtual_service({"route": [to(subset="stable")]}, name="good", hosts=("other.example.com",))
    for nonsense in NONSENSE:
        objects = replace(OBJECTS, virtual_services=(with_nonsense(path, nonsense), good))
        assert "shop/good" in translate(objects).versions
        assert (
            host_of(objects, "other.example.com").routes[0]["route"]["cluster"]
            == f"outbound|80|stable|{HOST}"
        )

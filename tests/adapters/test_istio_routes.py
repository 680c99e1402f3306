"""Which routes are the pair's, in every shape that VirtualServices come in."""

from dataclasses import replace
from typing import Any

import pytest

from canary.adapters.istio.destination_rules import Arm, Target
from canary.adapters.istio.hosts import fqdn, host_matches
from canary.domain.errors import Problem
from canary.domain.plan import RouteRef
from canary.domain.weight import Split
from tests.adapters.istio_objects import (
    HOST,
    destination_rule,
    found,
    leg,
    neighbourhood,
    pair,
    service,
    split,
    virtual_service,
)

SPELLINGS = ["checkout", HOST]
NEAR_MISSES = ["checkout.shop", "checkout.shop.svc", HOST + ".", "Checkout"]
"""What DNS finds the Service by, and Istio does not."""


@pytest.mark.parametrize("host", SPELLINGS)
def test_the_short_and_the_full_name_are_the_same_host(host: str) -> None:
    assert fqdn(host, "shop") == HOST


@pytest.mark.parametrize(
    "host", [*NEAR_MISSES, "checkout.other", "checkout.other.svc", "checkout.com", "other", "*", "*.shop"]
)
def test_another_host_is_another_host(host: str) -> None:
    assert fqdn(host, "shop") != HOST


def test_a_short_name_means_the_namespace_of_the_object_that_says_it() -> None:
    assert fqdn("checkout", "other") == "checkout.other.svc.cluster.local"
    assert fqdn("checkout", "shop", "corp.example") == "checkout.shop.svc.corp.example"


def test_wildcards_cover_what_ends_like_them() -> None:
    assert host_matches("*.shop.svc.cluster.local", HOST)
    assert not host_matches("*.other.svc.cluster.local", HOST)


def test_the_plain_pair_is_found_with_its_weights() -> None:
    routes = found(virtual_service(split(90, 10)))
    assert [(route.virtual_service, route.index, route.split) for route in routes.routes] == [
        ("checkout", 0, Split(90, 10))
    ]
    assert (routes.stable_host, routes.canary_host, routes.problems) == (HOST, HOST, ())
    assert routes.versions == {"checkout": "7"}


@pytest.mark.parametrize("host", SPELLINGS)
def test_the_pair_is_found_under_both_spellings(host: str) -> None:
    assert len(found(virtual_service(split(host=host))).routes) == 1


@pytest.mark.parametrize("host", NEAR_MISSES)
def test_a_host_that_istio_does_not_complete_is_a_problem_that_names_the_right_one(host: str) -> None:
    routes = found(virtual_service(split(host=host), hosts=["elsewhere"]))
    assert routes.routes == ()
    assert [str(problem) for problem in routes.problems] == [
        f"checkout http[0]: found destination host {host}, which Istio takes to the letter: no Service has "
        f"that name, and requests get 503; write {HOST}"
    ]


def test_a_host_of_the_same_name_in_another_namespace_is_not_ours() -> None:
    routes = found(virtual_service(split(host="checkout.other.svc.cluster.local"), hosts=["elsewhere"]))
    assert routes.routes == ()
    assert "none that sends to" in str(routes.problems[0])


def test_services_of_their_own_tell_the_workloads_apart() -> None:
    around = neighbourhood(
        [service("checkout", track="stable"), service("checkout-canary", track="canary")], []
    )
    routes = found(
        virtual_service([leg("checkout", weight=100), leg("checkout-canary", weight=0)]), around=around
    )
    assert routes.routes[0].split == Split(100, 0)
    assert routes.canary_host == "checkout-canary.shop.svc.cluster.local"


def test_labels_decide_and_not_the_subsets_names() -> None:
    crossed = destination_rule(stable={"track": "canary"}, canary={"track": "stable"})
    routes = found(virtual_service(split(90, 10)), around=neighbourhood(rules=[crossed]))
    assert routes.routes[0].split == Split(stable=10, canary=90)


def test_a_subset_that_contradicts_its_services_selector_has_no_pods() -> None:
    """Both must hold of a pod; Istio answers 503 there, so no weight may go that way."""
    around = neighbourhood(services=[service(app="checkout", track="stable")])
    (problem,) = found(virtual_service(split()), around=around).problems
    assert "sends to stable only" in problem.found


def test_subsets_with_any_name_are_understood() -> None:
    rule = destination_rule(v1={"track": "stable"}, v2={"track": "canary"})
    routes = found(
        virtual_service([leg(subset="v2", weight=5), leg(subset="v1", weight=95)]),
        around=neighbourhood(rules=[rule]),
    )
    assert routes.routes[0].split == Split(95, 5)


def test_of_two_definitions_of_a_subset_the_older_counts_as_it_does_for_istio() -> None:
    older, younger = destination_rule(), destination_rule(canary={"track": "stable"})
    older["metadata"] |= {"name": "b", "creationTimestamp": "2026-03-01T23:59:59Z"}
    younger["metadata"] |= {"name": "a", "creationTimestamp": "2026-03-02T00:00:00Z"}
    routes = found(virtual_service(split(90, 10)), around=neighbourhood(rules=[younger, older]))
    assert (routes.routes[0].split, routes.problems) == (Split(90, 10), ())


def test_a_wildcard_rule_defines_subsets_too() -> None:
    rule = destination_rule("*.shop.svc.cluster.local")
    assert found(virtual_service(split()), around=neighbourhood(rules=[rule])).problems == ()


@pytest.mark.parametrize(
    ("weights", "expected"),
    [((100, None), Split(100, 0)), ((None, 100), Split(0, 100)), ((60, 20), Split(60, 20))],
)
def test_a_missing_weight_beside_others_is_zero(
    weights: tuple[int | None, int | None], expected: Split
) -> None:
    assert found(virtual_service(split(*weights))).routes[0].split == expected


@pytest.mark.parametrize("weights", [(0, 0), (None, None)])
def test_weights_that_are_all_zero_are_a_problem(weights: tuple[int | None, int | None]) -> None:
    (problem,) = found(virtual_service(split(*weights))).problems
    assert "all zero or missing" in problem.found


def test_a_third_destination_is_left_alone() -> None:
    routes = found(virtual_service([*split(60, 20), leg("legacy", weight=20)]))
    assert routes.routes[0].split == Split(60, 20)


def test_a_route_whose_weight_is_all_elsewhere_is_left_out() -> None:
    routes = found(virtual_service([*split(0, 0), leg("legacy", weight=100)], split()))
    assert len(routes.routes) == 1
    assert routes.left_out == ("checkout http[0]: gives all its weight to other destinations",)


def test_every_route_of_every_virtual_service_is_found() -> None:
    header = {
        "name": "testers",
        "match": [{"headers": {"x": {"exact": "1"}}}],
        "route": [leg(subset="canary")],
    }
    mesh = virtual_service(header, split(90, 10), {"name": "api", "route": split(90, 10)}, name="mesh")
    gateway = virtual_service(split(90, 10), name="gateway", gateways=["gw"], hosts=["shop.example"])
    routes = found(mesh, gateway)
    assert [(r.virtual_service, r.index, r.name) for r in routes.routes] == [
        ("gateway", 0, "http[0]"),
        ("mesh", 1, "http[1]"),
        ("mesh", 2, "api"),
    ]
    assert routes.left_out == ("mesh http[0] (testers): sends to the canary only",)
    assert routes.problems == ()


@pytest.mark.parametrize(
    ("route", "phrase"),
    [
        ({"route": [leg(subset="stable")]}, "sends to stable only"),
        ({"route": [leg()]}, "sends to both workloads through " + HOST),
        ({"route": [leg("legacy")]}, "sends to neither workload"),
        ({"delegate": {"name": "inner"}}, "delegates to VirtualService inner"),
        ({"redirect": {"uri": "/"}}, "sends to neither workload"),
        ({"route": [leg("legacy")], "mirror": {"host": "checkout", "subset": "canary"}}, "mirrors to"),
        (
            {"route": [leg("x")], "mirrors": [{"destination": {"host": "checkout", "subset": "canary"}}]},
            "mirrors",
        ),
    ],
)
def test_what_is_left_out_is_said(route: dict[str, Any], phrase: str) -> None:
    routes = found(virtual_service(route, split()))
    assert any(phrase in item for item in routes.left_out)
    assert len(routes.routes) == 1
    assert routes.problems == ()


def test_tls_and_tcp_routes_are_said_to_be_left_out() -> None:
    tls = [{"match": [{"sniHosts": ["x"]}], "route": split()}]
    routes = found(virtual_service(split(), tls=tls, tcp=[{"route": [leg("legacy")]}]))
    assert routes.left_out == (
        "checkout tls[0]: sends to canary and stable; only weights of http routes are changed",
        "checkout tcp[0]: sends to neither workload; only weights of http routes are changed",
    )


def test_virtual_services_of_other_services_are_not_mentioned() -> None:
    other = virtual_service([leg("cart")], name="cart", hosts=["cart"])
    routes = found(virtual_service(split()), other)
    assert (routes.left_out, set(routes.versions)) == ((), {"checkout"})


def test_a_destination_that_selects_both_beside_one_of_them_is_a_problem() -> None:
    (problem,) = found(virtual_service([leg(weight=90), leg(subset="canary", weight=10)])).problems
    assert "selects the pods of both workloads" in problem.found
    assert problem.where == "checkout http[0]"


def test_two_destinations_for_one_workload_are_a_problem() -> None:
    (problem,) = found(virtual_service([*split(50, 0), leg(subset="stable", weight=50)])).problems
    assert "several destinations that send to stable" in problem.found


def test_a_subset_that_no_rule_defines_is_a_problem_and_traffic_can_still_be_brought_back() -> None:
    only_stable = neighbourhood(rules=[destination_rule(stable={"track": "stable"})])
    routes = found(virtual_service(split(90, 10)), around=only_stable)
    assert routes.routes[0].split == Split(90, 10)
    (problem,) = routes.problems
    assert "subset canary" in problem.found
    assert "DestinationRule" in problem.remedy


def test_a_deleted_subset_is_remembered_whatever_its_name() -> None:
    rule = destination_rule(v1={"track": "stable"})
    remembered = {Target(HOST, "v2"): Arm.CANARY}
    vs = virtual_service([leg(subset="v1", weight=90), leg(subset="v2", weight=10)])
    routes = found(vs, around=neighbourhood(rules=[rule]), of=pair(remembered=remembered))
    assert routes.routes[0].split == Split(90, 10)
    assert len(routes.problems) == 1


@pytest.mark.parametrize("labels", [{"track": "canry"}, {}])
def test_a_subset_whose_labels_pick_the_canary_no_more_is_a_problem_and_traffic_can_be_brought_back(
    labels: dict[str, str],
) -> None:
    around = neighbourhood(rules=[destination_rule(stable={"track": "stable"}, canary=labels)])
    before = pair(remembered={Target(HOST, "stable"): Arm.STABLE, Target(HOST, "canary"): Arm.CANARY})
    routes = found(virtual_service(split(90, 10)), around=around, of=before)
    assert [route.split for route in routes.routes] == [Split(90, 10)]
    (problem,) = routes.problems
    assert "subset canary, whose labels are no longer those of the pods of checkout-canary" in problem.found


def test_a_subset_of_the_service_that_has_no_pods_is_named() -> None:
    around = neighbourhood(rules=[destination_rule(stable={"track": "stable"}, canary={"track": "canry"})])
    (problem,) = found(virtual_service(split()), around=around).problems
    assert f"sends to stable only, and {HOST} subset canary selects the pods of neither" in problem.found


def test_a_deleted_canary_workload_does_not_hide_its_route() -> None:
    assert found(virtual_service(split(90, 10)), of=pair(canary_labels=None)).routes[0].split == Split(90, 10)


def test_a_deleted_stable_workload_does_not_hide_its_route() -> None:
    assert found(virtual_service(split(90, 10)), of=pair(stable_labels=None)).routes[0].split == Split(90, 10)


def test_names_do_not_reach_into_another_namespace() -> None:
    legs = [
        leg("checkout.other.svc.cluster.local", "stable", 90),
        leg("checkout-canary.other.svc.cluster.local"),
    ]
    assert found(virtual_service(legs), of=pair(canary_labels=None)).routes == ()


def test_nothing_that_sends_to_the_service_is_a_problem_that_names_its_host() -> None:
    (problem,) = found().problems
    assert HOST in problem.found
    assert "checkout-canary" in problem.remedy


def test_no_route_with_the_canary_is_a_problem_that_says_what_there_is() -> None:
    (problem,) = found(virtual_service([leg(subset="stable")])).problems
    assert "no http route with destinations for both" in problem.found
    assert "checkout http[0]: sends to stable only" in problem.found


def test_the_plan_can_restrict_the_routes() -> None:
    vs = virtual_service({"name": "a", "route": split()}, {"name": "b", "route": split()})
    routes = found(vs, virtual_service(split(), name="other"), only=(RouteRef("checkout", "b"),))
    assert [(route.virtual_service, route.name) for route in routes.routes] == [("checkout", "b")]
    assert len([item for item in routes.left_out if "not among canaryctl.dev/virtual-services" in item]) == 2


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        (RouteRef("missing"), "missing, but namespace shop has checkout"),
        (RouteRef("checkout", "api"), "checkout/api, but its named http routes are: main"),
    ],
)
def test_what_the_plan_names_must_exist(ref: RouteRef, words: str) -> None:
    vs = virtual_service({"name": "main", "route": split()})
    routes = found(vs, only=(ref,))
    assert any(words in problem.found for problem in routes.problems)


MESH, GATEWAY = RouteRef("checkout"), RouteRef("gateway", None, "istio-ingress")


def gateway(*http: Any, **spec: Any) -> dict[str, Any]:
    """A gateway's VirtualService in another namespace."""
    known: dict[str, Any] = {"hosts": ["shop.example"], "gateways": ["public"]}
    return virtual_service(*http, name="gateway", namespace="istio-ingress", **(known | spec))


def test_one_of_another_namespace_is_shifted_beside_our_own_under_a_name_that_says_where_it_is() -> None:
    routes = found(virtual_service(split()), gateway(split(70, 30, HOST)), only=(MESH, GATEWAY))
    assert [(route.virtual_service, route.split) for route in routes.routes] == [
        ("checkout", Split(100, 0)),
        ("gateway.istio-ingress", Split(70, 30)),
    ]
    assert set(routes.versions) == {"checkout", "gateway.istio-ingress"}
    assert (routes.problems, routes.withheld, routes.stable_host) == ((), (), HOST)


def test_a_short_host_in_another_namespace_is_another_service() -> None:
    routes = found(virtual_service(split()), gateway(split()), only=(MESH, GATEWAY))
    assert [route.virtual_service for route in routes.routes] == ["checkout"]
    assert routes.left_out == ("gateway.istio-ingress http[0]: sends to neither workload",)


def test_a_name_in_one_namespace_is_not_the_same_name_in_another() -> None:
    own = virtual_service(split(), name="gateway", hosts=["elsewhere"])
    routes = found(own, gateway(split(host=HOST)), only=(GATEWAY,))
    assert [route.virtual_service for route in routes.routes] == ["gateway.istio-ingress"]
    assert routes.left_out == ("gateway http[0]: is not among canaryctl.dev/virtual-services",)
    routes = found(own, gateway(split(host=HOST)), only=(RouteRef("gateway"), GATEWAY))
    assert [route.virtual_service for route in routes.routes] == ["gateway", "gateway.istio-ingress"]


def test_an_own_name_that_looks_like_one_of_another_namespace_is_never_taken_for_it() -> None:
    lookalike = virtual_service(split(50, 50), name="gateway.istio-ingress")
    lookalike["metadata"]["resourceVersion"] = "8"
    routes = found(lookalike, gateway(split(host=HOST)), only=(GATEWAY,))
    assert [(route.virtual_service, route.split) for route in routes.routes] == [
        ("gateway.istio-ingress", Split(100, 0))
    ]
    assert routes.versions == {"gateway.istio-ingress": "7"}


def test_only_the_named_route_of_another_namespaces_is_shifted_and_it_must_exist() -> None:
    vs = gateway({"name": "a", "route": split(host=HOST)}, {"name": "b", "route": split(host=HOST)})
    routes = found(vs, only=(replace(GATEWAY, route="b"),))
    assert [(route.name, route.index) for route in routes.routes] == [("b", 1)]
    (problem,) = found(vs, only=(replace(GATEWAY, route="b"), replace(GATEWAY, route="c"))).problems
    assert problem.found == "gateway.istio-ingress/c, but its named http routes are: a, b"


def test_names_of_other_namespaces_are_not_offered_where_an_own_one_is_missing() -> None:
    only = (RouteRef("missing"), GATEWAY)
    (problem,) = found(virtual_service(split()), gateway(split(host=HOST)), only=only).problems
    assert problem.found == "missing, but namespace shop has checkout"


def test_what_is_withheld_is_a_problem_and_no_proof_that_there_is_no_route() -> None:
    withheld = (Problem("annotation", "gateway.istio-ingress, which is not shared", "have it shared"),)
    routes = found(only=(GATEWAY,), withheld=withheld)
    assert (routes.problems, routes.withheld, routes.faults, routes.absent) == (withheld, withheld, (), False)
    routes = found(virtual_service(split(90, 10)), only=(MESH, GATEWAY), withheld=withheld)
    assert [route.split for route in routes.routes] == [Split(90, 10)]
    assert routes.problems == withheld


def test_an_ambient_namespace_is_refused_for_another_namespaces_route_in_the_mesh_too() -> None:
    ambient = replace(neighbourhood(), is_ambient=True)
    vs = gateway(split(host=HOST), gateways=["mesh", "public"])
    (problem,) = found(vs, around=ambient, only=(GATEWAY,)).problems
    assert problem.where == "VirtualService gateway.istio-ingress"


def test_different_hosts_for_one_pair_are_a_problem() -> None:
    services = [service(), service("checkout-canary", track="canary")]
    vs = virtual_service(split(), [leg(subset="stable", weight=100), leg("checkout-canary", weight=0)])
    (problem,) = found(vs, around=neighbourhood(services)).problems
    assert "different hosts" in problem.found


def test_ambient_mode_is_refused_for_the_mesh_and_fine_behind_a_gateway() -> None:
    ambient = replace(neighbourhood(), is_ambient=True)
    (problem,) = found(virtual_service(split()), around=ambient).problems
    assert "ambient" in problem.found
    assert found(virtual_service(split(), gateways=["gw"]), around=ambient).problems == ()
    waypoint = replace(neighbourhood(), waypoints=frozenset({HOST}))
    assert len(found(virtual_service(split(), gateways=["mesh", "gw"]), around=waypoint).problems) == 1

"""What a tenant can name: workloads of its own namespace, and VirtualServices there and elsewhere."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canary.domain.annotations import PREFIX, parse_plan
from canary.domain.errors import InvalidPlan
from canary.domain.plan import RouteRef, ServiceKey

KEY = ServiceKey("shop", "checkout")
labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)


def references(text: str) -> tuple[RouteRef, ...]:
    plan = parse_plan(KEY, {PREFIX + "enabled": "true", PREFIX + "virtual-services": text})
    assert plan is not None
    return plan.virtual_services


def test_a_name_alone_means_the_services_own_namespace_and_one_with_a_dot_another() -> None:
    assert references("checkout, checkout/main, gateway.istio-ingress, gateway.istio-ingress/main") == (
        RouteRef("checkout"),
        RouteRef("checkout", "main"),
        RouteRef("gateway", None, "istio-ingress"),
        RouteRef("gateway", "main", "istio-ingress"),
    )


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("checkout.shop", "checkout"),
        ("checkout.shop/main", "checkout/main"),
        ("checkout.shop,gateway.shop/x", "checkout,gateway/x"),
        ("checkout,checkout.shop", "checkout"),
    ],
)
def test_the_own_namespace_written_out_is_the_same_plan(long: str, short: str) -> None:
    assert references(long) == references(short)


@given(st.lists(st.builds(RouteRef, labels, st.none() | labels, st.none() | labels), min_size=1, max_size=5))
def test_a_reference_is_written_as_it_is_read(wanted: list[RouteRef]) -> None:
    distinct = dict.fromkeys(wanted)
    elsewhere = tuple(item for item in distinct if item.namespace != KEY.namespace)
    read = references(",".join(str(item) for item in distinct))
    assert tuple(item for item in read if item in elsewhere) == elsewhere
    assert all(item.namespace != KEY.namespace for item in read)


@given(st.text("ab./,-*A ", max_size=12))
@example("../../a")
@example("a.b.c/d")
def test_whatever_is_written_every_name_that_is_read_is_one_name_and_no_path(text: str) -> None:
    try:
        read = references(text)
    except InvalidPlan:
        return
    for item in read:
        for name in (item.virtual_service, item.namespace, item.route):
            assert name is None or (name and not set(name) & set("./,* "))


@pytest.mark.parametrize("name", ["stable", "canary"])
@pytest.mark.parametrize("text", ["other/checkout", "../other/checkout"])
def test_a_workload_of_another_namespace_is_refused(name: str, text: str) -> None:
    with pytest.raises(InvalidPlan) as refused:
        parse_plan(KEY, {PREFIX + "enabled": "true", PREFIX + name: text})
    (problem,) = refused.value.problems
    assert problem.where == PREFIX + name
    assert "only workloads of the service's own namespace" in problem.remedy

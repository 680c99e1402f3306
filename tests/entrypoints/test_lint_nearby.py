"""Linting asks only the VirtualServices that may concern a service, and finds what asking all would find."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.adapters.decoding import convert
from canary.adapters.istio.destination_rules import Pair, neighbourhood_of
from canary.adapters.istio.hosts import DEFAULT_CLUSTER_DOMAIN, service_host
from canary.adapters.istio.objects import DestinationRule, Service, VirtualService
from canary.adapters.istio.routes import RouteFinder
from canary.entrypoints.linting import Installation, lint
from canary.entrypoints.linting_nearby import nearby_of
from canary.entrypoints.manifests import read_manifests
from tests.entrypoints.test_lint import GOOD
from tests.entrypoints.test_lint_routes import CHECKOUT

NAMES = st.sampled_from(["a", "b", "c", "a-canary"])
HOSTS = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "a-canary",
        "*",
        "*.shop.svc.cluster.local",
        "a.shop",
        "a.shop.svc.cluster.local",
        "a.pay",
    ]
)
LABELS = st.dictionaries(st.sampled_from(["app", "track"]), st.sampled_from(["a", "b"]), max_size=2)
SUBSETS = st.sampled_from(["", "", "stable", "canary", "a"])
LEGS = st.lists(
    st.fixed_dictionaries(
        {
            "destination": st.fixed_dictionaries({"host": HOSTS, "subset": SUBSETS}),
            "weight": st.sampled_from([0, 50]),
        }
    ),
    max_size=2,
)
ROUTES = st.lists(st.fixed_dictionaries({"route": LEGS}), max_size=2)
VIRTUAL_SERVICES = st.lists(
    st.fixed_dictionaries({"hosts": st.lists(HOSTS, max_size=1), "http": ROUTES, "tcp": ROUTES}), max_size=4
)


def named(kind: Any, specs: Any) -> list[Any]:
    metadata = {"namespace": "shop"}
    return [convert({"metadata": {"name": name, **metadata}, "spec": spec}, kind) for name, spec in specs]


@given(
    VIRTUAL_SERVICES,
    st.dictionaries(NAMES, st.fixed_dictionaries({"selector": LABELS})),
    st.dictionaries(HOSTS, st.dictionaries(st.sampled_from(["stable", "canary"]), LABELS), max_size=2),
    LABELS,
    LABELS,
)
def test_what_is_left_out_would_change_nothing(
    routes: list[Any], services: Any, rules: Any, stable: Any, canary: Any
) -> None:
    written = [
        {"host": host, "subsets": [{"name": name, "labels": labels} for name, labels in subsets.items()]}
        for host, subsets in rules.items()
    ]
    around = neighbourhood_of(
        "shop",
        named(Service, services.items()),
        named(DestinationRule, [(str(number), rule) for number, rule in enumerate(written)]),
    )
    virtual_services = named(VirtualService, [(str(number), spec) for number, spec in enumerate(routes)])
    hosts = [service_host(name, "shop") for name in ("a", "a", "a-canary")]
    pair = Pair("a", "a-canary", *hosts, stable, canary)
    finder = RouteFinder("shop", pair, around)
    chosen = nearby_of(virtual_services, around, DEFAULT_CLUSTER_DOMAIN).around(pair)
    assert finder.find(chosen) == finder.find(virtual_services)


def calls_in(work: Callable[[], object]) -> int:
    """How many functions of Python ``work`` calls: its cost, without a clock."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(("text", "names"), [(GOOD, ("checkout", "standard")), (CHECKOUT, ("checkout",))])
def test_twice_as_much_costs_twice_as_much(text: str, names: tuple[str, ...]) -> None:
    def cost(count: int) -> int:
        copies = [text] * count
        for name in names:
            copies = [copy.replace(name, f"{name}{number}") for number, copy in enumerate(copies)]
        manifests = tuple(read_manifests("---\n".join(copies), "x.yaml", "shop"))
        return calls_in(lambda: lint(manifests, Installation()))

    cost(1)
    assert cost(80) < 2.2 * cost(40)

"""The sample of a gateway's VirtualService is right: shared, found, and named as its own text tells."""

import re
from typing import Any

import msgspec
import yaml

from canary.adapters.istio.objects import Home, VirtualService
from canary.adapters.istio.patches import patches_for
from canary.adapters.istio.routes import RouteFinder
from canary.domain.annotations import parse_plan
from canary.domain.consent import shared_with
from canary.domain.observation import Routes
from canary.domain.plan import Plan
from canary.domain.weight import Split
from tests.chart.rendering import ROOT
from tests.chart.test_samples import KEY, neighbourhood, of, pair

Json = dict[str, Any]
FILE = ROOT / "config" / "samples" / "gateway.yaml"


def sample() -> VirtualService:
    return msgspec.convert(yaml.safe_load(FILE.read_text()), VirtualService)


def plan() -> Plan:
    """The checkout sample's, after the command in the gateway sample's text."""
    named = re.search(r"^#     canaryctl\.dev/virtual-services=(\S+)$", FILE.read_text(), re.MULTILINE)
    assert named is not None
    annotations = of("Service")["metadata"]["annotations"]
    found = parse_plan(KEY, annotations | {"canaryctl.dev/virtual-services": named[1]})
    assert found is not None
    return found


def routes() -> Routes:
    own = msgspec.convert(of("VirtualService"), VirtualService)
    return RouteFinder(KEY.namespace, pair(), neighbourhood(), plan().virtual_services).find([own, sample()])


def test_sample_is_shared_with_the_services_namespace_and_no_other() -> None:
    assert shared_with(sample().metadata.annotations, KEY.namespace)
    assert not shared_with(sample().metadata.annotations, "pay")


def test_both_samples_are_found_at_rest_without_problems() -> None:
    found = routes()
    assert found.problems == ()
    assert [(route.virtual_service, route.name, route.split) for route in found.routes] == [
        ("checkout", "main", Split(100, 0)),
        ("shop.istio-ingress", "checkout", Split(100, 0)),
    ]


def test_a_step_is_written_to_each_in_its_own_namespace() -> None:
    assert set(patches_for(routes(), 10)) == {Home("shop", "checkout"), Home("istio-ingress", "shop")}

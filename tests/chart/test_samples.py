"""The samples are right: their plan parses, routes are found, GitOps leaves alone what Canary writes."""

from typing import Any

import kubernetes_validate
import msgspec
import pytest
import yaml

from canary.adapters.istio.destination_rules import Neighbourhood, Pair, neighbourhood_of
from canary.adapters.istio.hosts import service_host
from canary.adapters.istio.objects import DestinationRule, Service, VirtualService
from canary.adapters.istio.patches import patch_for
from canary.adapters.istio.routes import PairRoute, RouteFinder
from canary.adapters.kube.workloads import PROMOTED
from canary.domain.annotations import parse_plan
from canary.domain.observation import Routes
from canary.domain.plan import Plan, ServiceKey
from canary.domain.weight import Split
from tests.chart.rendering import ROOT

Json = dict[str, Any]
KEY = ServiceKey("shop", "checkout")
ISTIO = {"DestinationRule", "VirtualService"}


def sample() -> list[Json]:
    return list(yaml.safe_load_all((ROOT / "config" / "samples" / "checkout.yaml").read_text()))


def of(kind: str, name: str = "checkout") -> Json:
    found = [item for item in sample() if item["kind"] == kind and item["metadata"]["name"] == name]
    assert len(found) == 1
    return found[0]


def plan() -> Plan:
    found = parse_plan(KEY, of("Service")["metadata"]["annotations"])
    assert found is not None
    return found


def pod_labels(name: str) -> dict[str, str]:
    labels: dict[str, str] = of("Deployment", name)["spec"]["template"]["metadata"]["labels"]
    return labels


def neighbourhood() -> Neighbourhood:
    services = [msgspec.convert(of("Service"), Service)]
    rules = [msgspec.convert(of("DestinationRule"), DestinationRule)]
    return neighbourhood_of(KEY.namespace, services, rules)


def pair() -> Pair:
    return Pair(
        stable=plan().stable,
        canary=plan().canary,
        service_host=service_host(KEY.name, KEY.namespace),
        stable_host=service_host(plan().stable, KEY.namespace),
        canary_host=service_host(plan().canary, KEY.namespace),
        stable_labels=pod_labels(plan().stable),
        canary_labels=pod_labels(plan().canary),
    )


def routes() -> Routes:
    finder = RouteFinder(KEY.namespace, pair(), neighbourhood())
    return finder.find([msgspec.convert(of("VirtualService"), VirtualService)])


def test_sample_is_what_kubernetes_defines() -> None:
    for item in sample():
        if item["kind"] not in ISTIO:
            kubernetes_validate.validate(item, kubernetes_validate.latest_version(), strict=True)


def test_samples_annotations_are_a_plan() -> None:
    assert (plan().stable, plan().canary) == ("checkout", "checkout-canary")
    assert [step.weight for step in plan().steps] == [10, 50, 100]
    assert len(plan().objectives) == 2


def test_samples_pair_is_found_without_problems_and_at_rest() -> None:
    found = routes()
    assert found.problems == ()
    assert [(route.virtual_service, route.index, route.split) for route in found.routes] == [
        ("checkout", 1, Split(100, 0))
    ]
    assert any("testers" in words for words in found.left_out)


def test_nothing_is_released_by_applying_the_sample() -> None:
    images = {
        name: of("Deployment", name)["spec"]["template"]["spec"] for name in ("checkout", "checkout-canary")
    }
    assert images["checkout"] == images["checkout-canary"]


@pytest.fixture
def written() -> list[Json]:
    """The operations of a shift of the sample's weights."""
    pairs = [route for route in routes().routes if isinstance(route, PairRoute)]
    operations: list[Json] = patch_for(pairs, "7", 10)
    return [item for item in operations if item["op"] != "test"]


def gitops(name: str) -> Json:
    found: Json = yaml.safe_load((ROOT / "config" / "gitops" / name).read_text())
    return found


def test_argo_cd_leaves_alone_every_path_that_canary_writes(written: list[Json]) -> None:
    spec = gitops("argocd-application.yaml")["spec"]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
    ignored = {(item["kind"], item["name"]): item for item in spec["ignoreDifferences"]}
    assert ignored["VirtualService", "checkout"]["jqPathExpressions"] == [".spec.http[].route[].weight"]
    for operation in written:
        parts = operation["path"].strip("/").split("/")
        assert [part for part in parts if not part.isdigit()] == ["spec", "http", "route", "weight"]
    pointer = "/metadata/annotations/" + PROMOTED.replace("/", "~1")
    assert ignored["Deployment", "checkout"]["jsonPointers"] == ["/spec/template", pointer]
    # The canary's image stays Git's: that is how a release begins.
    assert ignored["Deployment", "checkout-canary"]["jsonPointers"] == ["/spec/replicas"]


def test_flux_leaves_alone_every_object_that_canary_writes() -> None:
    patches = {
        (item["target"]["kind"], item["target"]["name"]): yaml.safe_load(item["patch"])
        for item in gitops("flux-kustomization.yaml")["spec"]["patches"]
    }
    once = {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}
    assert patches["VirtualService", "checkout"]["metadata"]["annotations"] == once
    assert patches["Deployment", "checkout"]["metadata"]["annotations"] == once
    assert patches["Deployment", "checkout-canary"]["spec"] == {"replicas": None}
    for (kind, name), patch in patches.items():
        original = of(kind, name)
        assert patch["apiVersion"] == original["apiVersion"]
        assert patch["metadata"]["name"] == name

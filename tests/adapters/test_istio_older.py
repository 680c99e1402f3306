"""An Istio that serves no v1 yet: its version is asked for, and everything goes by it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from canary.adapters.istio.versions import GROUP, IstioVersion
from canary.adapters.istio.virtual_services import IstioRoutes
from canary.app.errors import NotFound
from canary.domain.weight import Split
from tests.adapters.conftest import Cluster, Json, eventually
from tests.adapters.istio_objects import destination_rule, service, split, virtual_service
from tests.adapters.kube_workloads import PLAN, key_of, make_pair

KINDS = ("virtualservices", "destinationrules")
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def serve(kube: Cluster, name: str, unserved: frozenset[str]) -> None:
    """Serve all versions of one of Istio's kinds but these."""
    path = f"{DEFINITIONS}/{name}.{GROUP}"
    definition = kube.transport.get(path, Json)
    for version in definition["spec"]["versions"]:
        version["served"] = version["name"] not in unserved
    kube.transport.request("PUT", path, body=definition)


def answers(kube: Cluster, version: str) -> bool:
    try:
        return kube.transport.served_resources(GROUP, version) >= set(KINDS)
    except NotFound:
        return False


@contextmanager
def serving_only(kube: Cluster, version: str) -> Iterator[None]:
    """Serve Istio's kinds in one version meanwhile."""
    others = frozenset({"v1", "v1beta1", "v1alpha3"} - {version})
    for name in KINDS:
        serve(kube, name, others)
    try:
        for other in others:
            eventually(lambda other=other: not answers(kube, other))  # type: ignore[misc]
        yield
    finally:
        for name in KINDS:
            serve(kube, name, frozenset())
        eventually(lambda: answers(kube, "v1"))


@pytest.mark.parametrize("version", ["v1beta1", "v1alpha3"])
def test_routes_are_read_and_shifted_where_only_an_older_version_is_served(
    kube: Cluster, version: str
) -> None:
    group = f"{GROUP}/{version}"
    with serving_only(kube, version):
        make_pair(kube)
        kube.create("v1/services", service() | {"metadata": {"name": "checkout"}})
        for kind, body in zip(KINDS, (virtual_service(split(100, None)), destination_rule()), strict=True):
            metadata = {"name": body["metadata"]["name"], "namespace": kube.namespace}
            kube.create(f"{group}/{kind}", body | {"apiVersion": group, "metadata": metadata})
        table = IstioRoutes(kube.transport, kube.clock)
        mark = kube.mark
        table.shift(key_of(kube), table.read(key_of(kube), PLAN), 30)
        assert table.read(key_of(kube), PLAN).routes[0].split == Split(70, 30)
        assert {item.split("/")[3] for item in kube.written_since(mark)} == {version}
        route = kube.get(f"{group}/virtualservices", "checkout")["spec"]["http"][0]["route"]
        assert [leg["weight"] for leg in route] == [70, 30]
    assert IstioVersion(kube.transport, kube.clock).get() == f"{GROUP}/v1"

"""VirtualServices of other namespaces on a real server: untouched unless shared, then shifted with ours."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from canary.adapters.istio.virtual_services import IstioRoutes
from canary.adapters.kube.transport import MERGE_PATCH
from canary.app.errors import ConflictError, Retryable, TerminalError
from canary.domain.errors import Problem
from canary.domain.observation import Routes
from canary.domain.plan import Plan, RouteRef
from canary.domain.weight import Split
from canary.sandbox.apiserver import Fault, SeenRequest
from tests.adapters.conftest import Cluster, Json
from tests.adapters.istio_objects import destination_rule, service, split, virtual_service
from tests.adapters.kube_workloads import PLAN, key_of, make_pair

Install = Callable[[Callable[[SeenRequest], Fault | None]], None]
VS = "networking.istio.io/v1/virtualservices"
DR = "networking.istio.io/v1/destinationrules"
SHARED_WITH = "canaryctl.dev/shared-with"


@dataclass
class Mesh:
    """A mesh VirtualService in the service's namespace and a gateway's in another."""

    kube: Cluster
    gateways: str
    """The other namespace."""
    table: IstioRoutes

    @property
    def plan(self) -> Plan:
        return replace(
            PLAN, virtual_services=(RouteRef("checkout"), RouteRef("gateway", None, self.gateways))
        )

    @property
    def gateway_path(self) -> str:
        return f"/apis/networking.istio.io/v1/namespaces/{self.gateways}/virtualservices/gateway"

    def read(self) -> Routes:
        return self.table.read(key_of(self.kube), self.plan)

    def shift(self, routes: Routes, percent: int) -> None:
        self.table.shift(key_of(self.kube), routes, percent)

    def weights(self) -> tuple[int, int]:
        """The canary's, in the mesh and at the gateway."""
        documents = (self.kube.get(VS, "checkout"), self.kube.transport.get(self.gateway_path, Json))
        mesh, gateway = (item["spec"]["http"][0]["route"][1]["weight"] for item in documents)
        return mesh, gateway

    def share(self, value: str | None) -> None:
        body = {"metadata": {"annotations": {SHARED_WITH: value}}}
        self.kube.transport.request("PATCH", self.gateway_path, body=body, content_type=MERGE_PATCH)

    @property
    def refusal(self) -> Problem:
        """All that a tenant is told of what is not shared."""
        namespace = self.kube.namespace
        return Problem(
            "the plan's virtual-services",
            f"gateway.{self.gateways}, which is not shared with namespace {namespace}",
            f"have its owners annotate it canaryctl.dev/shared-with={namespace}",
        )


@pytest.fixture
def mesh(kube: Cluster) -> Mesh:
    """Both at 100/0, and the gateway's shared with the service's namespace."""
    gateways = f"{kube.namespace}-gw"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": gateways}}
    kube.transport.request("POST", "/api/v1/namespaces", body=body)
    made = Mesh(kube, gateways, IstioRoutes(kube.transport, kube.clock))
    make_pair(kube)
    for resource, item in (
        ("v1/services", service()),
        (DR, destination_rule()),
        (VS, virtual_service(split())),
    ):
        kube.create(resource, item | {"metadata": {"name": "checkout"}})
    host = f"checkout.{kube.namespace}.svc.cluster.local"
    at_gateway = virtual_service(split(host=host), gateways=["public"], hosts=["shop.example"])
    annotations = {SHARED_WITH: f"pay,{kube.namespace}"}
    at_gateway["metadata"] = {"name": "gateway", "annotations": annotations}
    kube.transport.request("POST", made.gateway_path.removesuffix("/gateway"), body=at_gateway)
    return made


def named(mesh: Mesh) -> str:
    return f"gateway.{mesh.gateways}"


def test_what_is_shared_is_shifted_together_with_our_own_and_tried_without_effect_first(mesh: Mesh) -> None:
    routes = mesh.read()
    assert (routes.problems, set(routes.versions)) == ((), {"checkout", named(mesh)})
    mark = mesh.kube.mark
    mesh.shift(routes, 25)
    assert mesh.weights() == (25, 25)
    writes = [item for item in list(mesh.kube.server.seam.requests)[mark:] if item.method == "PATCH"]
    assert ["dryRun" in item.query for item in writes] == [True, True, False, False]
    assert [item.path for item in writes][:2] == [item.path for item in writes][2:]
    mesh.shift(mesh.read(), 0)
    assert mesh.weights() == (0, 0)


@pytest.mark.parametrize("denied", ["checkout", "gateway"])
def test_a_denial_of_one_leaves_both_as_they_were(mesh: Mesh, faults: Install, denied: str) -> None:
    routes = mesh.read()
    faults(lambda seen: Fault(status=403) if seen.is_write and seen.path.endswith(f"/{denied}") else None)
    with pytest.raises(TerminalError):
        mesh.shift(routes, 25)
    assert mesh.weights() == (0, 0)


@pytest.mark.parametrize(("denied", "left"), [("checkout", (25, 0)), ("gateway", (0, 25))])
def test_a_denial_of_one_does_not_keep_the_others_traffic_from_returning_to_stable(
    mesh: Mesh, faults: Install, denied: str, left: tuple[int, int]
) -> None:
    mesh.shift(mesh.read(), 25)
    routes = mesh.read()
    faults(lambda seen: Fault(status=403) if seen.is_write and seen.path.endswith(f"/{denied}") else None)
    with pytest.raises(TerminalError):
        mesh.shift(routes, 0)
    assert mesh.weights() == left


def test_of_several_refusals_the_one_that_may_pass_soon_is_raised(mesh: Mesh, faults: Install) -> None:
    mesh.shift(mesh.read(), 25)
    routes = mesh.read()
    statuses = {"checkout": 403, "gateway": 503}
    faults(lambda seen: Fault(status=statuses[seen.path.rpartition("/")[2]]) if seen.is_write else None)
    with pytest.raises(Retryable):
        mesh.shift(routes, 0)


@pytest.mark.parametrize("value", [None, "", "pay", "shop,,pay", "Shop"])
def test_without_consent_nothing_is_read_into_the_plan_and_nothing_written(
    mesh: Mesh, value: str | None
) -> None:
    mesh.share(value)
    routes = mesh.read()
    assert [route.virtual_service for route in routes.routes] == ["checkout"]
    assert set(routes.versions) == {"checkout"}
    assert routes.problems == routes.withheld == (mesh.refusal,)
    mesh.shift(routes, 25)
    assert mesh.weights() == (25, 0)


@pytest.mark.parametrize("missing", ["object", "namespace"])
def test_what_does_not_exist_is_told_in_the_very_words_of_what_is_not_shared(
    mesh: Mesh, missing: str
) -> None:
    mesh.share(None)
    refused = mesh.read()
    if missing == "object":
        mesh.kube.transport.request("DELETE", mesh.gateway_path)
        again = mesh.read()
    else:
        elsewhere = replace(mesh, gateways="no-such-namespace")
        words = mesh.refusal.found.replace(mesh.gateways, "no-such-namespace")
        refused = replace(
            refused,
            problems=(replace(mesh.refusal, found=words),),
            withheld=(replace(mesh.refusal, found=words),),
        )
        again = elsewhere.read()
    assert again == refused


def test_it_is_asked_for_by_name_and_nothing_else_of_the_other_namespace_is(mesh: Mesh) -> None:
    mark = mesh.kube.mark
    mesh.read()
    requests = [
        item for item in list(mesh.kube.server.seam.requests)[mark:] if f"/{mesh.gateways}/" in item.path
    ]
    assert [(item.method, item.path) for item in requests] == [("GET", mesh.gateway_path)]


def test_consent_withdrawn_between_read_and_write_stops_the_write(mesh: Mesh) -> None:
    routes = mesh.read()
    mesh.share(None)
    with pytest.raises(ConflictError):
        mesh.shift(routes, 25)
    assert mesh.weights() == (0, 0)


def test_consent_given_to_all_is_consent(mesh: Mesh) -> None:
    mesh.share("*")
    assert mesh.read().problems == ()


def test_a_missing_permission_is_named_and_our_own_routes_are_still_read(mesh: Mesh, faults: Install) -> None:
    faults(lambda seen: Fault(status=403) if f"/{mesh.gateways}/" in seen.path else None)
    routes = mesh.read()
    (problem,) = routes.withheld
    assert problem.found == (
        f"{named(mesh)}, but this account is not permitted to get virtualservices.networking.istio.io "
        f"in namespace {mesh.gateways}"
    )
    assert "permit it to get and patch" in problem.remedy
    assert [route.split for route in routes.routes] == [Split(100, 0)]


def test_a_server_in_trouble_is_no_withdrawn_consent(mesh: Mesh, faults: Install) -> None:
    faults(lambda seen: Fault(status=503) if f"/{mesh.gateways}/" in seen.path else None)
    with pytest.raises(Retryable):
        mesh.read()


def test_what_is_withheld_does_not_make_every_look_read_the_surroundings_again(mesh: Mesh) -> None:
    mesh.share(None)
    mesh.read()
    mark = mesh.kube.mark
    mesh.read()
    assert mesh.kube.mark - mark == 2


@pytest.mark.parametrize(
    "ref",
    [
        RouteRef("gateway", None, "../namespaces/GATEWAYS"),
        RouteRef("../virtualservices/gateway", None, "GATEWAYS"),
        RouteRef("gateway?x=", None, "GATEWAYS"),
        RouteRef("", None, "GATEWAYS"),
    ],
)
def test_a_plan_edited_by_hand_leads_to_no_other_path(mesh: Mesh, ref: RouteRef) -> None:
    assert ref.namespace is not None
    ref = replace(ref, namespace=ref.namespace.replace("GATEWAYS", mesh.gateways))
    mark = mesh.kube.mark
    routes = mesh.table.read(key_of(mesh.kube), replace(PLAN, virtual_services=(ref,)))
    assert "is not shared with" in routes.withheld[0].found
    paths = [item.path for item in list(mesh.kube.server.seam.requests)[mark:]]
    assert not [path for path in paths if mesh.gateways in path]


def test_the_own_namespace_written_out_in_a_plan_is_our_own(mesh: Mesh) -> None:
    plan = replace(PLAN, virtual_services=(RouteRef("checkout", None, mesh.kube.namespace),))
    routes = mesh.table.read(key_of(mesh.kube), plan)
    assert ([route.virtual_service for route in routes.routes], routes.problems) == (["checkout"], ())

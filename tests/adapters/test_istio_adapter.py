"""Routes on a real server: read live, shifted with guards, never half a step, never another namespace."""

from collections.abc import Callable

import pytest

from canary.adapters.istio.versions import IstioVersion
from canary.adapters.istio.virtual_services import IstioRoutes
from canary.adapters.kube.transport import JSON_PATCH
from canary.app.errors import ConflictError, TerminalError
from canary.domain.observation import Routes
from canary.domain.weight import Split
from canary.sandbox.apiserver import Fault, SeenRequest
from tests.adapters.conftest import Cluster, Json
from tests.adapters.istio_objects import destination_rule, leg, service, split, virtual_service
from tests.adapters.kube_workloads import DEPLOYMENTS, PLAN, key_of, make_pair

Install = Callable[[Callable[[SeenRequest], Fault | None]], None]
VS = "networking.istio.io/v1/virtualservices"
DR = "networking.istio.io/v1/destinationrules"


def put(kube: Cluster, resource: str, body: Json) -> None:
    metadata = {"name": body["metadata"]["name"], "namespace": kube.namespace}
    kube.create(resource, body | {"metadata": metadata})


def set_up(kube: Cluster, *virtual_services: Json) -> IstioRoutes:
    make_pair(kube)
    put(kube, "v1/services", service())
    put(kube, DR, destination_rule())
    for body in virtual_services or (virtual_service(split(100, None)),):
        put(kube, VS, body)
    return IstioRoutes(kube.transport, kube.clock)


def read(kube: Cluster, routes: IstioRoutes) -> Routes:
    return routes.read(key_of(kube), PLAN)


def weights(kube: Cluster, name: str = "checkout", route: int = 0) -> list[int | None]:
    return [item.get("weight") for item in kube.get(VS, name)["spec"]["http"][route]["route"]]


def test_weights_are_shifted_and_read_back(kube: Cluster) -> None:
    table = set_up(kube)
    for percent, expected in ((10, Split(90, 10)), (100, Split(0, 100)), (0, Split(100, 0))):
        table.shift(key_of(kube), read(kube, table), percent)
        assert read(kube, table).routes[0].split == expected


def test_everything_else_in_the_virtual_service_stays(kube: Cluster) -> None:
    route = {
        "name": "main",
        "match": [{"uri": {"prefix": "/"}}],
        "retries": {"attempts": 2, "perTryTimeout": "2s"},
        "timeout": "3s",
        "route": [leg("legacy", weight=20), *split(80, 0)],
    }
    table = set_up(kube, virtual_service(route))
    before = kube.get(VS, "checkout")["spec"]
    table.shift(key_of(kube), read(kube, table), 50)
    after = kube.get(VS, "checkout")["spec"]
    assert [item.pop("weight") for item in after["http"][0]["route"]] == [20, 40, 40]
    assert [item.pop("weight") for item in before["http"][0]["route"]] == [20, 80, 0]
    assert after == before


def test_a_shift_that_changes_nothing_writes_nothing(kube: Cluster) -> None:
    table = set_up(kube)
    routes = read(kube, table)
    mark = kube.mark
    table.shift(key_of(kube), routes, 0)
    assert kube.written_since(mark) == []


def test_a_virtual_service_that_changed_since_is_not_written(kube: Cluster) -> None:
    table = set_up(kube)
    routes = read(kube, table)
    kube.merge(VS, "checkout", {"metadata": {"labels": {"touched": "yes"}}})
    with pytest.raises(ConflictError):
        table.shift(key_of(kube), routes, 10)
    assert weights(kube) == [100, None]


def test_several_virtual_services_move_together(kube: Cluster) -> None:
    table = set_up(kube, virtual_service(split()), virtual_service(split(), name="gateway", gateways=["gw"]))
    table.shift(key_of(kube), read(kube, table), 25)
    assert (weights(kube), weights(kube, "gateway")) == ([75, 25], [75, 25])


def test_a_refusal_of_one_leaves_all_of_them_as_they_were(kube: Cluster, faults: Install) -> None:
    table = set_up(kube, virtual_service(split()), virtual_service(split(), name="gateway", gateways=["gw"]))
    routes = read(kube, table)
    faults(lambda seen: Fault(status=403) if seen.is_write and seen.path.endswith("/gateway") else None)
    with pytest.raises(TerminalError):
        table.shift(key_of(kube), routes, 25)
    assert (weights(kube), weights(kube, "gateway")) == ([100, 0], [100, 0])


def test_what_is_wrong_is_told_and_right_again_at_the_next_look(kube: Cluster) -> None:
    table = set_up(kube)
    assert read(kube, table).problems == ()
    kube.delete(DR, "checkout")
    kube.clock.advance(11)
    (first, _) = read(kube, table).problems
    assert "which no DestinationRule" in first.found
    put(kube, DR, destination_rule())
    assert read(kube, table).problems == ()


def test_traffic_can_be_brought_back_after_the_canary_and_its_subset_were_deleted(kube: Cluster) -> None:
    named = [leg(subset="v1", weight=90), leg(subset="v2", weight=10)]
    make_pair(kube)
    put(kube, "v1/services", service())
    put(kube, DR, destination_rule(v1={"track": "stable"}, v2={"track": "canary"}))
    put(kube, VS, virtual_service(named))
    table = IstioRoutes(kube.transport, kube.clock)
    assert read(kube, table).routes[0].split == Split(90, 10)
    kube.delete(DEPLOYMENTS, "checkout-canary")
    kube.delete(DR, "checkout")
    kube.clock.advance(11)
    table.shift(key_of(kube), read(kube, table), 0)
    assert weights(kube) == [100, 0]


def test_traffic_can_be_brought_back_after_a_slip_in_the_labels_of_the_canarys_subset(kube: Cluster) -> None:
    table = set_up(kube, virtual_service(split(90, 10)))
    assert read(kube, table).problems == ()
    slip = destination_rule(stable={"track": "stable"}, canary={"track": "canry"})
    kube.merge(DR, "checkout", {"spec": slip["spec"]})
    kube.clock.advance(11)
    table.shift(key_of(kube), read(kube, table), 0)
    assert weights(kube) == [100, 0]
    (problem,) = read(kube, table).problems
    assert "subset canary, whose labels are no longer those of the pods of checkout-canary" in problem.found
    kube.merge(DR, "checkout", {"spec": destination_rule()["spec"]})
    assert read(kube, table).problems == ()


def test_a_look_while_nothing_changes_is_one_request(kube: Cluster) -> None:
    table = set_up(kube)
    read(kube, table)
    mark = kube.mark
    read(kube, table)
    assert kube.mark - mark == 1


def test_an_ambient_namespace_is_refused(kube: Cluster) -> None:
    table = set_up(kube)
    labels = {"metadata": {"labels": {"istio.io/dataplane-mode": "ambient"}}}
    kube.transport.request(
        "PATCH",
        f"/api/v1/namespaces/{kube.namespace}",
        body=labels,
        content_type="application/merge-patch+json",
    )
    (problem,) = read(kube, table).problems
    assert "ambient" in problem.found


def test_not_being_allowed_to_read_the_namespace_is_noted_and_no_obstacle(
    kube: Cluster, faults: Install
) -> None:
    table = set_up(kube)
    faults(lambda seen: Fault(status=403) if seen.path == f"/api/v1/namespaces/{kube.namespace}" else None)
    routes = read(kube, table)
    assert routes.problems == ()
    assert any("ambient mode is not known" in item for item in routes.left_out)


def test_virtual_services_of_other_namespaces_are_not_looked_at(kube: Cluster) -> None:
    table = set_up(kube)
    mark = kube.mark
    read(kube, table)
    paths = [item.path for item in list(kube.server.seam.requests)[mark:]]
    assert all(kube.namespace in path or path.startswith("/apis/networking.istio.io") for path in paths)
    assert not [path for path in paths if path.endswith("/v1/virtualservices") and kube.namespace not in path]


def test_the_newest_version_that_is_served_is_used(kube: Cluster) -> None:
    assert IstioVersion(kube.transport, kube.clock).get() == "networking.istio.io/v1"


def test_a_cluster_without_istio_is_told_what_it_lacks(kube: Cluster, faults: Install) -> None:
    faults(lambda seen: Fault(status=404) if seen.path == "/apis/networking.istio.io" else None)
    with pytest.raises(TerminalError, match="install Istio's CRDs"):
        IstioVersion(kube.transport, kube.clock).get()


def test_a_weight_written_by_hand_between_read_and_shift_wins(kube: Cluster) -> None:
    table = set_up(kube, virtual_service(split(90, 10)))
    routes = read(kube, table)
    by_hand = [{"op": "replace", "path": "/spec/http/0/route/1/weight", "value": 30}]
    kube.transport.request("PATCH", kube.path(VS, "checkout"), body=by_hand, content_type=JSON_PATCH)
    with pytest.raises(ConflictError):
        table.shift(key_of(kube), routes, 50)
    assert weights(kube) == [90, 30]

"""Create, read and replace: versions, conflicts and the errors that adapters tell apart."""

from __future__ import annotations

import pytest
import requests

from tests.contract.conftest import Cluster, config_map, ok, widget

MAPS = "v1/configmaps"
LEASES = "coordination.k8s.io/v1/leases"


def reason(response: requests.Response, status: int) -> str:
    body = ok(response, status)
    assert (body["kind"], body["status"], body["code"]) == ("Status", "Failure", status)
    return str(body["reason"])


def test_a_wrong_token_is_unauthorized(cluster: Cluster) -> None:
    response = requests.get(
        cluster.url + cluster.path(MAPS),
        headers={"Authorization": "Bearer wrong"},
        timeout=10,
        verify=cluster.session.verify,
    )
    assert reason(response, 401) == "Unauthorized"


def test_a_request_without_a_token_is_refused(cluster: Cluster) -> None:
    session = requests.Session()
    session.trust_env = False
    response = session.get(cluster.url + cluster.path(MAPS), timeout=10, verify=cluster.session.verify)
    assert response.status_code in {401, 403}
    assert response.json()["kind"] == "Status"


def test_a_created_object_has_identity_and_a_version(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a", {"k": "v"}))
    metadata = created["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("a", cluster.namespace)
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0
    assert cluster.get(cluster.path(MAPS, "a")) == created


def test_what_is_not_there_is_not_found_and_named(cluster: Cluster) -> None:
    body = ok(cluster.call("GET", cluster.path("apps/v1/deployments", "nope")), 404)
    assert body["reason"] == "NotFound"
    assert body["message"] == 'deployments.apps "nope" not found'
    assert body["details"] == {"name": "nope", "group": "apps", "kind": "deployments"}


def test_an_unknown_resource_is_not_found(cluster: Cluster) -> None:
    assert cluster.call("GET", cluster.path("nobody.example/v1/things")).status_code == 404


def test_creating_twice_already_exists(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a"))
    response = cluster.call("POST", cluster.path(MAPS), config_map("a"))
    assert reason(response, 409) == "AlreadyExists"


def test_creating_in_a_missing_namespace_is_not_found(cluster: Cluster) -> None:
    response = cluster.call("POST", cluster.path(MAPS, namespace="nowhere"), config_map("a"))
    assert reason(response, 404) == "NotFound"
    assert 'namespaces "nowhere" not found' in response.json()["message"]


def test_generate_name_makes_a_name(cluster: Cluster) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}}
    names = {cluster.create(MAPS, body)["metadata"]["name"] for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254])
def test_a_name_that_is_no_dns_name_is_invalid(cluster: Cluster, name: str) -> None:
    response = cluster.call("POST", cluster.path(MAPS), config_map(name))
    assert reason(response, 422) == "Invalid"
    assert response.json()["details"]["causes"][0]["field"] == "metadata.name"


def test_an_object_of_another_kind_is_a_bad_request(cluster: Cluster) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    assert reason(cluster.call("POST", cluster.path(MAPS), body), 400) == "BadRequest"


def test_an_object_of_another_namespace_is_a_bad_request(cluster: Cluster) -> None:
    body = config_map("a", namespace="default")
    assert reason(cluster.call("POST", cluster.path(MAPS), body), 400) == "BadRequest"


def test_a_body_that_is_no_json_is_a_bad_request(cluster: Cluster) -> None:
    response = cluster.session.post(
        cluster.url + cluster.path(MAPS), data="{", headers={"Content-Type": "application/json"}, timeout=10
    )
    assert reason(response, 400) == "BadRequest"


def test_replacing_on_a_stale_version_is_a_conflict_and_changes_nothing(cluster: Cluster) -> None:
    first = cluster.create(MAPS, config_map("a", {"k": "1"}))
    second = ok(cluster.call("PUT", cluster.path(MAPS, "a"), {**first, "data": {"k": "2"}}))
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    response = cluster.call("PUT", cluster.path(MAPS, "a"), {**first, "data": {"k": "3"}})
    assert reason(response, 409) == "Conflict"
    assert "the object has been modified" in response.json()["message"]
    assert cluster.get(cluster.path(MAPS, "a"))["data"] == {"k": "2"}


def test_replacing_another_incarnation_is_a_conflict(cluster: Cluster) -> None:
    first = cluster.create(MAPS, config_map("a"))
    cluster.call("DELETE", cluster.path(MAPS, "a"))
    cluster.create(MAPS, config_map("a"))
    del first["metadata"]["resourceVersion"]
    assert reason(cluster.call("PUT", cluster.path(MAPS, "a"), first), 409) == "Conflict"


def test_replacing_with_the_same_content_makes_no_new_version(cluster: Cluster) -> None:
    first = cluster.create(MAPS, config_map("a", {"k": "1"}))
    again = ok(cluster.call("PUT", cluster.path(MAPS, "a"), first))
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


@pytest.mark.parametrize(("resource", "body"), [(LEASES, None), ("widgets", None)])
def test_some_kinds_must_be_replaced_with_a_version(
    cluster: Cluster, widgets: str, resource: str, body: None
) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}, "spec": {}}
    place, obj = (widgets, widget("a", size=1)) if resource == "widgets" else (LEASES, lease)
    cluster.create(place, obj)
    response = cluster.call("PUT", cluster.path(place, "a"), obj)
    assert reason(response, 422) == "Invalid"
    assert "must be specified for an update" in response.json()["message"]


def test_a_dry_run_answers_like_a_write_and_writes_nothing(cluster: Cluster) -> None:
    created = ok(cluster.call("POST", cluster.path(MAPS), config_map("a"), params={"dryRun": "All"}), 201)
    assert created["metadata"]["name"] == "a"
    assert cluster.call("GET", cluster.path(MAPS, "a")).status_code == 404


def test_replacing_what_is_not_there_is_not_found(cluster: Cluster, widgets: str) -> None:
    body = widget("a", size=1)
    body["metadata"]["resourceVersion"] = "1"
    assert cluster.call("PUT", cluster.path(widgets, "a"), body).status_code in {404, 409}
    assert cluster.call("GET", cluster.path(widgets, "a")).status_code == 404


def test_lease_times_have_six_digits_of_a_second(cluster: Cluster) -> None:
    spec = {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-02T04:04:05.600000+01:00",
        "leaseTransitions": 0,
    }
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}, "spec": spec}
    assert cluster.create(LEASES, body)["spec"]["renewTime"] == "2026-01-02T03:04:05.600000Z"


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("leaseDurationSeconds", 0, 422),
        ("leaseDurationSeconds", "15", 400),
        ("renewTime", "yesterday", 400),
        ("renewTime", "2026-01-02T03:04:05.6Z", 400),
        ("renewTime", "2026-01-02T03:04:05Z", 400),
        ("leaseTransitions", -1, 422),
    ],
)
def test_a_lease_of_wrong_types_is_refused(cluster: Cluster, field: str, value: object, status: int) -> None:
    body = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "a"},
        "spec": {"holderIdentity": "me", field: value},
    }
    assert cluster.call("POST", cluster.path(LEASES), body).status_code == status


def test_only_the_selected_shape_is_sent(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", {"k": "v"}, labels={"x": "y"}))
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    found = ok(cluster.call("GET", cluster.path(MAPS, "a"), headers={"Accept": accept}))
    assert (found["kind"], found["apiVersion"]) == ("PartialObjectMetadata", "meta.k8s.io/v1")
    assert "data" not in found
    assert found["metadata"]["labels"] == {"x": "y"}


def test_an_answer_in_no_accepted_format_is_not_acceptable(cluster: Cluster) -> None:
    response = cluster.call("GET", cluster.path(MAPS), headers={"Accept": "image/png"})
    assert response.status_code == 406


def test_an_owner_reference_must_be_complete(cluster: Cluster) -> None:
    body = config_map("a", ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "x"}])
    assert reason(cluster.call("POST", cluster.path(MAPS), body), 422) == "Invalid"


@pytest.mark.parametrize(
    "metadata",
    [{"name": 5}, {"labels": {"a": 1}}, {"annotations": []}, {"finalizers": "x"}, {"ownerReferences": [1]}],
)
def test_metadata_of_wrong_types_is_a_bad_request(cluster: Cluster, metadata: dict[str, object]) -> None:
    body = config_map("a") | {"metadata": {"name": "a", **metadata}}
    assert reason(cluster.call("POST", cluster.path(MAPS), body), 400) == "BadRequest"

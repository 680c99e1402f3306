"""Custom resources: schemas, defaults, pruning, versions, the status subresource, generation."""

from __future__ import annotations

import pytest

from tests.contract.conftest import GROUP, OLD_WIDGETS, Cluster, Json, ok, widget


def causes(body: Json) -> list[tuple[str, str]]:
    return [(cause["field"], cause["reason"]) for cause in body["details"]["causes"]]


def test_defaults_are_filled_in(cluster: Cluster, widgets: str) -> None:
    assert cluster.create(widgets, widget("a", size=1))["spec"] == {"size": 1, "colour": "red"}


@pytest.mark.parametrize(
    ("spec", "field", "why"),
    [
        ({}, "spec.size", "FieldValueRequired"),
        ({"size": 0}, "spec.size", "FieldValueInvalid"),
        ({"size": 101}, "spec.size", "FieldValueInvalid"),
        ({"size": "1"}, "spec.size", "FieldValueTypeInvalid"),
        ({"size": 1, "colour": "green"}, "spec.colour", "FieldValueNotSupported"),
        ({"size": 1, "name": "ABC"}, "spec.name", "FieldValueInvalid"),
        ({"size": 1, "name": "abcdef"}, "spec.name", "FieldValueTooLong"),
        ({"size": 1, "list": ["x"]}, "spec.list[0]", "FieldValueTypeInvalid"),
    ],
)
def test_what_breaks_the_schema_is_invalid_and_named(
    cluster: Cluster, widgets: str, spec: Json, field: str, why: str
) -> None:
    body = ok(cluster.call("POST", cluster.path(widgets), widget("a", **spec)), 422)
    assert body["reason"] == "Invalid"
    assert (field, why) in causes(body)
    assert body["message"].startswith(f'Widget.{GROUP} "a" is invalid: ')


@pytest.mark.parametrize(
    ("spec", "field", "shown"),
    [
        ({"set": ["a", "b", "a"]}, "spec.set[2]", '"a"'),
        ({"map": [{"key": "a"}, {"key": "b"}, {"key": "a", "value": 2}]}, "spec.map[2]", '{"key":"a"}'),
    ],
)
def test_what_a_list_may_hold_once_it_holds_once(
    cluster: Cluster, widgets: str, spec: Json, field: str, shown: str
) -> None:
    body = ok(cluster.call("POST", cluster.path(widgets), widget("a", size=1, **spec)), 422)
    assert causes(body) == [(field, "FieldValueDuplicate")]
    assert body["details"]["causes"][0]["message"] == f"Duplicate value: {shown}"


@pytest.mark.parametrize("port", [80, "http"])
def test_int_or_string_takes_either(cluster: Cluster, widgets: str, port: object) -> None:
    assert cluster.create(widgets, widget("a", size=1, port=port))["spec"]["port"] == port


def test_unknown_fields_are_pruned_and_free_ones_kept(cluster: Cluster, widgets: str) -> None:
    body = widget("a", size=1, unknown="x", free={"any": {"thing": [1]}})
    spec = cluster.create(widgets, body)["spec"]
    assert spec == {"size": 1, "colour": "red", "free": {"any": {"thing": [1]}}}


def test_strict_validation_refuses_unknown_fields(cluster: Cluster, widgets: str) -> None:
    params = {"fieldValidation": "Strict"}
    body = ok(cluster.call("POST", cluster.path(widgets), widget("a", size=1, oops=1), params=params), 400)
    assert body["reason"] == "BadRequest"
    assert 'strict decoding error: unknown field "spec.oops"' in body["message"]


def test_validation_with_warnings_names_unknown_fields_in_a_header(cluster: Cluster, widgets: str) -> None:
    params = {"fieldValidation": "Warn"}
    response = cluster.call("POST", cluster.path(widgets), widget("a", size=1, oops=1), params=params)
    assert response.status_code == 201
    assert 'unknown field \\"spec.oops\\"' in response.headers["Warning"]


def test_generation_counts_changes_of_the_spec_only(cluster: Cluster, widgets: str) -> None:
    path = cluster.path(widgets, "a")
    assert cluster.create(widgets, widget("a", size=1))["metadata"]["generation"] == 1
    labelled = ok(cluster.patch(path, {"metadata": {"labels": {"x": "y"}}}))
    assert labelled["metadata"]["generation"] == 1
    told = ok(cluster.patch(f"{path}/status", {"status": {"seen": 1}}))
    assert told["metadata"]["generation"] == 1
    assert ok(cluster.patch(path, {"spec": {"size": 2}}))["metadata"]["generation"] == 2


def test_status_is_written_through_its_subresource_only(cluster: Cluster, widgets: str) -> None:
    path = cluster.path(widgets, "a")
    created = cluster.create(widgets, widget("a", size=1) | {"status": {"seen": 9}})
    assert "status" not in created
    assert "status" not in ok(cluster.patch(path, {"status": {"seen": 8}}))
    told = ok(cluster.patch(f"{path}/status", {"status": {"seen": 7}, "spec": {"size": 50}}))
    assert (told["status"], told["spec"]["size"]) == ({"seen": 7}, 1)
    kept = ok(cluster.patch(path, {"spec": {"size": 2}, "status": None}))
    assert (kept["status"], kept["spec"]["size"]) == ({"seen": 7}, 2)


def test_replacing_status_on_a_stale_version_is_a_conflict(cluster: Cluster, widgets: str) -> None:
    path = cluster.path(widgets, "a")
    created = cluster.create(widgets, widget("a", size=1))
    ok(cluster.patch(path, {"spec": {"size": 2}}))
    stale = created | {"status": {"seen": 1}}
    assert ok(cluster.call("PUT", f"{path}/status", stale), 409)["reason"] == "Conflict"


def test_every_served_version_shows_the_same_object(cluster: Cluster, widgets: str) -> None:
    created = cluster.create(widgets, widget("a", size=1))
    old = cluster.get(cluster.path(OLD_WIDGETS, "a"))
    assert old["apiVersion"] == f"{GROUP}/v1beta1"
    assert (old["spec"], old["metadata"]["uid"]) == (created["spec"], created["metadata"]["uid"])
    ok(cluster.patch(cluster.path(OLD_WIDGETS, "a"), {"spec": {"size": 3}}))
    now = cluster.get(cluster.path(widgets, "a"))
    assert (now["apiVersion"], now["spec"]["size"]) == (f"{GROUP}/v1", 3)
    assert cluster.get(cluster.path(OLD_WIDGETS))["items"][0]["apiVersion"].endswith("v1beta1")


def test_an_object_in_the_wrong_version_is_a_bad_request(cluster: Cluster, widgets: str) -> None:
    response = cluster.call("POST", cluster.path(OLD_WIDGETS), widget("a", size=1))
    assert response.status_code == 400


def test_a_version_that_is_not_served_is_not_found(cluster: Cluster, widgets: str) -> None:
    assert cluster.call("GET", cluster.path(widgets.replace("v1", "v2"))).status_code == 404


def test_discovery_lists_the_resource_in_each_version(cluster: Cluster, widgets: str) -> None:
    group = cluster.get(f"/apis/{GROUP}")
    assert [version["version"] for version in group["versions"]] == ["v1", "v1beta1"]
    assert group["preferredVersion"]["version"] == "v1"
    listed = cluster.get(f"/apis/{GROUP}/v1")["resources"]
    entry = next(resource for resource in listed if resource["name"] == "widgets")
    assert (entry["kind"], entry["namespaced"], entry["shortNames"]) == ("Widget", True, ["wg"])
    assert {"get", "list", "watch", "patch", "update", "create", "delete"} <= set(entry["verbs"])
    assert "widgets/status" in {resource["name"] for resource in listed}


def test_a_status_can_be_removed_through_its_subresource(cluster: Cluster, widgets: str) -> None:
    path = cluster.path(widgets, "a")
    cluster.create(widgets, widget("a", size=1))
    ok(cluster.patch(f"{path}/status", {"status": {"seen": 7}}))
    assert "status" not in ok(cluster.patch(f"{path}/status", {"status": None}))


def test_columns_are_the_definitions_and_show_what_is_found_first_and_lists_as_json(
    cluster: Cluster, widgets: str
) -> None:
    cluster.create(widgets, widget("a", size=1, list=[7, 8], set=["x", "y"]))
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    table = ok(cluster.call("GET", cluster.path(widgets, "a"), headers={"Accept": accept}))
    assert [item["name"] for item in table["columnDefinitions"]] == ["Name", "Size", "First", "Set"]
    assert table["rows"][0]["cells"] == ["a", 1, "7", '["x","y"]']

"""The patch formats: what they change, and how they fail."""

from __future__ import annotations

import pytest

from tests.contract.conftest import GROUP, Cluster, Json, config_map, ok, widget

MAPS = "v1/configmaps"
SERVICES = "networking.istio.io/v1/virtualservices"
REJECTED = "the server rejected our request due to an error in our request"


def version(obj: Json) -> str:
    return str(obj["metadata"]["resourceVersion"])


def test_json_patch_with_tests_that_hold_is_applied(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a", {"k": "1"}))
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version(created)},
        {"op": "test", "path": "/data/k", "value": "1"},
        {"op": "replace", "path": "/data/k", "value": "2"},
    ]
    assert ok(cluster.patch(cluster.path(MAPS, "a"), operations, "json"))["data"] == {"k": "2"}


def test_json_patch_with_a_failed_test_is_invalid_and_changes_nothing(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a", {"k": "1"}))
    operations = [
        {"op": "replace", "path": "/data/k", "value": "2"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
    ]
    body = ok(cluster.patch(cluster.path(MAPS, "a"), operations, "json"), 422)
    assert (body["reason"], body["message"]) == ("Invalid", REJECTED)
    assert cluster.get(cluster.path(MAPS, "a")) == created


def test_json_patch_of_a_missing_path_is_invalid(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", {"k": "1"}))
    for operation in (
        {"op": "remove", "path": "/data/other"},
        {"op": "replace", "path": "/nothing/other", "value": "2"},
        {"op": "test", "path": "/data/other", "value": "2"},
    ):
        body = ok(cluster.patch(cluster.path(MAPS, "a"), [operation], "json"), 422)
        assert body["message"] == REJECTED


def test_json_patch_takes_what_a_map_does_not_have_for_null(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", {"k": "1"}))
    operations = [{"op": "test", "path": "/data/other", "value": None}]
    ok(cluster.patch(cluster.path(MAPS, "a"), operations, "json"))
    operations = [{"op": "test", "path": "/data/k", "value": None}]
    assert ok(cluster.patch(cluster.path(MAPS, "a"), operations, "json"), 422)["message"] == REJECTED


def test_json_patch_that_replaces_what_a_map_does_not_have_adds_it(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", {"k": "1"}))
    operations = [{"op": "replace", "path": "/data/other", "value": "2"}]
    patched = ok(cluster.patch(cluster.path(MAPS, "a"), operations, "json"))
    assert patched["data"] == {"k": "1", "other": "2"}


def test_json_patch_that_sets_a_stale_version_is_a_conflict(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", {"k": "1"}))
    operations = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "replace", "path": "/data/k", "value": "2"},
    ]
    body = ok(cluster.patch(cluster.path(MAPS, "a"), operations, "json"), 409)
    assert body["reason"] == "Conflict"


def test_json_patch_that_is_no_list_is_a_bad_request(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a"))
    assert cluster.patch(cluster.path(MAPS, "a"), {"op": "test"}, "json").status_code == 400


def test_merge_patch_merges_maps_and_removes_nulls(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", {"k": "1", "l": "2"}))
    patched = ok(cluster.patch(cluster.path(MAPS, "a"), {"data": {"k": None, "m": "3"}}))
    assert patched["data"] == {"l": "2", "m": "3"}


def test_merge_patch_with_a_stale_version_is_a_conflict(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a", {"k": "1"}))
    ok(cluster.patch(cluster.path(MAPS, "a"), {"data": {"k": "2"}}))
    stale = {"metadata": {"resourceVersion": version(created)}, "data": {"k": "3"}}
    assert ok(cluster.patch(cluster.path(MAPS, "a"), stale), 409)["reason"] == "Conflict"


def test_a_patch_that_changes_nothing_makes_no_new_version(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a", {"k": "1"}))
    assert version(ok(cluster.patch(cluster.path(MAPS, "a"), {"data": {"k": "1"}}))) == version(created)


def test_a_patch_of_what_is_not_there_is_not_found(cluster: Cluster) -> None:
    assert cluster.patch(cluster.path(MAPS, "a"), {"data": {}}).status_code == 404


def test_a_patch_cannot_move_an_object(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a"))
    assert cluster.patch(cluster.path(MAPS, "a"), {"metadata": {"name": "b"}}).status_code in {400, 422}


def test_strategic_merge_merges_containers_by_name(cluster: Cluster) -> None:
    path = cluster.path("apps/v1/deployments", "web")
    cluster.create("apps/v1/deployments", deployment())
    change = {"name": "side", "image": "side:2"}
    patch = {"spec": {"template": {"spec": {"containers": [change]}}}}
    patched = ok(cluster.patch(path, patch, "strategic"))
    images = {c["name"]: c["image"] for c in patched["spec"]["template"]["spec"]["containers"]}
    assert images == {"web": "web:1", "side": "side:2"}


def test_strategic_merge_deletes_an_element_by_directive(cluster: Cluster) -> None:
    path = cluster.path("apps/v1/deployments", "web")
    cluster.create("apps/v1/deployments", deployment())
    gone = {"$patch": "delete", "name": "side"}
    patched = ok(cluster.patch(path, {"spec": {"template": {"spec": {"containers": [gone]}}}}, "strategic"))
    assert [c["name"] for c in patched["spec"]["template"]["spec"]["containers"]] == ["web"]


def test_strategic_merge_of_a_custom_resource_is_unsupported(cluster: Cluster, widgets: str) -> None:
    cluster.create(widgets, widget("a", size=1))
    body = ok(cluster.patch(cluster.path(widgets, "a"), {"spec": {"size": 2}}, "strategic"), 415)
    assert body["reason"] == "UnsupportedMediaType"


def test_an_unknown_patch_format_is_unsupported(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a"))
    response = cluster.call("PATCH", cluster.path(MAPS, "a"), {}, content_type="application/json")
    assert response.status_code == 415


def test_managed_fields_name_who_wrote_a_field_last(cluster: Cluster, widgets: str) -> None:
    cluster.create(widgets, widget("a", size=1), fieldManager="first")
    path = cluster.path(widgets, "a")
    patched = ok(cluster.patch(path, {"spec": {"size": 2}}, fieldManager="second"))
    owners = {
        entry["manager"]: entry
        for entry in patched["metadata"]["managedFields"]
        if "f:size" in entry["fieldsV1"].get("f:spec", {})
    }
    assert set(owners) == {"second"}
    entry = owners["second"]
    assert (entry["operation"], entry["apiVersion"]) == ("Update", f"{GROUP}/v1")
    assert (entry["fieldsType"], entry["time"][-1]) == ("FieldsV1", "Z")


def test_without_a_field_manager_the_user_agent_is_named(cluster: Cluster) -> None:
    response = cluster.call(
        "POST", cluster.path(MAPS), config_map("a", {"k": "v"}), headers={"User-Agent": "canary-test/1 (x)"}
    )
    managers = [entry["manager"] for entry in ok(response, 201)["metadata"]["managedFields"]]
    assert managers == ["canary-test"]


def test_apply_creates_then_merges_and_removes_what_it_no_longer_names(
    cluster: Cluster, widgets: str
) -> None:
    path = cluster.path(widgets, "a")
    first = widget("a", size=1, name="abc")
    ok(cluster.patch(path, first, "apply", fieldManager="git"), 201)
    ok(cluster.patch(path, {"spec": {"colour": "blue"}}, fieldManager="someone"))
    spec = ok(cluster.patch(path, widget("a", size=2), "apply", fieldManager="git"))["spec"]
    assert spec == {"size": 2, "colour": "blue"}


def test_apply_against_another_owner_is_a_conflict_unless_forced(cluster: Cluster, widgets: str) -> None:
    path = cluster.path(widgets, "a")
    ok(cluster.patch(path, widget("a", size=1), "apply", fieldManager="git"), 201)
    ok(cluster.patch(path, {"spec": {"size": 5}}, fieldManager="person"))
    body = ok(cluster.patch(path, widget("a", size=1), "apply", fieldManager="git"), 409)
    assert body["reason"] == "Conflict"
    (cause,) = body["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".spec.size")
    assert 'conflict with "person"' in cause["message"]
    forced = ok(cluster.patch(path, widget("a", size=1), "apply", fieldManager="git", force="true"))
    assert forced["spec"]["size"] == 1


def test_apply_needs_a_field_manager(cluster: Cluster) -> None:
    assert cluster.patch(cluster.path(MAPS, "a"), config_map("a"), "apply").status_code in {400, 422}


@pytest.mark.parametrize("size", [0, 101])
def test_a_patch_is_validated_like_any_write(cluster: Cluster, widgets: str, size: int) -> None:
    cluster.create(widgets, widget("a", size=1))
    operations = [{"op": "replace", "path": "/spec/size", "value": size}]
    body = ok(cluster.patch(cluster.path(widgets, "a"), operations, "json"), 422)
    assert body["details"]["causes"][0]["field"] == "spec.size"


def deployment() -> Json:
    containers = [{"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}},
        },
    }

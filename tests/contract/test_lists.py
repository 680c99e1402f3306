"""Lists: selectors, pages of one snapshot, and the shapes of what comes back."""

from __future__ import annotations

import pytest

from tests.contract.conftest import Cluster, Json, config_map, eventually, ok

MAPS = "v1/configmaps"


def names(body: Json) -> list[str]:
    return [
        item["metadata"]["name"] for item in body["items"] if item["metadata"]["name"] != "kube-root-ca.crt"
    ]


def fill(cluster: Cluster, count: int) -> None:
    for number in range(count):
        labels = {"n": str(number), "parity": "odd" if number % 2 else "even"}
        cluster.create(
            MAPS, config_map(f"m{number}", labels=labels | ({"rare": "yes"} if number == 3 else {}))
        )


def test_a_list_has_a_version_and_is_ordered_by_name(cluster: Cluster) -> None:
    fill(cluster, 3)
    body = cluster.get(cluster.path(MAPS))
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert names(body) == ["m0", "m1", "m2"]
    versions = [int(item["metadata"]["resourceVersion"]) for item in body["items"]]
    assert int(body["metadata"]["resourceVersion"]) >= max(versions)


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("parity=even", ["m0", "m2", "m4"]),
        ("parity==odd", ["m1", "m3"]),
        ("parity!=odd,n", ["m0", "m2", "m4"]),
        ("n in (1,2)", ["m1", "m2"]),
        ("n,n notin (1,2)", ["m0", "m3", "m4"]),
        ("rare", ["m3"]),
        ("n,!rare", ["m0", "m1", "m2", "m4"]),
        ("parity=even,n in (0,1)", ["m0"]),
    ],
)
def test_label_selectors_choose(cluster: Cluster, selector: str, found: list[str]) -> None:
    fill(cluster, 5)
    assert names(cluster.get(cluster.path(MAPS), labelSelector=selector)) == found


def test_a_selector_that_is_none_is_a_bad_request(cluster: Cluster) -> None:
    response = cluster.call("GET", cluster.path(MAPS), params={"labelSelector": "a in"})
    assert response.status_code == 400


def test_a_name_can_be_selected_by_field_and_others_cannot(cluster: Cluster) -> None:
    fill(cluster, 2)
    assert names(cluster.get(cluster.path(MAPS), fieldSelector="metadata.name=m1")) == ["m1"]
    response = cluster.call("GET", cluster.path(MAPS), params={"fieldSelector": "data.x=1"})
    assert response.status_code == 400
    assert '"data.x" is not a known field selector' in response.json()["message"]


@pytest.mark.parametrize("resource", ["v1/pods", "widgets"])
def test_an_unknown_field_of_some_kinds_is_refused_in_other_words(
    cluster: Cluster, widgets: str, resource: str
) -> None:
    path = cluster.path(widgets if resource == "widgets" else resource)
    response = cluster.call("GET", path, params={"fieldSelector": "spec.x=1"})
    assert response.status_code == 400
    assert "field label not supported: spec.x" in response.json()["message"]


def test_pages_show_one_snapshot_though_the_world_changes(cluster: Cluster) -> None:
    fill(cluster, 5)
    path = cluster.path(MAPS)
    wanted = {"labelSelector": "n"}
    first = cluster.get(path, limit=2, **wanted)
    cluster.call("DELETE", f"{path}/m3")
    cluster.create(MAPS, config_map("m33", labels={"n": "new"}))
    second = cluster.get(path, limit=2, **{"continue": first["metadata"]["continue"]}, **wanted)
    third = cluster.get(path, limit=2, **{"continue": second["metadata"]["continue"]}, **wanted)
    assert names(first) + names(second) + names(third) == ["m0", "m1", "m2", "m3", "m4"]
    assert not third["metadata"].get("continue")
    assert {page["metadata"]["resourceVersion"] for page in (second, third)} == {
        first["metadata"]["resourceVersion"]
    }


def test_a_page_tells_how_many_remain(cluster: Cluster) -> None:
    fill(cluster, 5)
    everything = len(cluster.get(cluster.path(MAPS))["items"])
    first = cluster.get(cluster.path(MAPS), limit=2)
    assert first["metadata"]["remainingItemCount"] == everything - 2


def test_a_continue_token_that_is_none_is_a_bad_request(cluster: Cluster) -> None:
    response = cluster.call("GET", cluster.path(MAPS), params={"limit": "1", "continue": "garbage"})
    assert response.status_code == 400


def test_any_version_is_good_enough_when_zero_is_asked_for(cluster: Cluster) -> None:
    fill(cluster, 1)
    eventually(lambda: names(cluster.get(cluster.path(MAPS), resourceVersion="0")) == ["m0"])


def test_a_version_from_the_future_times_out(cluster: Cluster) -> None:
    body = ok(cluster.call("GET", cluster.path(MAPS), params={"resourceVersion": "99999999999"}), 504)
    assert body["reason"] == "Timeout"
    assert "Too large resource version" in body["message"]


def test_a_list_over_all_namespaces_is_complete(cluster: Cluster) -> None:
    fill(cluster, 1)
    body = cluster.get("/api/v1/configmaps", labelSelector="n=0")
    assert (cluster.namespace, "m0") in {
        (item["metadata"]["namespace"], item["metadata"]["name"]) for item in body["items"]
    }


def test_a_list_of_metadata_has_no_content(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", {"k": "v"}, annotations={"x": "y"}))
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    body = ok(cluster.call("GET", cluster.path(MAPS), headers={"Accept": accept}))
    assert body["kind"] == "PartialObjectMetadataList"
    item = next(item for item in body["items"] if item["metadata"]["name"] == "a")
    assert item["kind"] == "PartialObjectMetadata"
    assert item["metadata"]["annotations"] == {"x": "y"}
    assert "data" not in item


def test_an_empty_list_is_null_when_it_is_of_metadata_and_empty_otherwise(cluster: Cluster) -> None:
    path = cluster.path("v1/services")
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert cluster.get(path)["items"] == []
    assert ok(cluster.call("GET", path, headers={"Accept": accept}))["items"] is None


def test_a_table_has_columns_and_rows(cluster: Cluster) -> None:
    fill(cluster, 2)
    accept = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"
    body = ok(
        cluster.call("GET", cluster.path(MAPS), params={"labelSelector": "n"}, headers={"Accept": accept})
    )
    assert (body["kind"], body["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in body["columnDefinitions"]][:2] == ["Name", "Data"]
    assert [row["cells"][0] for row in body["rows"]] == ["m0", "m1"]
    assert body["rows"][0]["object"]["metadata"]["name"] == "m0"

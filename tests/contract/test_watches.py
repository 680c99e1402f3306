"""Watches: every change once and in order, bookmarks, selectors, and versions that are too old."""

from __future__ import annotations

import json

import pytest

from tests.contract.conftest import Cluster, Json, config_map, ok

MAPS = "v1/configmaps"


def seen(event: Json) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"]["name"]


def version(cluster: Cluster) -> str:
    return str(cluster.get(cluster.path(MAPS))["metadata"]["resourceVersion"])


def test_a_watch_from_a_version_shows_each_later_change_in_order(cluster: Cluster) -> None:
    start = version(cluster)
    created = cluster.create(MAPS, config_map("a", {"k": "1"}))
    changed = ok(cluster.patch(cluster.path(MAPS, "a"), {"data": {"k": "2"}}))
    with cluster.watch(cluster.path(MAPS), resourceVersion=start, fieldSelector="metadata.name=a") as events:
        found = [next(events), next(events)]
        ok(cluster.call("DELETE", cluster.path(MAPS, "a")))
        found.append(next(events))
    assert [event["type"] for event in found] == ["ADDED", "MODIFIED", "DELETED"]
    assert [found[0]["object"], found[1]["object"]] == [created, changed]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in found]
    assert versions == sorted(set(versions))


def test_a_watch_without_a_version_begins_with_what_exists(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", labels={"mine": "yes"}))
    with cluster.watch(cluster.path(MAPS), labelSelector="mine") as events:
        assert seen(next(events)) == ("ADDED", "a")


def test_what_stops_matching_is_deleted_for_the_watcher(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", {"k": "1"}, labels={"mine": "yes"}))
    with cluster.watch(
        cluster.path(MAPS), labelSelector="mine=yes", resourceVersion=version(cluster)
    ) as events:
        out = ok(cluster.patch(cluster.path(MAPS, "a"), {"metadata": {"labels": {"mine": "no"}}}))
        event = next(events)
        assert seen(event) == ("DELETED", "a")
        assert event["object"]["metadata"]["labels"] == {"mine": "yes"}
        assert event["object"]["metadata"]["resourceVersion"] == out["metadata"]["resourceVersion"]
        ok(cluster.patch(cluster.path(MAPS, "a"), {"metadata": {"labels": {"mine": "yes"}}}))
        assert seen(next(events)) == ("ADDED", "a")


def test_a_single_object_can_be_watched_by_its_name(cluster: Cluster) -> None:
    start = version(cluster)
    with cluster.watch(cluster.path(MAPS), fieldSelector="metadata.name=b", resourceVersion=start) as events:
        cluster.create(MAPS, config_map("a"))
        cluster.create(MAPS, config_map("b"))
        assert seen(next(events)) == ("ADDED", "b")


def test_a_watch_ends_after_its_timeout_with_a_bookmark(cluster: Cluster) -> None:
    start = version(cluster)
    with cluster.watch(
        cluster.path(MAPS), resourceVersion=start, timeoutSeconds="1", allowWatchBookmarks="true"
    ) as events:
        found = list(events)
    for event in found:
        if event["type"] == "BOOKMARK":
            assert int(event["object"]["metadata"]["resourceVersion"]) >= int(start)
            assert event["object"]["kind"] == "ConfigMap"


def test_without_being_asked_for_there_are_no_bookmarks(cluster: Cluster) -> None:
    with cluster.watch(
        cluster.path(MAPS), resourceVersion=version(cluster), timeoutSeconds="1", labelSelector="none"
    ) as events:
        assert list(events) == []


def test_a_version_that_is_too_old_is_gone(cluster: Cluster, widgets: str) -> None:
    # Of widgets, because a server that has just started still remembers all of its own kinds' history.
    params = {"watch": "true", "resourceVersion": "1", "timeoutSeconds": "2"}
    response = cluster.session.get(
        cluster.url + cluster.path(widgets), params=params, timeout=10, stream=True
    )
    with response:
        if response.status_code == 410:
            assert response.json()["reason"] in {"Expired", "Gone"}
            return
        event = json.loads(next(response.iter_lines()))
    assert event["type"] == "ERROR"
    assert (event["object"]["kind"], event["object"]["code"]) == ("Status", 410)


def test_a_streaming_list_ends_its_initial_events_with_a_bookmark(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", labels={"mine": "yes"}))
    with cluster.watch(
        cluster.path(MAPS),
        labelSelector="mine",
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    ) as events:
        assert seen(next(events)) == ("ADDED", "a")
        bookmark = next(events)
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        cluster.create(MAPS, config_map("b", labels={"mine": "yes"}))
        assert seen(next(events)) == ("ADDED", "b")


def test_initial_events_need_a_version_match(cluster: Cluster) -> None:
    params = {"watch": "true", "sendInitialEvents": "true"}
    assert cluster.call("GET", cluster.path(MAPS), params=params).status_code == 422


def test_a_watch_of_metadata_shows_metadata_only(cluster: Cluster) -> None:
    accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    cluster.create(MAPS, config_map("a", {"k": "v"}, labels={"mine": "yes"}))
    params = {"watch": "true", "labelSelector": "mine", "timeoutSeconds": "2"}
    response = cluster.session.get(
        cluster.url + cluster.path(MAPS), params=params, headers={"Accept": accept}, stream=True, timeout=10
    )
    with response:
        event = json.loads(next(response.iter_lines(chunk_size=1)))
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in event["object"]


@pytest.mark.parametrize("resource", ["v1/services", "apps/v1/deployments"])
def test_a_resource_can_be_watched_over_all_namespaces(cluster: Cluster, resource: str) -> None:
    path = cluster.path(resource).replace(f"/namespaces/{cluster.namespace}", "")
    with cluster.watch(path, timeoutSeconds="1") as events:
        assert all(event["type"] in {"ADDED", "MODIFIED", "DELETED"} for event in events)

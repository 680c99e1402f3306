"""Events: two views of the same objects, and what makes one acceptable."""

from __future__ import annotations

import pytest

from tests.contract.conftest import Cluster, Json, ok

CORE = "v1/events"
NEW = "events.k8s.io/v1/events"


def new_event(cluster: Cluster, **fields: object) -> Json:
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "eventTime": "2026-01-02T03:04:05.600000Z",
        "reportingController": "canaryctl.dev/controller",
        "reportingInstance": "one",
        "action": "Promote",
        "reason": "Promoted",
        "type": "Normal",
        "note": "all is well",
        "regarding": {"kind": "Service", "namespace": cluster.namespace, "name": "web", "uid": "u"},
        **fields,
    }


def test_an_event_is_seen_through_both_groups(cluster: Cluster) -> None:
    cluster.create(NEW, new_event(cluster))
    core = cluster.get(cluster.path(CORE, "e"))
    assert (core["apiVersion"], core["message"], core["reason"]) == ("v1", "all is well", "Promoted")
    assert core["involvedObject"]["name"] == "web"
    assert core["eventTime"] == "2026-01-02T03:04:05.600000Z"
    selector = "involvedObject.name=web,involvedObject.kind=Service"
    assert len(cluster.get(cluster.path(CORE), fieldSelector=selector)["items"]) == 1
    assert cluster.get(cluster.path(CORE), fieldSelector="involvedObject.name=other")["items"] == []
    again = cluster.get(cluster.path(NEW, "e"))
    assert (again["note"], again["regarding"]["name"]) == ("all is well", "web")


@pytest.mark.parametrize(
    "field", ["eventTime", "action", "reason", "reportingController", "reportingInstance"]
)
def test_a_new_event_must_be_complete(cluster: Cluster, field: str) -> None:
    event = new_event(cluster)
    del event[field]
    assert ok(cluster.call("POST", cluster.path(NEW), event), 422)["reason"] == "Invalid"


def test_an_event_time_has_exactly_six_digits_of_a_second(cluster: Cluster) -> None:
    event = new_event(cluster, eventTime="2026-01-02T03:04:05.6Z")
    assert ok(cluster.call("POST", cluster.path(NEW), event), 400)["reason"] == "BadRequest"


def test_only_an_event_of_the_old_kind_must_lie_in_its_objects_namespace(cluster: Cluster) -> None:
    other = {"kind": "Service", "namespace": "other", "name": "web"}
    old = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "old"},
        "involvedObject": other,
        "reason": "Seen",
    }
    assert cluster.call("POST", cluster.path(CORE), old).status_code == 422
    cluster.create(NEW, new_event(cluster, regarding=other))


def test_an_event_of_the_old_kind_needs_no_event_time(cluster: Cluster) -> None:
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Service", "namespace": cluster.namespace, "name": "web"},
        "reason": "Seen",
        "message": "hello",
        "count": 2,
        "source": {"component": "me"},
    }
    assert cluster.create(CORE, event)["count"] == 2
    assert cluster.get(cluster.path(NEW, "e"))["deprecatedCount"] == 2

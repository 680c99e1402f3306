"""Deletion: preconditions, finalizers, graceful pods, garbage collection, namespaces."""

from __future__ import annotations

from tests.contract.conftest import SLOW_SECONDS, Cluster, Json, config_map, eventually, ok

MAPS = "v1/configmaps"
PODS = "v1/pods"


def pod(name: str, **spec: object) -> Json:
    containers = [{"name": "main", "image": "main:1"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, "automountServiceAccountToken": False, **spec},
    }


def bind(cluster: Cluster, name: str, node: str = "") -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name},
        "target": {"kind": "Node", "name": node or cluster.node},
    }
    ok(cluster.call("POST", cluster.path(PODS, name) + "/binding", body), 201)


def is_gone(cluster: Cluster, path: str) -> bool:
    return cluster.call("GET", path).status_code == 404


def test_deleting_answers_with_success_and_the_object_is_gone(cluster: Cluster) -> None:
    created = cluster.create(MAPS, config_map("a"))
    body = ok(cluster.call("DELETE", cluster.path(MAPS, "a")))
    assert (body["kind"], body["status"]) == ("Status", "Success")
    assert body["details"]["uid"] == created["metadata"]["uid"]
    assert is_gone(cluster, cluster.path(MAPS, "a"))
    assert cluster.call("DELETE", cluster.path(MAPS, "a")).status_code == 404


def test_a_precondition_that_does_not_hold_is_a_conflict(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a"))
    for preconditions in ({"uid": "other"}, {"resourceVersion": "1"}):
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        body = ok(cluster.call("DELETE", cluster.path(MAPS, "a"), options), 409)
        assert body["reason"] == "Conflict"
    assert not is_gone(cluster, cluster.path(MAPS, "a"))


def test_a_finalizer_keeps_an_object_until_it_is_removed(cluster: Cluster) -> None:
    path = cluster.path(MAPS, "a")
    cluster.create(MAPS, config_map("a", finalizers=["canaryctl.dev/test"]))
    ok(cluster.call("DELETE", path))
    assert cluster.get(path)["metadata"]["deletionTimestamp"]
    ok(cluster.patch(path, {"metadata": {"finalizers": None}}))
    assert is_gone(cluster, path)


def test_a_collection_is_deleted_by_selector(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", labels={"go": "yes"}))
    cluster.create(MAPS, config_map("b"))
    ok(cluster.call("DELETE", cluster.path(MAPS), params={"labelSelector": "go=yes"}))
    assert is_gone(cluster, cluster.path(MAPS, "a"))
    assert not is_gone(cluster, cluster.path(MAPS, "b"))


def test_a_pod_that_was_never_bound_goes_at_once(cluster: Cluster) -> None:
    created = cluster.create(PODS, pod("a"))
    assert created["status"]["phase"] == "Pending"
    ok(cluster.call("DELETE", cluster.path(PODS, "a")))
    assert is_gone(cluster, cluster.path(PODS, "a"))


def test_a_bound_pod_stays_until_its_kubelet_lets_go(cluster: Cluster) -> None:
    path = cluster.path(PODS, "a")
    cluster.create(PODS, pod("a", terminationGracePeriodSeconds=7))
    bind(cluster, "a")
    assert cluster.get(path)["spec"]["nodeName"] == cluster.node
    ok(cluster.call("DELETE", path))
    metadata = cluster.get(path)["metadata"]
    assert metadata["deletionTimestamp"]
    assert metadata["deletionGracePeriodSeconds"] == 7
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
    ok(cluster.call("DELETE", path, options))
    assert is_gone(cluster, path)


def test_a_pod_is_bound_once(cluster: Cluster) -> None:
    cluster.create(PODS, pod("a"))
    bind(cluster, "a")
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "a"}, "target": {"name": "n2"}}
    assert cluster.call("POST", cluster.path(PODS, "a") + "/binding", body).status_code == 409


def test_dependents_go_when_their_owner_has_gone(cluster: Cluster) -> None:
    owner = cluster.create(MAPS, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    cluster.create(MAPS, config_map("dependent", ownerReferences=[reference]))
    cluster.call("DELETE", cluster.path(MAPS, "owner"))
    eventually(lambda: is_gone(cluster, cluster.path(MAPS, "dependent")))


def test_orphans_stay_without_their_owner(cluster: Cluster) -> None:
    owner = cluster.create(MAPS, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    cluster.create(MAPS, config_map("dependent", ownerReferences=[reference]))
    ok(cluster.call("DELETE", cluster.path(MAPS, "owner"), params={"propagationPolicy": "Orphan"}))
    eventually(lambda: is_gone(cluster, cluster.path(MAPS, "owner")))
    assert "ownerReferences" not in cluster.get(cluster.path(MAPS, "dependent"))["metadata"]


def test_a_namespace_goes_with_all_that_is_in_it(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a"))
    path = f"/api/v1/namespaces/{cluster.namespace}"
    ok(cluster.call("DELETE", path))
    eventually(lambda: is_gone(cluster, path), SLOW_SECONDS)
    assert is_gone(cluster, cluster.path(MAPS, "a"))


def test_nothing_can_be_created_in_a_namespace_that_is_going(cluster: Cluster) -> None:
    cluster.create(MAPS, config_map("a", finalizers=["canaryctl.dev/test"]))
    path = f"/api/v1/namespaces/{cluster.namespace}"
    ok(cluster.call("DELETE", path))
    assert cluster.get(path)["status"]["phase"] == "Terminating"
    body = ok(cluster.call("POST", cluster.path(MAPS), config_map("b")), 403)
    assert body["reason"] == "Forbidden"
    ok(cluster.patch(cluster.path(MAPS, "a"), {"metadata": {"finalizers": None}}))
    eventually(lambda: is_gone(cluster, path), SLOW_SECONDS)

"""Deployments: ReplicaSets by template hash, rolling updates, status, and the endpoints of Services.

There is no kubelet here: the tests say which pods are ready.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from canary.domain.pod_names import deployment_of
from tests.contract.conftest import Cluster, Json, eventually, ok
from tests.contract.test_deletion import bind

DEPLOYMENTS = "apps/v1/deployments"
SETS = "apps/v1/replicasets"
PODS = "v1/pods"
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"

_addresses = count(10)


def deployment(image: str = "web:1", replicas: int = 2, **spec: Any) -> Json:
    containers = [{"name": "web", "image": image, "ports": [{"name": "http", "containerPort": 8080}]}]
    pod_spec = {"containers": containers, "automountServiceAccountToken": False}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec},
            **spec,
        },
    }


def pods(cluster: Cluster, **labels: str) -> list[Json]:
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    return list(cluster.get(cluster.path(PODS), labelSelector=selector)["items"])


def sets(cluster: Cluster) -> list[Json]:
    found: list[Json] = cluster.get(cluster.path(SETS))["items"]
    return sorted(found, key=lambda rs: int(rs["metadata"]["annotations"][REVISION]))


def wait_for_pods(cluster: Cluster, number: int, **labels: str) -> list[Json]:
    def look() -> list[Json] | None:
        found = pods(cluster, **labels)
        return found if len(found) == number else None

    return list(eventually(look))


def make_ready(cluster: Cluster, pod: Json, address: str = "") -> None:
    """Do a kubelet's part."""
    name = pod["metadata"]["name"]
    if "nodeName" not in pod["spec"]:
        bind(cluster, name)
    now = "2026-01-01T00:00:00Z"
    address = address or f"10.200.0.{next(_addresses) % 250}"
    status = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
    }
    ok(cluster.patch(cluster.path(PODS, name) + "/status", {"status": status}))


def play_kubelet(cluster: Cluster) -> list[Json]:
    """Let go of the pods that are to go, make the others ready; returns the pods as they were before."""
    found = pods(cluster, app="web")
    for pod in found:
        if pod["metadata"].get("deletionTimestamp"):
            options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
            cluster.call("DELETE", cluster.path(PODS, pod["metadata"]["name"]), options)
        elif not pod["status"].get("podIP"):
            make_ready(cluster, pod)
    return found


def settle(cluster: Cluster) -> Json:
    """Play the kubelet until the rollout is complete; returns the Deployment."""

    def look() -> Json | None:
        play_kubelet(cluster)
        found = cluster.get(cluster.path(DEPLOYMENTS, "web"))
        status, wanted = found.get("status", {}), found["spec"]["replicas"]
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        fresh = status.get("observedGeneration") == found["metadata"]["generation"]
        return found if fresh and counts == [wanted] * 3 else None

    return dict(eventually(look, 20))


def condition(obj: Json, kind: str) -> Json:
    return next(dict(c) for c in obj["status"]["conditions"] if c["type"] == kind)


def test_defaults_of_a_deployment(cluster: Cluster) -> None:
    body = deployment()
    del body["spec"]["replicas"]
    spec = cluster.create(DEPLOYMENTS, body)["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 30


def test_a_selector_must_match_the_template_and_never_changes(cluster: Cluster) -> None:
    body = deployment()
    body["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    assert ok(cluster.call("POST", cluster.path(DEPLOYMENTS), body), 422)["reason"] == "Invalid"
    cluster.create(DEPLOYMENTS, deployment(replicas=0))
    change = {"spec": {"selector": {"matchLabels": {"x": "y"}}}}
    assert cluster.patch(cluster.path(DEPLOYMENTS, "web"), change).status_code == 422


def test_a_replica_set_and_its_pods_carry_the_templates_hash(cluster: Cluster) -> None:
    created = cluster.create(DEPLOYMENTS, deployment(replicas=2))
    found = wait_for_pods(cluster, 2, app="web")
    (rs,) = sets(cluster)
    digest = rs["metadata"]["labels"][HASH]
    assert rs["metadata"]["name"] == f"web-{digest}"
    assert rs["spec"]["selector"]["matchLabels"] == {"app": "web", HASH: digest}
    (owner,) = rs["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == (
        "Deployment",
        created["metadata"]["uid"],
        True,
    )
    for pod in found:
        assert pod["metadata"]["labels"] == {"app": "web", HASH: digest}
        assert pod["metadata"]["name"].startswith(f"web-{digest}-")
        assert pod["metadata"]["ownerReferences"][0]["uid"] == rs["metadata"]["uid"]
        assert pod["status"]["phase"] == "Pending"


def test_a_pods_name_says_its_deployment_unless_it_is_so_long_that_it_was_cut(cluster: Cluster) -> None:
    names = ["web", "web-canary", "w" * 44, "w" * 60]
    for name in names:
        body = deployment(replicas=1)
        labels = {"name": name}
        body["metadata"]["name"] = name
        body["spec"]["selector"]["matchLabels"] = body["spec"]["template"]["metadata"]["labels"] = labels
        cluster.create(DEPLOYMENTS, body)
    found = {name: wait_for_pods(cluster, 1, name=name)[0]["metadata"]["name"] for name in names}
    assert [deployment_of(pod) for pod in found.values()] == [*names[:3], None]
    assert len(found[names[3]]) == 63


def test_status_follows_the_pods_readiness(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=2))
    path = cluster.path(DEPLOYMENTS, "web")
    first, _ = wait_for_pods(cluster, 2, app="web")
    waiting = eventually(lambda: (d := cluster.get(path)).get("status", {}).get("replicas") == 2 and d)
    assert condition(waiting, "Available")["status"] == "False"
    assert condition(waiting, "Available")["reason"] == "MinimumReplicasUnavailable"
    make_ready(cluster, first)
    partly = eventually(lambda: (d := cluster.get(path))["status"].get("readyReplicas") == 1 and d)
    assert partly["status"]["unavailableReplicas"] == 1
    done = settle(cluster)
    assert done["status"]["readyReplicas"] == 2
    assert "unavailableReplicas" not in done["status"]
    assert condition(done, "Available")["reason"] == "MinimumReplicasAvailable"
    progressing = eventually(
        lambda: (c := condition(cluster.get(path), "Progressing"))["reason"] == "NewReplicaSetAvailable" and c
    )
    assert progressing["status"] == "True"


def test_a_new_template_rolls_out_without_losing_availability(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=4))
    settle(cluster)
    containers = [{"name": "web", "image": "web:2"}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    ok(cluster.patch(cluster.path(DEPLOYMENTS, "web"), patch, "strategic"))
    eventually(lambda: len(sets(cluster)) == 2 and len(pods(cluster, app="web")) > 4)
    # 25 % of 4: one pod more, and one fewer available, at any time.
    eventually(lambda: [item["spec"]["replicas"] for item in sets(cluster)] == [3, 2])
    done = settle(cluster)
    old, new = sets(cluster)
    assert (old["spec"]["replicas"], new["spec"]["replicas"]) == (0, 4)
    assert old["metadata"]["labels"][HASH] != new["metadata"]["labels"][HASH]
    assert done["metadata"]["annotations"][REVISION] == "2"


def test_a_template_that_comes_back_gets_its_replica_set_back(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=1))
    first = settle(cluster)
    (original,) = sets(cluster)
    path = cluster.path(DEPLOYMENTS, "web")
    for template in (deployment("web:2")["spec"]["template"], first["spec"]["template"]):
        patch = [{"op": "replace", "path": "/spec/template", "value": template}]
        ok(cluster.patch(path, patch, "json"))
        settle(cluster)
    found = sets(cluster)
    assert len(found) == 2
    assert found[-1]["metadata"]["name"] == original["metadata"]["name"]
    assert found[-1]["metadata"]["annotations"][REVISION] == "3"


def test_scaling_changes_pods_and_not_the_revision(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=1))
    settle(cluster)
    path = cluster.path(DEPLOYMENTS, "web") + "/scale"
    scale = cluster.get(path)
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 1})
    assert scale["status"]["selector"] == "app=web"
    assert ok(cluster.patch(path, {"spec": {"replicas": 3}}))["spec"]["replicas"] == 3
    assert settle(cluster)["metadata"]["annotations"][REVISION] == "1"
    assert len(pods(cluster, app="web")) == 3
    scale = cluster.get(path)
    ok(cluster.call("PUT", path, scale | {"spec": {"replicas": 0}}))
    settle(cluster)
    eventually(lambda: not play_kubelet(cluster))


def test_a_paused_deployment_does_not_roll_out(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=1))
    settle(cluster)
    path = cluster.path(DEPLOYMENTS, "web")
    template = deployment("web:2")["spec"]["template"]
    ok(cluster.patch(path, {"spec": {"paused": True, "template": template}}))
    eventually(lambda: condition(cluster.get(path), "Progressing")["reason"] == "DeploymentPaused")
    assert len(sets(cluster)) == 1
    ok(cluster.patch(path, {"spec": {"paused": False}}))
    settle(cluster)
    assert len(sets(cluster)) == 2


def test_a_rollout_that_makes_no_progress_exceeds_its_deadline(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=1, progressDeadlineSeconds=1))
    path = cluster.path(DEPLOYMENTS, "web")

    def overdue() -> bool:
        found = cluster.get(path)
        if "status" not in found or "conditions" not in found["status"]:
            return False
        last = condition(found, "Progressing")
        return (last["status"], last["reason"]) == ("False", "ProgressDeadlineExceeded")

    eventually(overdue)


def test_recreate_waits_for_the_old_pods(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=1, strategy={"type": "Recreate"}))
    settle(cluster)
    (old,) = pods(cluster, app="web")
    patch = {"spec": {"template": deployment("web:2")["spec"]["template"]}}
    ok(cluster.patch(cluster.path(DEPLOYMENTS, "web"), patch))
    path = cluster.path(PODS, old["metadata"]["name"])
    eventually(lambda: cluster.get(path)["metadata"].get("deletionTimestamp"))
    assert len(sets(cluster)) == 1
    settle(cluster)
    assert [rs["spec"]["replicas"] for rs in sets(cluster)] == [0, 1]


def test_history_is_kept_to_its_limit(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=0, revisionHistoryLimit=1))
    for number in range(2, 5):
        patch = {"spec": {"template": deployment(f"web:{number}")["spec"]["template"]}}
        ok(cluster.patch(cluster.path(DEPLOYMENTS, "web"), patch))
        wanted = str(number)
        eventually(lambda: sets(cluster) and sets(cluster)[-1]["metadata"]["annotations"][REVISION] == wanted)  # noqa: B023
    eventually(lambda: [rs["metadata"]["annotations"][REVISION] for rs in sets(cluster)] == ["3", "4"])


def test_a_deleted_pod_is_replaced(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=1))
    (first,) = wait_for_pods(cluster, 1, app="web")
    cluster.call("DELETE", cluster.path(PODS, first["metadata"]["name"]))

    def replaced() -> bool:
        found = pods(cluster, app="web")
        return [pod["metadata"]["uid"] for pod in found] not in ([], [first["metadata"]["uid"]])

    eventually(replaced)


def test_deleting_a_deployment_takes_its_sets_and_pods(cluster: Cluster) -> None:
    cluster.create(DEPLOYMENTS, deployment(replicas=2))
    wait_for_pods(cluster, 2, app="web")
    ok(cluster.call("DELETE", cluster.path(DEPLOYMENTS, "web")))
    eventually(lambda: not sets(cluster) and not pods(cluster, app="web"))


def test_slices_list_a_services_ready_pods(cluster: Cluster) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]},
    }
    cluster.create("v1/services", service)
    cluster.create(DEPLOYMENTS, deployment(replicas=2))
    first, second = wait_for_pods(cluster, 2, app="web")
    make_ready(cluster, first, "10.200.1.1")

    def endpoints() -> dict[str, Json]:
        path = cluster.path("discovery.k8s.io/v1/endpointslices")
        slices = cluster.get(path, labelSelector="kubernetes.io/service-name=web")["items"]
        return {e["addresses"][0]: {**e, "ports": s["ports"]} for s in slices for e in s["endpoints"] or ()}

    found = eventually(
        lambda: (e := endpoints()) and e.get("10.200.1.1", {}).get("conditions", {}).get("ready") and e
    )
    assert set(found) == {"10.200.1.1"}
    endpoint = found["10.200.1.1"]
    assert endpoint["targetRef"]["name"] == first["metadata"]["name"]
    assert endpoint["ports"][0]["port"] == 8080
    make_ready(cluster, second, "10.200.1.2")
    eventually(lambda: set(endpoints()) == {"10.200.1.1", "10.200.1.2"})
    unready = [{"type": "Ready", "status": "False"}]
    ok(
        cluster.patch(
            cluster.path(PODS, first["metadata"]["name"]) + "/status", {"status": {"conditions": unready}}
        )
    )
    eventually(lambda: endpoints()["10.200.1.1"]["conditions"]["ready"] is False)


def test_a_pod_on_a_node_that_nobody_knows_is_no_endpoint(cluster: Cluster) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    }
    cluster.create("v1/services", service)
    cluster.create(DEPLOYMENTS, deployment(replicas=2))
    lost, found = wait_for_pods(cluster, 2, app="web")
    bind(cluster, lost["metadata"]["name"], "nowhere")
    make_ready(cluster, cluster.get(cluster.path(PODS, lost["metadata"]["name"])), "10.200.2.1")
    make_ready(cluster, found, "10.200.2.2")

    def addresses() -> list[str]:
        slices = cluster.get(cluster.path("discovery.k8s.io/v1/endpointslices"))["items"]
        return [address for item in slices for e in item["endpoints"] or () for address in e["addresses"]]

    eventually(lambda: addresses() == ["10.200.2.2"])


def test_a_null_in_a_template_means_nothing(cluster: Cluster) -> None:
    body = deployment(replicas=0)
    body["spec"]["template"]["metadata"]["creationTimestamp"] = None
    created = cluster.create(DEPLOYMENTS, body)
    assert not created["spec"]["template"]["metadata"].get("creationTimestamp")
    eventually(lambda: len(sets(cluster)) == 1)


def test_a_surge_that_is_no_number_is_refused(cluster: Cluster) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "some"}}
    response = cluster.call("POST", cluster.path(DEPLOYMENTS), deployment(strategy=strategy))
    assert response.status_code == 422

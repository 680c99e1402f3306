"""A pair of Deployments on the test's API server, and a kubelet that does as the test says."""

from typing import Any

from canary.domain.plan import Plan, ServiceKey, Step
from tests.adapters.conftest import Cluster, Json, eventually

DEPLOYMENTS = "apps/v1/deployments"
REPLICASETS = "apps/v1/replicasets"
PODS = "v1/pods"
PLAN = Plan("checkout", "checkout-canary", (Step(100, 1.0),), ())


def key_of(kube: Cluster) -> ServiceKey:
    return ServiceKey(kube.namespace, "checkout")


def deployment(name: str, track: str, image: str = "shop:1", replicas: int = 1, **spec: Any) -> Json:
    labels = {"app": "checkout", "track": track}
    container = {"name": "app", "image": image, "env": [{"name": "MODE", "value": "on"}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def make_pair(kube: Cluster, stable_image: str = "shop:1", canary_image: str = "shop:2") -> None:
    kube.create(DEPLOYMENTS, deployment("checkout", "stable", stable_image))
    kube.create(DEPLOYMENTS, deployment("checkout-canary", "canary", canary_image))


def set_image(kube: Cluster, name: str, image: str) -> None:
    operations = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    kube.transport.request(
        "PATCH", kube.path(DEPLOYMENTS, name), body=operations, content_type="application/json-patch+json"
    )


def live_pods(kube: Cluster, track: str) -> list[Json]:
    found = kube.items(PODS, labelSelector=f"app=checkout,track={track}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def say(kube: Cluster, pod: Json, *, ready: bool, container: Json | None = None) -> None:
    """Set a pod's status as its kubelet would."""
    now = "2026-01-01T00:00:00Z"
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
    state: Json = {"name": "app", "image": "x", "imageID": "", "ready": ready, "restartCount": 0}
    status = {
        "phase": "Running",
        "podIP": "10.200.0.9",
        "podIPs": [{"ip": "10.200.0.9"}],
        "conditions": [condition],
        "containerStatuses": [state | {"state": {"running": {"startedAt": now}}} | (container or {})],
    }
    kube.merge(PODS, pod["metadata"]["name"] + "/status", {"status": status})


def settle(kube: Cluster, name: str, track: str) -> None:
    """Make pods ready, and let old ones go, until the rollout is complete."""

    def look() -> bool:
        for pod in kube.items(PODS, labelSelector=f"app=checkout,track={track}"):
            if "deletionTimestamp" in pod["metadata"]:
                options = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
                kube.transport.request("DELETE", kube.path(PODS, pod["metadata"]["name"]), body=options)
            elif not pod["status"].get("podIP"):
                say(kube, pod, ready=True)
        found = kube.get(DEPLOYMENTS, name)
        status, wanted = found.get("status", {}), found["spec"]["replicas"]
        counts = [status.get(item, 0) for item in ("replicas", "updatedReplicas", "readyReplicas")]
        fresh = status.get("observedGeneration") == found["metadata"]["generation"]
        return fresh and counts == [wanted] * 3

    eventually(look)

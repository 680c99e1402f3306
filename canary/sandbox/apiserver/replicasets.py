"""The ReplicaSet controller: as many pods as asked for, and a status that counts them by readiness."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from canary.sandbox.apiserver.api import Api
from canary.sandbox.apiserver.deletion import DeleteOptions, delete
from canary.sandbox.apiserver.objects import (
    Json,
    clone,
    condition_of,
    controller_of,
    name_of,
    namespace_of,
    parse_time,
    uid_of,
)
from canary.sandbox.apiserver.recorder import record_event
from canary.sandbox.apiserver.store import Change
from canary.sandbox.apiserver.writes import WriteOptions

REPLICA_SETS = "replicasets.apps"
_COMPONENT = "replicaset-controller"
_WRITER = WriteOptions("kube-controller-manager")
# One event names so many pods at most when a large set is scaled.
_ANNOUNCED = 10


class ReplicaSetController:
    """Creates and deletes pods until a ReplicaSet has what its spec says."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def keys(self, change: Change) -> Iterable[tuple[str, str]]:
        """Return the ReplicaSet that changed, or that owns the pod that changed."""
        namespace = namespace_of(change.object)
        if change.resource == REPLICA_SETS:
            yield namespace, name_of(change.object)
        elif change.resource == "pods":
            owner = controller_of(change.object)
            if owner and owner["kind"] == "ReplicaSet":
                yield namespace, owner["name"]

    def reconcile(self, key: tuple[str, ...]) -> float | None:
        """Bring the number of one ReplicaSet's pods, and its status, in line."""
        namespace, name = key
        replica_set = self._api.store.get(REPLICA_SETS, namespace, name)
        if replica_set is None or replica_set["metadata"].get("deletionTimestamp"):
            return None
        pods = self._active(replica_set)
        wanted = replica_set["spec"]["replicas"]
        if len(pods) < wanted:
            self._create(replica_set, wanted - len(pods))
        elif len(pods) > wanted:
            self._delete(replica_set, sorted(pods, key=_expendable)[: len(pods) - wanted])
        return self._report(namespace, name)

    def _active(self, replica_set: Json) -> list[Json]:
        uid = uid_of(replica_set)
        return [
            pod
            for pod in self._api.store.items("pods", namespace_of(replica_set))
            if (controller_of(pod) or {}).get("uid") == uid
            and not pod["metadata"].get("deletionTimestamp")
            and pod["status"].get("phase") not in {"Succeeded", "Failed"}
        ]

    def _create(self, replica_set: Json, count: int) -> None:
        template = replica_set["spec"]["template"]
        metadata = clone(template.get("metadata") or {})
        metadata["generateName"] = f"{name_of(replica_set)}-"
        metadata["ownerReferences"] = [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": name_of(replica_set),
                "uid": uid_of(replica_set),
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        target = self._api.target("pods", namespace_of(replica_set))
        for place in range(count):
            pod = self._api.create(target, body, _WRITER).object
            if place < _ANNOUNCED:
                message = f"Created pod: {name_of(pod)}"
                record_event(self._api, replica_set, _COMPONENT, "SuccessfulCreate", message)

    def _delete(self, replica_set: Json, pods: list[Json]) -> None:
        for place, pod in enumerate(pods):
            target = self._api.target("pods", namespace_of(pod), name_of(pod))
            delete(self._api, target, DeleteOptions(uid=uid_of(pod)))
            if place < _ANNOUNCED:
                message = f"Deleted pod: {name_of(pod)}"
                record_event(self._api, replica_set, _COMPONENT, "SuccessfulDelete", message)

    def _report(self, namespace: str, name: str) -> float | None:
        target = self._api.target(REPLICA_SETS, namespace, name, "status")
        replica_set = self._api.get(target)
        pods = self._active(replica_set)
        labels = replica_set["spec"]["template"].get("metadata", {}).get("labels", {})
        ready = [pod for pod in pods if is_ready(pod)]
        waits = [self._seconds_until_available(replica_set, pod) for pod in ready]
        counts = {
            "fullyLabeledReplicas": sum(
                labels.items() <= pod["metadata"].get("labels", {}).items() for pod in pods
            ),
            "readyReplicas": len(ready),
            "availableReplicas": sum(wait <= 0 for wait in waits),
        }
        status: Json = {"replicas": len(pods)}
        status |= {key: value for key, value in counts.items() if value}
        status["observedGeneration"] = replica_set["metadata"]["generation"]
        if status != replica_set.get("status"):
            self._api.patch(target, lambda obj: {**obj, "status": status}, _WRITER)
        return min((wait for wait in waits if wait > 0), default=None)

    def _seconds_until_available(self, replica_set: Json, pod: Json) -> float:
        minimum = replica_set["spec"].get("minReadySeconds", 0)
        if not minimum:
            return 0.0
        since = (condition_of(pod, "Ready") or {}).get("lastTransitionTime")
        if not since:
            return float(minimum)
        due = parse_time(since) + timedelta(seconds=minimum)
        return (due - self._api.clock()).total_seconds()


def is_ready(pod: Json) -> bool:
    """Tell whether the pod's Ready condition is True."""
    return (condition_of(pod, "Ready") or {}).get("status") == "True"


def _expendable(pod: Json) -> tuple[bool, bool, bool, int]:
    """Sort key: pods that serve nobody go first, then the youngest."""
    running = pod["status"].get("phase") == "Running"
    version = int(pod["metadata"]["resourceVersion"])
    return bool(pod["spec"].get("nodeName")), running, is_ready(pod), -version

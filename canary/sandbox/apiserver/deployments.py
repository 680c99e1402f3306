"""The Deployment controller: one ReplicaSet per template, moved between by rolling update or recreation."""

from __future__ import annotations

from collections.abc import Iterable

from canary.sandbox.apiserver.api import Api
from canary.sandbox.apiserver.deletion import DeleteOptions, delete
from canary.sandbox.apiserver.deployment_status import next_status, seconds_until_deadline
from canary.sandbox.apiserver.objects import Json, clone, controller_of, name_of, namespace_of, uid_of
from canary.sandbox.apiserver.recorder import record_event
from canary.sandbox.apiserver.rollout import (
    HASH_LABEL,
    bare_template,
    limits,
    new_replicas,
    old_replicas,
    proportional,
    template_hash,
)
from canary.sandbox.apiserver.store import Change
from canary.sandbox.apiserver.writes import WriteOptions

DEPLOYMENTS = "deployments.apps"
REPLICA_SETS = "replicasets.apps"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"

_NOT_COPIED = frozenset({REVISION, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration"})
_COMPONENT = "deployment-controller"
_WRITER = WriteOptions("kube-controller-manager")


class DeploymentController:
    """Makes each Deployment's ReplicaSets what its template and replicas ask for, and reports its status."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def keys(self, change: Change) -> Iterable[tuple[str, str]]:
        """Return the Deployments that a change of a Deployment, ReplicaSet or Pod concerns."""
        obj, namespace = change.object, namespace_of(change.object)
        if change.resource == "pods" and change.type == "DELETED":
            owner = controller_of(obj)
            found = self._api.store.get(REPLICA_SETS, namespace, owner["name"]) if owner else None
            if found is None:
                return
            obj = found
        elif change.resource == DEPLOYMENTS:
            yield namespace, name_of(obj)
            return
        elif change.resource != REPLICA_SETS:
            return
        owner = controller_of(obj)
        if owner and owner["kind"] == "Deployment":
            yield namespace, owner["name"]

    def reconcile(self, key: tuple[str, ...]) -> float | None:
        """Take the next step of one Deployment's rollout."""
        namespace, name = key
        deployment = self._api.store.get(DEPLOYMENTS, namespace, name)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return None
        if deployment["spec"].get("paused"):
            self._spread(deployment)
        else:
            self._roll(deployment)
            self._forget_old(deployment)
        return self._report(namespace, name)

    def _sets(self, deployment: Json) -> tuple[Json | None, list[Json]]:
        """Return the ReplicaSet of the present template, if there is one, and all others, oldest first."""
        uid = uid_of(deployment)
        owned = [
            rs
            for rs in self._api.store.items(REPLICA_SETS, namespace_of(deployment))
            if (controller_of(rs) or {}).get("uid") == uid
        ]
        owned.sort(key=lambda rs: (rs["metadata"]["creationTimestamp"], revision_of(rs)))
        template = deployment["spec"]["template"]
        new = next((rs for rs in owned if bare_template(rs) == template), None)
        return new, [rs for rs in owned if rs is not new]

    def _roll(self, deployment: Json) -> None:
        new, old = self._sets(deployment)
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            for rs in old:
                self._scale(deployment, rs, 0)
            if any(self._has_pods(rs) for rs in old):
                return
        new = self._create(deployment, old) if new is None else self._revise(deployment, new, old)
        total = sum(rs["spec"]["replicas"] for rs in (new, *old))
        new = self._scale(deployment, new, new_replicas(deployment, new, total))
        for rs, replicas in zip(old, old_replicas(deployment, new, old), strict=True):
            self._scale(deployment, rs, replicas)

    def _spread(self, deployment: Json) -> None:
        """While paused no template is rolled out, but scaling still counts."""
        new, old = self._sets(deployment)
        sets = [*old, new] if new is not None else old
        active = [rs for rs in sets if rs["spec"]["replicas"]]
        if not active:
            if new is not None:
                self._scale(deployment, new, deployment["spec"]["replicas"])
            return
        desired = {rs["metadata"].get("annotations", {}).get(DESIRED) for rs in active}
        if desired == {str(deployment["spec"]["replicas"])}:
            return
        for rs, replicas in zip(active, proportional(deployment, active), strict=True):
            self._scale(deployment, rs, replicas)

    def _create(self, deployment: Json, old: list[Json]) -> Json:
        template = clone(deployment["spec"]["template"])
        digest = template_hash(template)
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH_LABEL] = digest
        selector = clone(deployment["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH_LABEL] = digest
        revision = str(max((revision_of(rs) for rs in old), default=0) + 1)
        spec: Json = {"replicas": 0, "selector": selector, "template": template}
        if seconds := deployment["spec"].get("minReadySeconds"):
            spec["minReadySeconds"] = seconds
        body: Json = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{name_of(deployment)}-{digest}",
                "labels": dict(labels),
                "annotations": _copied(deployment) | {REVISION: revision},
                "ownerReferences": [_owner(deployment)],
            },
            "spec": spec,
        }
        target = self._api.target(REPLICA_SETS, namespace_of(deployment))
        created = self._api.create(target, body, _WRITER).object
        self._set_revision(deployment, revision)
        return created

    def _revise(self, deployment: Json, new: Json, old: list[Json]) -> Json:
        """Give a ReplicaSet whose template came back the newest revision."""
        newest = max((revision_of(rs) for rs in old), default=0)
        revision = str(max(revision_of(new), newest + 1))
        wanted = new["metadata"].get("annotations", {}) | _copied(deployment) | {REVISION: revision}
        if wanted != new["metadata"].get("annotations"):
            target = self._api.target(REPLICA_SETS, namespace_of(new), name_of(new))
            new = self._api.patch(target, lambda rs: _annotated(rs, wanted), _WRITER).object
        self._set_revision(deployment, revision)
        return new

    def _set_revision(self, deployment: Json, revision: str) -> None:
        annotations = deployment["metadata"].get("annotations") or {}
        if annotations.get(REVISION) == revision:
            return
        target = self._api.target(DEPLOYMENTS, namespace_of(deployment), name_of(deployment))
        self._api.patch(target, lambda d: _annotated(d, annotations | {REVISION: revision}), _WRITER)

    def _scale(self, deployment: Json, rs: Json, replicas: int) -> Json:
        wanted = deployment["spec"]["replicas"]
        annotations = rs["metadata"].get("annotations", {}) | {
            DESIRED: str(wanted),
            MAXIMUM: str(wanted + limits(deployment).surge),
        }
        before = rs["spec"]["replicas"]
        if before == replicas and (replicas == 0 or annotations == rs["metadata"].get("annotations")):
            return rs
        target = self._api.target(REPLICA_SETS, namespace_of(rs), name_of(rs))

        def edit(obj: Json) -> Json:
            obj = _annotated(obj, annotations)
            return {**obj, "spec": {**obj["spec"], "replicas": replicas}}

        scaled = self._api.patch(target, edit, _WRITER).object
        if before != replicas:
            way = "up" if replicas > before else "down"
            message = f"Scaled {way} replica set {name_of(rs)} from {before} to {replicas}"
            record_event(self._api, deployment, _COMPONENT, "ScalingReplicaSet", message)
        return scaled

    def _has_pods(self, rs: Json) -> bool:
        uid = uid_of(rs)
        pods = self._api.store.items("pods", namespace_of(rs))
        return any((controller_of(pod) or {}).get("uid") == uid for pod in pods)

    def _forget_old(self, deployment: Json) -> None:
        """Delete the oldest empty ReplicaSets beyond the history limit, once the rollout is complete."""
        new, old = self._sets(deployment)
        spec = deployment["spec"]
        if new is None or (new.get("status") or {}).get("availableReplicas", 0) != spec["replicas"]:
            return
        empty = [
            rs for rs in old if not rs["spec"]["replicas"] and not (rs.get("status") or {}).get("replicas")
        ]
        empty.sort(key=revision_of)
        for rs in empty[: max(0, len(old) - spec["revisionHistoryLimit"])]:
            delete(self._api, self._api.target(REPLICA_SETS, namespace_of(rs), name_of(rs)), DeleteOptions())

    def _report(self, namespace: str, name: str) -> float | None:
        target = self._api.target(DEPLOYMENTS, namespace, name, "status")
        deployment = self._api.get(target)
        new, old = self._sets(deployment)
        status = next_status(deployment, new, old, self._api.clock())
        if status != deployment.get("status"):
            self._api.patch(target, lambda obj: {**obj, "status": status}, _WRITER)
        return seconds_until_deadline(deployment, status, self._api.clock())


def revision_of(obj: Json) -> int:
    """Return the rollout's revision number in the annotation, 0 when there is none."""
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def _copied(deployment: Json) -> Json:
    annotations = deployment["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key not in _NOT_COPIED}


def _annotated(obj: Json, annotations: Json) -> Json:
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def _owner(deployment: Json) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": name_of(deployment),
        "uid": uid_of(deployment),
        "controller": True,
        "blockOwnerDeletion": True,
    }

"""Deployments: read live, their rollout judged as ``kubectl rollout status`` does, and written with guards.

The revision is what Kubernetes itself calls it: the pod-template-hash of the ReplicaSet that carries the
Deployment's own revision number. A Deployment's (uid, revision number) belongs to one template for ever,
so its hash is looked up once. Pods are read only while a workload is not fully rolled out.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from canary.adapters.decoding import decode
from canary.adapters.kube.bounded import BoundedMap
from canary.adapters.kube.objects import Metadata, MetadataOnly, path_of, selector_of
from canary.adapters.kube.pods import DeploymentCondition, Pod, trouble_of_conditions, trouble_of_pods
from canary.adapters.kube.templates import HASH_LABEL, distinguishing_keys, promoted, same_template
from canary.adapters.kube.transport import JSON_PATCH, METADATA_LIST, Transport
from canary.app.errors import ConflictError, NotFound, TerminalError
from canary.app.ports import WorkloadPair
from canary.domain.observation import Workload
from canary.domain.plan import Plan, ServiceKey

__all__ = ["KubeDeployments"]

APPS = "apps/v1"
REVISION = "deployment.kubernetes.io/revision"
PROMOTED = "canaryctl.dev/promoted-revision"
MAX_PODS = 50
CACHED_HASHES = 10_000
CACHED_OBJECTS = 500

Json = dict[str, Any]


class _Selector(msgspec.Struct, rename="camel"):
    match_labels: dict[str, str] = {}


class _Spec(msgspec.Struct):
    selector: _Selector
    template: Json
    replicas: int = 1
    paused: bool = False


class _Status(msgspec.Struct, rename="camel"):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    conditions: list[DeploymentCondition] = []


class _Deployment(msgspec.Struct):
    metadata: Metadata
    spec: _Spec
    status: _Status = msgspec.field(default_factory=_Status)

    @property
    def is_observed(self) -> bool:
        """Whether Kubernetes has seen the present spec."""
        return self.status.observed_generation >= self.metadata.generation

    @property
    def is_rolled_out(self) -> bool:
        """Every pod asked for is of the present template and ready, none other is left, and there is one."""
        asked, status = self.spec.replicas, self.status
        counts = {asked, status.replicas, status.updated_replicas, status.ready_replicas}
        return self.is_observed and asked > 0 and len(counts) == 1


class _ReplicaSet(msgspec.Struct):
    class Spec(msgspec.Struct):
        template: Json

    metadata: Metadata
    spec: Spec


Owned = TypeVar("Owned", MetadataOnly, _ReplicaSet)


class KubeDeployments:
    """Implements ``Workloads``. Safe for many threads."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._hashes: BoundedMap[tuple[str, str], str] = BoundedMap(CACHED_HASHES)
        # What the present pass has read already; used only for the very version that the pass decided on.
        self._latest: BoundedMap[tuple[str, str], _Deployment] = BoundedMap(CACHED_OBJECTS)

    def read(self, key: ServiceKey, plan: Plan) -> WorkloadPair:
        """Both workloads as they are at this moment."""
        stable, canary = self._find(key, plan.stable), self._find(key, plan.canary)
        matches = (
            stable is not None
            and canary is not None
            and same_template(canary.spec.template, stable.spec.template, _apart(stable, canary))
        )
        return WorkloadPair(
            stable=self._workload(stable) if stable is not None else None,
            canary=self._workload(canary) if canary is not None else None,
            canary_matches_stable=matches,
        )

    def stable_template(self, key: ServiceKey, stable: Workload) -> str:
        """Stable's present pod template as JSON, to be kept for a restore."""
        return msgspec.json.encode(self._at(key, stable).spec.template).decode()

    def promote(self, key: ServiceKey, plan: Plan, stable: Workload, revision: str) -> None:
        """Write the template of the canary's ReplicaSet ``revision`` to stable, guarded by its version."""
        found = self._at(key, stable)
        template = self._judged(key, plan, found, revision)
        self._patch(found.metadata, [_replace_template(template), *_annotate(found, revision)])

    def holds_template_of(self, key: ServiceKey, plan: Plan, stable: Workload, revision: str) -> bool:
        """Whether stable's template already is what ``promote`` would write for ``revision``."""
        found = self._at(key, stable)
        return same_template(found.spec.template, self._judged(key, plan, found, revision))

    def restore(self, key: ServiceKey, stable: Workload, template: str) -> None:
        """Write a template kept by ``stable_template`` back to stable, guarded by its version."""
        found = self._at(key, stable)
        operations = [_replace_template(_template(template)), *_annotate(found, None)]
        self._patch(found.metadata, operations)

    def holds_template(self, key: ServiceKey, stable: Workload, template: str) -> bool:
        """Whether stable's template already is ``template``."""
        return same_template(self._at(key, stable).spec.template, _template(template))

    def scale(self, key: ServiceKey, workload: Workload, replicas: int) -> None:
        """Ask for ``replicas`` pods, guarded by the workload's version."""
        metadata = Metadata(name=workload.name, namespace=key.namespace, resource_version=workload.version)
        self._patch(metadata, [{"op": "add", "path": "/spec/replicas", "value": replicas}])

    def _get(self, key: ServiceKey, name: str) -> _Deployment:
        found = self._transport.get(path_of(APPS, key.namespace, "deployments", name), _Deployment)
        self._latest.put((key.namespace, name), found)
        return found

    def _find(self, key: ServiceKey, name: str) -> _Deployment | None:
        try:
            return self._get(key, name)
        except NotFound:
            return None

    def _at(self, key: ServiceKey, workload: Workload) -> _Deployment:
        """Return the Deployment at the version that was observed; ``ConflictError`` when it has moved on."""
        known = self._latest.get((key.namespace, workload.name))
        if known is None or known.metadata.resource_version != workload.version:
            known = self._get(key, workload.name)
        if known.metadata.resource_version != workload.version:
            now = known.metadata.resource_version
            what = f"Deployment {key.namespace}/{workload.name}"
            raise ConflictError(f"{what} is at version {now}, no longer {workload.version}")
        return known

    def _workload(self, found: _Deployment) -> Workload:
        revision = self._revision(found)
        return Workload(
            name=found.metadata.name,
            version=found.metadata.resource_version,
            revision=revision,
            replicas=found.spec.replicas,
            ready=found.status.ready_replicas,
            rolled_out=found.is_rolled_out,
            trouble=None if found.is_rolled_out else self._trouble(found, revision),
        )

    def _revision(self, found: _Deployment) -> str:
        """Return the present template's hash; empty while Kubernetes has no ReplicaSet for it yet."""
        number = found.metadata.annotations.get(REVISION)
        if number is None or not found.is_observed:
            return ""
        identity = (found.metadata.uid, number)
        revision = self._hashes.get(identity) or self._look_up_hash(found, number)
        if revision:
            self._hashes.put(identity, revision)
        if revision and found.spec.paused:
            # Kubernetes takes note of a paused Deployment's new template without making a revision of it.
            current = self._replica_set(found, revision)
            return revision if current and same_template(current.spec.template, found.spec.template) else ""
        return revision

    def _look_up_hash(self, found: _Deployment, number: str) -> str:
        for owned in self._owned(found, MetadataOnly, found.spec.selector.match_labels, METADATA_LIST):
            if owned.metadata.annotations.get(REVISION) == number:
                return owned.metadata.labels.get(HASH_LABEL, "")
        return ""

    def _replica_set(self, found: _Deployment, revision: str) -> _ReplicaSet | None:
        labels = {**found.spec.selector.match_labels, HASH_LABEL: revision}
        return next(iter(self._owned(found, _ReplicaSet, labels, "application/json")), None)

    def _owned(
        self, found: _Deployment, kind: type[Owned], labels: Mapping[str, str], accept: str
    ) -> list[Owned]:
        path = path_of(APPS, found.metadata.namespace, "replicasets")
        items = self._transport.list(path, kind, {"labelSelector": selector_of(labels)}, accept=accept)
        uid = found.metadata.uid
        return [item for item in items if any(owner.uid == uid for owner in item.metadata.owner_references)]

    def _trouble(self, found: _Deployment, revision: str) -> str | None:
        pods: list[Pod] = []
        if revision and found.spec.replicas > 0:
            labels = {**found.spec.selector.match_labels, HASH_LABEL: revision}
            path = path_of("v1", found.metadata.namespace, "pods")
            pods = self._transport.list(path, Pod, {"labelSelector": selector_of(labels)})[:MAX_PODS]
        conditions = found.status.conditions if found.is_observed else ()
        return trouble_of_pods(pods) or trouble_of_conditions(conditions)

    def _judged(self, key: ServiceKey, plan: Plan, stable: _Deployment, revision: str) -> Json:
        canary = self._get(key, plan.canary)
        owned = self._replica_set(canary, revision)
        if owned is None:
            raise NotFound(
                f"Deployment {key.namespace}/{plan.canary} has no ReplicaSet of revision {revision} any more"
            )
        return promoted(owned.spec.template, stable.spec.template, _apart(stable, canary))

    def _patch(self, metadata: Metadata, operations: list[Json]) -> None:
        guard = {"op": "test", "path": "/metadata/resourceVersion", "value": metadata.resource_version}
        path = path_of(APPS, metadata.namespace, "deployments", metadata.name)
        body = [guard, *operations]
        self._transport.request("PATCH", path, body=body, content_type=JSON_PATCH, guarded=True)


def _apart(stable: _Deployment, canary: _Deployment) -> frozenset[str]:
    return distinguishing_keys(stable.spec.selector.match_labels, canary.spec.selector.match_labels)


def _template(text: str) -> Json:
    try:
        return decode(text.encode(), Json)
    except msgspec.MsgspecError as exc:
        raise TerminalError(f"status.previousTemplate is not a pod template: {exc}") from exc


def _replace_template(template: Json) -> Json:
    return {"op": "replace", "path": "/spec/template", "value": template}


def _annotate(found: _Deployment, revision: str | None) -> list[Json]:
    """Return the operations that leave on stable which revision it was promoted to, or nothing of it."""
    path = "/metadata/annotations/" + PROMOTED.replace("~", "~0").replace("/", "~1")
    if revision is None:
        return [{"op": "remove", "path": path}] if PROMOTED in found.metadata.annotations else []
    if not found.metadata.annotations:
        return [{"op": "add", "path": "/metadata/annotations", "value": {PROMOTED: revision}}]
    return [{"op": "add", "path": path, "value": revision}]

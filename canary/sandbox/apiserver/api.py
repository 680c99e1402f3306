"""The API's verbs on objects, the one door to the store: for HTTP clients and for the controllers alike.

Each verb either happens completely (one version, one change in the history) or raises ``ApiError``.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from canary.sandbox.apiserver import managed
from canary.sandbox.apiserver.crds import CRD, resource_type
from canary.sandbox.apiserver.errors import (
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
)
from canary.sandbox.apiserver.objects import (
    Clock,
    Json,
    clone,
    name_of,
    random_suffix,
    timestamp,
    utc_now,
)
from canary.sandbox.apiserver.resources import Registry
from canary.sandbox.apiserver.store import Store
from canary.sandbox.apiserver.writes import (
    Target,
    WriteOptions,
    admitted,
    carried_over,
    check_envelope,
    check_version,
    generation,
    list_keys,
    new_metadata,
    same_but_bookkeeping,
)

Edit = Callable[[Json], Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left behind; ``removed`` when it completed a deletion."""

    object: Json
    created: bool = False
    removed: bool = False
    warnings: tuple[str, ...] = field(default=())


class Api:
    """Create, read and change objects under the API's rules."""

    def __init__(self, store: Store, registry: Registry, clock: Clock = utc_now) -> None:
        self.store = store
        self.registry = registry
        self.clock = clock
        self._addresses = 0

    def now(self) -> str:
        """Return the time as objects carry it."""
        return timestamp(self.clock())

    def get(self, target: Target) -> Json:
        """Return the stored object; raises 404."""
        found = self.store.get(target.resource.key, target.namespace, target.name)
        if found is None:
            raise not_found(target.resource.name, target.name)
        return found

    def create(self, target: Target, body: Any, options: WriteOptions) -> Written:
        """Create an object, under a generated name if it has only ``generateName``."""
        obj = check_envelope(target, clone(body))
        new_metadata(obj)
        self._check_namespace(target)
        self._name(target, obj)
        if self.store.get(target.resource.key, target.namespace, name_of(obj)) is not None:
            raise already_exists(target.resource.name, name_of(obj))
        writer = self._writer(target, options, "Update")
        return self._create(
            target, obj, options, lambda new: managed.record(None, new, writer, list_keys(target))
        )

    def update(self, target: Target, body: Any, options: WriteOptions) -> Written:
        """Replace an object or its status; optimistic when the body carries a resourceVersion."""
        new = check_envelope(target, clone(body))
        old = self.store.get(target.resource.key, target.namespace, target.name)
        may_create = target.resource.create_on_update and not target.subresource
        if old is None and may_create and not new["metadata"].get("resourceVersion"):
            return self.create(target, body, options)
        old = self.get(target)
        check_version(target.resource, old, new, required=not target.resource.unconditional_update)
        return self._replace(target, old, new, options)

    def patch(self, target: Target, edit: Edit, options: WriteOptions) -> Written:
        """Change an object by a pure function of how this version presents it."""
        old = self.get(target)
        shown = target.resource.present(old, target.version)
        new = check_envelope(target, clone(edit(shown)))
        check_version(target.resource, old, new, required=False)
        return self._replace(target, old, new, options)

    def apply(self, target: Target, config: Any, options: WriteOptions) -> Written:
        """Server-side apply: create, or merge what the configuration names."""
        wanted = check_envelope(target, clone(config))
        if wanted["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        old = self.store.get(target.resource.key, target.namespace, target.name)
        writer, keys = self._writer(target, options, "Apply"), list_keys(target)
        if old is None:
            if target.subresource:
                raise not_found(target.resource.name, target.name)
            self._check_namespace(target)
            new_metadata(wanted)
            own = set(managed.leaves(wanted, keys))
            return self._create(
                target, wanted, options, lambda new: managed.record_apply(new, own, set(), writer, keys)
            )
        check_version(target.resource, old, wanted, required=False)
        wanted["metadata"].pop("resourceVersion", None)
        applied = managed.apply(old, wanted, writer, keys, force=options.force)

        def entries(new: Json) -> list[Json]:
            return managed.record_apply(new, applied.own, applied.forced, writer, keys)

        return self._replace(target, old, applied.document, options, entries)

    def complete_deletion(self, target: Target, old: Json) -> Json:
        """Take an object out of the store, and with a definition everything it defined."""
        removed = self.store.remove(target.resource.key, old)
        if target.resource.key == CRD:
            defined = resource_type(old)
            for obj in self.store.items(defined.key):
                self.store.remove(defined.key, obj)
            self.registry.uninstall(defined.group, defined.plural)
        return removed

    def target(self, key: str, namespace: str, name: str = "", subresource: str = "") -> Target:
        """Return a target by the store's key, in the preferred version: for those who call from within."""
        resource = self.registry.by_key(key)
        return Target(resource, resource.versions[0], namespace, name, subresource)

    def _writer(self, target: Target, options: WriteOptions, operation: str) -> managed.Writer:
        return managed.Writer(
            options.manager, operation, target.api_version, self.now(), subresource=target.subresource
        )

    def _check_namespace(self, target: Target) -> None:
        if not target.resource.namespaced:
            return
        space = self.store.get("namespaces", "", target.namespace)
        if space is None:
            raise not_found("namespaces", target.namespace)
        if space["metadata"].get("deletionTimestamp"):
            why = (
                f"unable to create new content in namespace {target.namespace} because it is being terminated"
            )
            message = f"namespace {target.namespace} is being terminated"
            cause = Cause("metadata.namespace", "NamespaceTerminating", message)
            raise forbidden(target.resource.name, target.name, why, [cause])

    def _name(self, target: Target, obj: Json) -> None:
        prefix = obj["metadata"].get("generateName")
        while prefix and not name_of(obj):
            name = prefix[:58] + random_suffix(5)
            if self.store.get(target.resource.key, target.namespace, name) is None:
                obj["metadata"]["name"] = name
        if not name_of(obj):
            message = "Required value: name or generateName is required"
            cause = Cause("metadata.name", "FieldValueRequired", message)
            raise invalid(target.resource.group, target.resource.kind, "", [cause])

    def _create(
        self, target: Target, obj: Json, options: WriteOptions, entries: Callable[[Json], list[Json]]
    ) -> Written:
        resource = target.resource
        if "status" in resource.subresources and resource.key != "pods":
            obj.pop("status", None)
        if resource.key == "services":
            self._allocate_address(obj)
        stamps: Json = {"uid": str(uuid.uuid4()), "creationTimestamp": self.now()}
        if resource.has_generation:
            stamps["generation"] = 1
        obj = {**obj, "metadata": {**obj["metadata"], **stamps}}
        new, warnings = admitted(target, None, obj, options, self.now())
        new["metadata"]["managedFields"] = entries(new)
        if not options.dry_run:
            new = self.store.put(resource.key, new)
            self._definition_changed(resource.key, new)
        return Written(new, created=True, warnings=tuple(warnings))

    def _replace(
        self,
        target: Target,
        old: Json,
        new: Json,
        options: WriteOptions,
        entries: Callable[[Json], list[Json]] | None = None,
    ) -> Written:
        resource = target.resource
        new, warnings = admitted(target, old, carried_over(target, old, new), options, self.now())
        if resource.has_generation:
            new["metadata"]["generation"] = generation(target, old, new)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        self._check_finalizers(target, old, new)
        new["metadata"].setdefault("managedFields", old["metadata"].get("managedFields") or [])
        if entries is None:
            writer = self._writer(target, options, "Update")
            new["metadata"]["managedFields"] = managed.record(old, new, writer, list_keys(target))
        else:
            new["metadata"]["managedFields"] = entries(new)
        same_managers = new["metadata"]["managedFields"] == old["metadata"].get("managedFields")
        if same_managers and same_but_bookkeeping(old, new):
            return Written(old, warnings=tuple(warnings))
        if options.dry_run:
            return Written(new, warnings=tuple(warnings))
        if self._deletion_complete(target, new):
            return Written(self.complete_deletion(target, new), removed=True)
        stored = self.store.put(resource.key, new)
        self._definition_changed(resource.key, stored)
        return Written(stored, warnings=tuple(warnings))

    def _check_finalizers(self, target: Target, old: Json, new: Json) -> None:
        if not old["metadata"].get("deletionTimestamp"):
            return
        before, after = old["metadata"].get("finalizers") or [], new["metadata"].get("finalizers") or []
        if added := [name for name in after if name not in before]:
            message = "Forbidden: no new finalizers can be added if the object is being deleted, found new: "
            message += ", ".join(added)
            cause = Cause("metadata.finalizers", "FieldValueForbidden", message)
            raise invalid(target.resource.group, target.resource.kind, name_of(old), [cause])

    def _deletion_complete(self, target: Target, new: Json) -> bool:
        metadata = new["metadata"]
        if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
            return False
        if target.resource.key == "namespaces":
            return False
        return not target.resource.graceful or metadata.get("deletionGracePeriodSeconds") == 0

    def _definition_changed(self, key: str, obj: Json) -> None:
        if key == CRD:
            self.registry.install(resource_type(obj))

    def _allocate_address(self, obj: Json) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("type", "ClusterIP") == "ExternalName" or spec.get("clusterIP"):
            return
        self._addresses += 1
        number = self._addresses
        spec["clusterIP"] = f"10.96.{number >> 8}.{number & 255}"
        spec["clusterIPs"] = [spec["clusterIP"]]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")


def bind(api: Api, target: Target, body: Any, options: WriteOptions) -> None:
    """Bind a pod to a node: ``pods/NAME/binding``; raises 409 when it is bound."""
    node = str(((body or {}).get("target") or {}).get("name") or "") if isinstance(body, dict) else ""
    if not node:
        raise bad_request("a Binding must name its target: {target: {kind: Node, name: ...}}")
    pod = api.get(target)
    if pod["metadata"].get("deletionTimestamp"):
        raise conflict(
            "pods/binding", target.name, f"pod {target.name} is being deleted, cannot be assigned to a host"
        )
    if bound := pod["spec"].get("nodeName"):
        why = f'pod {target.name} is already assigned to node "{bound}"'
        raise conflict("pods/binding", target.name, why)
    conditions = [c for c in pod["status"].get("conditions") or () if c["type"] != "PodScheduled"]
    conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": api.now()})
    bound_pod = {**pod, "spec": {**pod["spec"], "nodeName": node}}
    bound_pod["status"] = {**pod["status"], "conditions": conditions}
    if not options.dry_run:
        api.store.put("pods", bound_pod)

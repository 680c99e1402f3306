"""Deletion: preconditions, grace for bound pods, finalizers, namespaces, and what becomes of dependents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from canary.sandbox.apiserver.api import Api, Written
from canary.sandbox.apiserver.errors import bad_request, conflict
from canary.sandbox.apiserver.objects import Json, namespace_of, timestamp, uid_of
from canary.sandbox.apiserver.writes import Target

_PROPAGATION = frozenset({"", "Background", "Foreground", "Orphan"})


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """``metav1.DeleteOptions``; Foreground is carried out like Background (the owner goes first)."""

    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    dry_run: bool = False

    @classmethod
    def parse(cls, body: Any, query: dict[str, str]) -> DeleteOptions:
        """Read the options from the body, or else from the query; raises 400."""
        body = body if isinstance(body, dict) else {}
        preconditions = body.get("preconditions") or {}
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        propagation = str(body.get("propagationPolicy") or query.get("propagationPolicy") or "")
        if propagation not in _PROPAGATION:
            raise bad_request(f"propagationPolicy {propagation!r} is none of Background, Foreground, Orphan")
        try:
            seconds = None if grace is None else int(grace)
        except (TypeError, ValueError) as exc:
            raise bad_request(f"gracePeriodSeconds {grace!r} is no integer") from exc
        return cls(
            grace_seconds=seconds,
            uid=str(preconditions.get("uid") or ""),
            resource_version=str(preconditions.get("resourceVersion") or ""),
            propagation=propagation,
            dry_run="All" in (body.get("dryRun") or ()) or query.get("dryRun") == "All",
        )


def delete(api: Api, target: Target, options: DeleteOptions) -> Written:
    """Delete an object, or mark it as being deleted when somebody has to let go of it first."""
    old = api.get(target)
    _check_preconditions(target, old, options)
    if options.dry_run:
        return Written(old, removed=True)
    if options.propagation == "Orphan":
        _orphan(api, uid_of(old))
    grace = _grace(target, old, options)
    held = bool(old["metadata"].get("finalizers")) or target.resource.key == "namespaces"
    if not held and grace == 0:
        return Written(api.complete_deletion(target, old), removed=True)
    marked = _marked(api, old, grace)
    if target.resource.key == "namespaces":
        marked["status"] = {**old["status"], "phase": "Terminating"}
    if marked["metadata"] == old["metadata"]:
        return Written(old)
    return Written(api.store.put(target.resource.key, marked))


def _check_preconditions(target: Target, old: Json, options: DeleteOptions) -> None:
    metadata = old["metadata"]
    for word, wanted, found in (
        ("UID", options.uid, metadata["uid"]),
        ("ResourceVersion", options.resource_version, metadata["resourceVersion"]),
    ):
        if wanted and wanted != found:
            why = f"the {word} in the precondition ({wanted}) does not match the {word} in record ({found}). "
            why += "The object might have been deleted and then recreated"
            raise conflict(target.resource.name, target.name, why)


def _grace(target: Target, old: Json, options: DeleteOptions) -> int:
    """Return the seconds that a bound pod gets; everything else gets none."""
    finished = (old.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    if not target.resource.graceful or not old["spec"].get("nodeName") or finished:
        return 0
    if options.grace_seconds is not None:
        return max(0, options.grace_seconds)
    return int(old["spec"].get("terminationGracePeriodSeconds", 30))


def _marked(api: Api, old: Json, grace: int) -> Json:
    metadata = dict(old["metadata"])
    if "deletionTimestamp" in metadata:
        # A second delete can only shorten what the first one granted.
        if grace < metadata.get("deletionGracePeriodSeconds", 0):
            metadata["deletionGracePeriodSeconds"] = grace
        return {**old, "metadata": metadata}
    metadata["deletionTimestamp"] = timestamp(api.clock() + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if "generation" in metadata:
        metadata["generation"] += 1
    return {**old, "metadata": metadata}


def _orphan(api: Api, owner: str) -> None:
    for resource in api.registry.types():
        for obj in api.store.items(resource.key):
            references = obj["metadata"].get("ownerReferences") or []
            kept = [reference for reference in references if reference.get("uid") != owner]
            if len(kept) == len(references):
                continue
            metadata = {**obj["metadata"], "ownerReferences": kept}
            if not kept:
                del metadata["ownerReferences"]
            api.store.put(resource.key, {**obj, "metadata": metadata})


def target_of(api: Api, key: str, obj: Json) -> Target:
    """Return the target of a stored object."""
    return api.target(key, namespace_of(obj), obj["metadata"]["name"])

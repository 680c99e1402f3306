"""From what a client sent to what is stored, as pure functions of the old object and the new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.sandbox.apiserver.admission import admission_of, keep_allocated
from canary.sandbox.apiserver.crds import CRD, crd_problems, list_map_keys, resource_type, with_crd_defaults
from canary.sandbox.apiserver.errors import ApiError, Cause, bad_request, conflict, invalid
from canary.sandbox.apiserver.managed import ListKeys, Path
from canary.sandbox.apiserver.metadata import check_metadata_types, metadata_problems
from canary.sandbox.apiserver.objects import Json, name_of, without_nulls
from canary.sandbox.apiserver.patches import merge_key
from canary.sandbox.apiserver.resources import ResourceType
from canary.sandbox.apiserver.schema import prune, violations, with_defaults

# Set by the server; what a client sends for them in an update is not looked at.
_KEPT_METADATA = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "name",
    "namespace",
    "uid",
)
_CLIENT_MAY_NOT_SET = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about."""

    resource: ResourceType
    version: str
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def api_version(self) -> str:
        """``group/version`` of the request."""
        return self.resource.api_version(self.version)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is asked for; ``validation`` (of custom resources) is Strict, Warn or Ignore."""

    manager: str
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False


def check_envelope(target: Target, body: Any) -> Json:
    """Return the body as an object of the target's kind and place; raises 400."""
    if not isinstance(body, dict):
        raise bad_request(
            f"the object provided is unrecognized: found {type(body).__name__}, wanted a JSON object"
        )
    kind, version = body.get("kind"), body.get("apiVersion")
    if kind is None or version is None:
        raise bad_request("Object 'Kind' or 'apiVersion' is missing: both must be set")
    if kind != target.resource.kind:
        raise bad_request(f"{kind} in version {version} cannot be handled as a {target.resource.kind}")
    if version != target.api_version:
        message = f"the API version in the data ({version}) does not match the expected API version "
        raise bad_request(f"{message}({target.api_version})")
    metadata = body.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise bad_request(f"unable to decode metadata: it must be an object, found {metadata!r}")
    check_metadata_types(body)
    if target.name and metadata.setdefault("name", target.name) != target.name:
        found = metadata["name"]
        raise bad_request(
            f"the name of the object ({found}) does not match the name on the URL ({target.name})"
        )
    if target.resource.namespaced and metadata.setdefault("namespace", target.namespace) != target.namespace:
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise bad_request(message)
    if not target.resource.namespaced:
        metadata.pop("namespace", None)
    return target.resource.accept(body)


def new_metadata(obj: Json) -> None:
    """Drop what a client may not set on a create; an explicit resourceVersion is an error."""
    if obj["metadata"].get("resourceVersion"):
        message = "resourceVersion should not be set on objects to be created"
        raise ApiError(500, "InternalError", message)
    for field in _CLIENT_MAY_NOT_SET:
        obj["metadata"].pop(field, None)


def check_version(resource: ResourceType, old: Json, new: Json, *, required: bool) -> None:
    """Enforce optimistic concurrency: 409 for another version or uid, 422 for a missing version."""
    version = str(new["metadata"].get("resourceVersion") or "")
    name = name_of(old)
    if not version or version == "0":
        if required:
            message = "Invalid value: 0: must be specified for an update"
            cause = Cause("metadata.resourceVersion", "FieldValueInvalid", message)
            raise invalid(resource.group, resource.kind, name, [cause])
    elif not version.isdigit():
        message = f'Invalid value: "{version}": must be an unsigned integer'
        cause = Cause("metadata.resourceVersion", "FieldValueInvalid", message)
        raise invalid(resource.group, resource.kind, name, [cause])
    elif version != old["metadata"]["resourceVersion"]:
        raise conflict(resource.name, name)
    uid = new["metadata"].get("uid")
    if uid and uid != old["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
        raise conflict(resource.name, name, why)


def carried_over(target: Target, old: Json, new: Json) -> Json:
    """Return the object to store: parts outside the addressed (sub)resource stay as they were."""
    if target.subresource == "status":
        kept = {key: value for key, value in old.items() if key != "status"}
        status = {"status": new["status"]} if "status" in new else {}
        return {**kept, **status, "metadata": dict(old["metadata"])}
    metadata = {key: value for key, value in new["metadata"].items() if key not in _KEPT_METADATA}
    metadata |= {key: old["metadata"][key] for key in _KEPT_METADATA if key in old["metadata"]}
    metadata.pop("selfLink", None)
    result = {**new, "metadata": metadata}
    if "status" in target.resource.subresources:
        result.pop("status", None)
        if "status" in old:
            result["status"] = old["status"]
    return result


def admitted(
    target: Target, old: Json | None, new: Json, options: WriteOptions, now: str
) -> tuple[Json, list[str]]:
    """Return the object with defaults and without unknown fields, and warnings; raises 400 or 422."""
    resource = target.resource
    causes = metadata_problems(resource.name, new)
    warnings: list[str] = []
    if resource.is_custom:
        new, warnings = _admit_custom(target, new, options)
        causes += violations(new, _schema(target))
    else:
        new = without_nulls(new)
        try:
            causes += _admit_builtin(resource, old, new, now)
        except (AttributeError, TypeError, KeyError, ValueError) as exc:
            # A map where a list belongs and the like: the real server fails to decode it.
            kind = resource.kind
            message = f"{kind} in version {target.version} cannot be handled as a {kind}: {exc!r}"
            raise bad_request(message) from exc
    if causes:
        raise invalid(resource.group, resource.kind, name_of(new), causes)
    return new, warnings


def _admit_builtin(resource: ResourceType, old: Json | None, new: Json, now: str) -> list[Cause]:
    """Fill the defaults of a built-in kind in place; return what is wrong with it."""
    if resource.key == CRD:
        causes = crd_problems(new)
        if not causes:
            with_crd_defaults(new, now)
            resource_type(new)
        return causes
    if resource.key == "services" and old is not None:
        keep_allocated(old, new)
    rules = admission_of(resource.name)
    rules.defaults(new)
    return rules.problems(new, old)


def _schema(target: Target) -> Any:
    return target.resource.custom[target.version].schema


def _admit_custom(target: Target, new: Json, options: WriteOptions) -> tuple[Json, list[str]]:
    pruned, unknown = prune(new, _schema(target))
    if unknown and options.validation == "Strict":
        named = ", ".join(f'unknown field "{path}"' for path in unknown)
        kind = target.resource.kind
        message = (
            f"{kind} in version {target.version!r} cannot be handled as a {kind}: strict decoding error: "
        )
        raise bad_request((message + named).replace("'", '"'))
    warnings = [f'unknown field "{path}"' for path in unknown] if options.validation == "Warn" else []
    return with_defaults(pruned, _schema(target)), warnings


def generation(target: Target, old: Json, new: Json) -> int:
    """Return the generation after this write: one more when more than metadata and status changed."""
    outside = {"metadata", "apiVersion", "kind"}
    if "status" in target.resource.subresources:
        outside.add("status")

    def body(obj: Json) -> Json:
        return {key: value for key, value in obj.items() if key not in outside}

    return int(old["metadata"].get("generation", 1)) + (body(old) != body(new))


def same_but_bookkeeping(old: Json, new: Json) -> bool:
    """Tell whether a write changes nothing that counts: such writes are not stored, as in the real server."""

    def essence(obj: Json) -> Json:
        metadata = {k: v for k, v in obj["metadata"].items() if k not in {"managedFields", "resourceVersion"}}
        return {**obj, "metadata": metadata}

    return essence(old) == essence(new)


def list_keys(target: Target) -> ListKeys:
    """Return how this kind's lists are keyed, for ownership of fields."""
    kind = target.resource.kind
    schema = _schema(target) if target.resource.is_custom else None

    def keys(path: Path, elements: list[Any]) -> tuple[str, ...] | None:
        if not all(isinstance(item, dict) for item in elements):
            return None
        if schema is not None and path[0] != "f:metadata":
            return list_map_keys(schema, path)
        key = merge_key(kind, path[-1][2:], elements)
        if key is None or not all(key in item for item in elements):
            return None
        return (key, "protocol") if key in {"port", "containerPort"} else (key,)

    return keys

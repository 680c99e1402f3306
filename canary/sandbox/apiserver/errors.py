"""The API's failures as ``metav1.Status``: code, reason, message and details like kube-apiserver's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from canary.sandbox.apiserver.objects import Json

# What kube-apiserver says for any 422 of a patch that cannot be applied, a failed ``test`` included.
PATCH_REJECTED = "the server rejected our request due to an error in our request"


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong: where, why (a ``CauseType`` such as ``FieldValueInvalid``), and in words."""

    field: str
    reason: str
    message: str


@dataclass(eq=False)
class ApiError(Exception):
    """A request that fails; becomes a ``Status`` object with this HTTP code."""

    code: int
    reason: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    continue_token: str = ""

    def status(self) -> Json:
        """Return the ``Status`` object that the client gets."""
        body: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            body["details"] = dict(self.details)
        return body | {"code": self.code}


def _details(resource: str, name: str) -> Json:
    plural, _, group = resource.partition(".")
    details = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in details.items() if value}


def not_found(resource: str, name: str) -> ApiError:
    """404: ``resource`` is ``plural.group`` (or ``plural`` in the core group)."""
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', _details(resource, name))


def unknown_path() -> ApiError:
    """404 for a path or a resource type that is not served."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: str, name: str) -> ApiError:
    """409: create of what is there."""
    return ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists', _details(resource, name))


def conflict(resource: str, name: str, why: str = "") -> ApiError:
    """409: the write was based on another version, or a precondition does not hold."""
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object was understood and is wrong in these fields."""
    texts = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    qualified = f"{kind}.{group}" if group else kind
    details: Json = {"name": name, "group": group, "kind": kind}
    details = {key: value for key, value in details.items() if value}
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {joined}', details)


def patch_rejected() -> ApiError:
    """422: a JSON Patch that does not apply; the server does not say which operation failed."""
    return ApiError(422, "Invalid", PATCH_REJECTED)


def bad_request(message: str) -> ApiError:
    """400: the request could not be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(resource: str, name: str, why: str, causes: Sequence[Cause] = ()) -> ApiError:
    """403: understood, and refused."""
    details = _details(resource, name)
    if causes:
        details["causes"] = [
            {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
        ]
    return ApiError(403, "Forbidden", f'{resource} "{name}" is forbidden: {why}', details)


def unauthorized() -> ApiError:
    """401: no token, or not ours."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    """405: the resource does not know this verb."""
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
    )


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415: a body in a format that this resource does not take."""
    message = "the body of the request was in an unknown format - accepted media types include: "
    return ApiError(415, "UnsupportedMediaType", message + ", ".join(accepted))


def not_acceptable() -> ApiError:
    """406: the client accepts nothing that this server can write."""
    return ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json")


def expired(message: str, continue_token: str = "") -> ApiError:
    """410: the version that was asked for is no longer in the history."""
    return ApiError(410, "Expired", message, continue_token=continue_token)


def version_too_large(asked: int, current: int) -> ApiError:
    """504: a list at a version that this server has not reached."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    message = f"Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", message, details, {"Retry-After": "1"})

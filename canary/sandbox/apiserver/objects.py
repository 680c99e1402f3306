"""Plain JSON objects as the API server holds them: copied by value, stamped in the API's own formats."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

Json = dict[str, Any]
Clock = Callable[[], datetime]
T = TypeVar("T")

# Kubernetes' alphabet for generated names: no vowels (no words), nothing that looks like something else.
SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def clone(value: T) -> T:
    """Return a deep copy of a JSON value; several times faster than ``copy.deepcopy``."""
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}  # type: ignore[return-value]
    if isinstance(value, list):
        return [clone(item) for item in value]  # type: ignore[return-value]
    return value


def without_nulls(value: Any) -> Any:
    """Return a deep copy in which no map has a null: for the built-in kinds null means absent."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def utc_now() -> datetime:
    """Return the wall clock's time."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Return ``metav1.Time``: RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: datetime) -> str:
    """Return ``metav1.MicroTime``: RFC 3339 in UTC, six digits of a second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Parse an RFC 3339 time; ``ValueError`` when it is none or has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or "T" not in text.upper():
        raise ValueError(f"{text!r} is not an RFC 3339 time with an offset")
    return moment.astimezone(UTC)


_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


def parse_micro_time(text: str) -> datetime:
    """Parse a ``metav1.MicroTime``; ``ValueError`` unless it has exactly six digits of a second."""
    if not _MICRO_TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not like 2006-01-02T15:04:05.000000Z")
    return parse_time(text)


def random_suffix(length: int) -> str:
    """Return ``length`` random characters that are safe at the end of an object's name."""
    return "".join(secrets.choice(SAFE_ALPHABET) for _ in range(length))


def name_of(obj: Json) -> str:
    """Return ``metadata.name`` or the empty string."""
    return str(obj.get("metadata", {}).get("name") or "")


def namespace_of(obj: Json) -> str:
    """Return ``metadata.namespace`` or the empty string (cluster-scoped)."""
    return str(obj.get("metadata", {}).get("namespace") or "")


def uid_of(obj: Json) -> str:
    """Return ``metadata.uid``."""
    return str(obj["metadata"]["uid"])


def controller_of(obj: Json) -> Json | None:
    """Return the owner reference that has ``controller: true``, if there is one."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return dict(reference)
    return None


def condition_of(obj: Json, kind: str) -> Json | None:
    """Return the status condition of this type, if the object has it."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == kind:
            return dict(condition)
    return None

"""What an answer of the API server means for the loop: the one place that maps HTTP to our errors.

Pure. The server's own words are always kept: they are what a person has to act on.
"""

from collections.abc import Mapping

import msgspec

from canary.adapters.decoding import decode
from canary.app.errors import ConflictError, NotFound, Retryable, TerminalError, WorldError

__all__ = ["Expired", "failure_of"]

PATCH_REJECTED = "the server rejected our request due to an error in our request"
"""All that a real API server says when a JSON Patch does not apply, a failed ``test`` included."""
DENIED = "denied the request"
"""In every denial by an admission webhook or policy, whatever status code it chose."""
LONGEST_WORDS = 500


class Expired(Retryable):
    """410: the version asked for is no longer in the server's history; list again."""


class _Details(msgspec.Struct):
    retryAfterSeconds: float = 0  # noqa: N815 - the wire's name
    causes: list[msgspec.Raw] = []


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    details: _Details | None = None


def failure_of(
    code: int, body: bytes, headers: Mapping[str, str], request: str, *, guarded: bool
) -> WorldError:
    """Return the error that an answer with ``code`` is; ``request`` is the method and path, for people.

    ``guarded`` says that the request was a JSON Patch with ``test`` operations: when it does not apply,
    the world has changed since it was observed.
    """
    status = _status(body)
    words = f"{request}: {code} {status.message or status.reason or 'without an explanation'}"
    if DENIED in status.message:
        return TerminalError(words)
    if code == 404:
        return NotFound(words)
    if code == 409 or (guarded and code == 422 and _is_rejected_patch(status)):
        return ConflictError(words)
    if code == 410:
        return Expired(words)
    if code in {408, 429} or code >= 500:
        return Retryable(words, retry_after_seconds=_retry_after(status, headers))
    return TerminalError(words)


def _status(body: bytes) -> _Status:
    try:
        return decode(body, _Status)
    except msgspec.MsgspecError:
        # A proxy in between answers in its own format; its first words are better than none.
        return _Status(message=body[:LONGEST_WORDS].decode("utf-8", "replace").strip())


def _is_rejected_patch(status: _Status) -> bool:
    has_causes = status.details is not None and bool(status.details.causes)
    return not has_causes and status.message.startswith(PATCH_REJECTED)


def _retry_after(status: _Status, headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    if status.details is not None and status.details.retryAfterSeconds > 0:
        return status.details.retryAfterSeconds
    return None

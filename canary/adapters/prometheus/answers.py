"""Answers: telling every way of not answering apart. Pure, but for the exceptions it reads.

``check`` raises ``Refused`` for anything but a complete, successful answer of the Prometheus API, and
``cause`` names what went wrong below HTTP. Neither repeats a body that is not the API's.
"""

import ssl
from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec
import requests
import urllib3

from canary.adapters.decoding import decode
from canary.domain.measurement import NoDataReason

__all__ = ["InstantRow", "MatrixRow", "Refused", "cause", "check"]

_MAX_WORDS: Final = 300


class Refused(Exception):
    """No answer to count by: the reason, and words that hold no secret of ours."""

    def __init__(self, reason: NoDataReason, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words


class MatrixRow(msgspec.Struct):
    """One series with its raw samples: (Unix seconds, value as text)."""

    shape: ClassVar[str] = "a matrix"
    metric: dict[str, str]
    # A native histogram has none of these.
    values: list[tuple[float, str]] | None = None
    histograms: msgspec.Raw | None = None

    def __post_init__(self) -> None:
        if self.values is None and self.histograms is None:
            raise ValueError("a series without samples: a matrix was expected")


class InstantRow(msgspec.Struct):
    """One series with its value at one moment."""

    shape: ClassVar[str] = "an instant vector"
    metric: dict[str, str]
    value: tuple[float, str]


class _Envelope(msgspec.Struct):
    status: str
    error_type: str = msgspec.field(name="errorType", default="")
    error: str = ""
    warnings: list[str] | None = None


def check(status: int, content_type: str, body: bytes) -> None:
    """Raise ``Refused`` unless ``body`` is a complete, successful answer."""
    envelope = _envelope(body)
    said = content_type or "no content type"
    if envelope is not None and envelope.error:
        said = _short(envelope.error)
    if status != 200:
        reason = _reason(status, "" if envelope is None else envelope.error_type)
        hint = "; is the URL that of the API?" if reason is NoDataReason.NOT_PROMETHEUS else ""
        raise Refused(reason, f"answered {status}: {said}{hint}")
    if envelope is None:
        raise Refused(NoDataReason.NOT_PROMETHEUS, f"answered 200 with {said}, not the API's JSON")
    if envelope.status != "success":
        raise Refused(NoDataReason.SERVER_ERROR, f"answered 200 and {_short(envelope.status)!r}: {said}")
    if envelope.warnings:
        raise Refused(NoDataReason.PARTIAL, f"warns: {_short('; '.join(envelope.warnings))}")


def _reason(status: int, error_type: str) -> NoDataReason:
    match status:
        case 401 | 403:
            return NoDataReason.UNAUTHORIZED
        case 400 | 422:
            return NoDataReason.REJECTED
        case 408 | 504:
            return NoDataReason.TIMEOUT
        case 503 if error_type == "timeout":
            return NoDataReason.TIMEOUT
        case code if code == 429 or code >= 500:
            return NoDataReason.SERVER_ERROR
        case _:
            return NoDataReason.NOT_PROMETHEUS


def cause(exc: BaseException) -> Refused:
    """What failed below HTTP, in the operating system's or TLS' own words."""
    chain = tuple(_chain(exc))
    for each in chain:
        if isinstance(each, ssl.SSLCertVerificationError):
            return Refused(NoDataReason.UNREACHABLE, f"TLS: {each.verify_message}")
    # Before the timeouts: urllib3 derives "no connection" from "connection timed out".
    for each in chain:
        if isinstance(each, OSError) and each.strerror and not isinstance(each, TimeoutError):
            return Refused(NoDataReason.UNREACHABLE, _short(each.strerror))
    timeouts = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
    if any(isinstance(each, timeouts) for each in chain):
        return Refused(NoDataReason.TIMEOUT, "no answer in time")
    if type(exc) is OSError:
        # How requests says that a file with certificates is missing.
        return Refused(NoDataReason.UNREACHABLE, _short(str(exc)))
    # The outer exceptions' texts hold URLs and header values: their names must do.
    innermost = chain[-1]
    return Refused(NoDataReason.UNREACHABLE, type(innermost).__name__)


def _envelope(body: bytes) -> _Envelope | None:
    try:
        return decode(body, _Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MAX_WORDS else f"{flat[:_MAX_WORDS]}…"


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """The exception and whatever it stems from, outermost first."""
    seen: set[int] = set()
    waiting = [exc]
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = (getattr(each, "reason", None), *each.args, each.__cause__, each.__context__)
        waiting += [candidate for candidate in inner if isinstance(candidate, BaseException)]

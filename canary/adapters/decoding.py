"""Decoding: JSON and plain values into our types, whichever thread is the first.

msgspec remembers what it finds out about a type before it has found out all of it (seen in 0.22.0). A thread
that decodes the type meanwhile follows a null pointer, and the process is gone. So what decodes a type is
made by one thread at a time, and nothing is decoded before it is made.
"""

import threading
from typing import Any, TypeVar

import msgspec

__all__ = ["convert", "decode"]

T = TypeVar("T")

_making = threading.Lock()
_made: dict[Any, msgspec.json.Decoder[Any]] = {}


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """Decode JSON as ``kind``. Raises ``msgspec.MsgspecError``."""
    found: T = _decoder(kind).decode(body)
    return found


def convert(value: object, kind: type[T]) -> T:
    """Take a decoded value for a ``kind``. Raises ``msgspec.ValidationError``."""
    _decoder(kind)
    return msgspec.convert(value, kind)


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    found = _made.get(kind)
    if found is None:
        with _making:
            found = _made.setdefault(kind, msgspec.json.Decoder(kind))
    return found

"""Values in the words of whoever writes YAML or JSON, for messages. No value makes a message long."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from canary.domain.wishes import LONGEST_SHOWN, quote, shorten

__all__ = ["kind_of", "shown"]

_KINDS: Final[tuple[tuple[type, str], ...]] = (
    (type(None), "nothing"),
    (bool, "a boolean"),  # before numbers, which booleans are to Python
    (int, "a number"),
    (float, "a number"),
    (str, "a text"),
    (date, "a date"),
    (bytes, "binary data"),
    (Mapping, "a mapping"),
    (Sequence, "a list"),
)


def kind_of(value: object) -> str:
    """Return what kind of value this is, such as ``a mapping``."""
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "a set")


def shown(value: object) -> str:
    """Return ``value`` as a message shows what was found: as JSON has it, a text in quotes, and short."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, date):
        return str(value)
    text = ""
    try:
        # In chunks: a few lines of YAML, with aliases of aliases, can stand for gigabytes.
        for chunk in _ENCODER.iterencode(value):
            text += chunk
            if len(text) > LONGEST_SHOWN:
                break
    except (TypeError, ValueError, RecursionError):
        # A key that is a date, or a value that holds itself, which YAML can write and JSON cannot.
        return kind_of(value)
    return shorten(text)


def _in_words(value: object) -> str:
    return str(value) if isinstance(value, date) else kind_of(value)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=_in_words)

"""The JSONPath that printer columns use: fields, indices, ``[*]`` and ``[?(@.field=="value")]``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(
    r"""\.(?P<name>(?:[^.\[\]\\]|\\.)+)
      | \[(?P<index>-?\d+|\*)\]
      | \['(?P<quoted>[^']+)'\]
      | \[\?\(@\.(?P<field>[^=!<>\s]+)\s*(?P<op>==|!=)\s*["'](?P<value>[^"']*)["']\)\]""",
    re.VERBOSE,
)


@lru_cache(maxsize=512)
def _tokens(path: str) -> tuple[re.Match[str], ...]:
    path = path if path.startswith((".", "[")) else f".{path}"
    return tuple(_TOKEN.finditer(path))


def find(document: Any, path: str) -> list[Any]:
    """Return every value at the path; nothing when there is none."""
    values = [document]
    for token in _tokens(path):
        values = [found for value in values for found in _step(value, token)]
    return values


def _step(value: Any, token: re.Match[str]) -> list[Any]:
    name = token["name"] or token["quoted"]
    if name is not None:
        name = name.replace("\\.", ".")
        return [value[name]] if isinstance(value, dict) and name in value else []
    if token["index"] == "*":
        return (
            list(value.values())
            if isinstance(value, dict)
            else list(value)
            if isinstance(value, list)
            else []
        )
    if not isinstance(value, list):
        return []
    if token["index"] is not None:
        place = int(token["index"])
        return [value[place]] if -len(value) <= place < len(value) else []
    wanted = token["op"] == "=="
    return [item for item in value if (_text(find(item, token["field"])) == token["value"]) is wanted]


def _text(found: list[Any]) -> str | None:
    if not found:
        return None
    return str(found[0]).lower() if isinstance(found[0], bool) else str(found[0])

"""Files that others read while they are replaced: a reader sees the old text or the new, never a part."""

import contextlib
import json
import os
from pathlib import Path


def replace_text(path: Path, text: str) -> None:
    """Write `text` beside `path`, then rename it there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def replace_json(path: Path, value: object) -> None:
    """`replace_text` with `value` as JSON, keys sorted, so that equal values are equal bytes."""
    replace_text(path, json.dumps(value, sort_keys=True))


def read_if_there(path: Path) -> str | None:
    """The text of `path`, or None when there is no such file yet."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None

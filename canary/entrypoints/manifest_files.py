"""Reading the files that a command line names: each once, directories by what is in them."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from canary.entrypoints.commands.options import CommandFailed

__all__ = ["ENDINGS", "STANDARD_INPUT", "contents_of"]

ENDINGS: Final = (".yaml", ".yml", ".json")
"""Of what is looked at in a directory."""
STANDARD_INPUT: Final = "-"
HIDDEN: Final = "."


def contents_of(names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Each file once, also when it is named twice, or by itself and by its directory."""
    known: set[Path] = set()
    for name in names:
        if name == STANDARD_INPUT:
            yield "<stdin>", sys.stdin.buffer.read()
            continue
        for path in _paths(name):
            content, real = _content_of(path), path.resolve()
            if real not in known:
                known.add(real)
                yield str(path), content


def _paths(name: str) -> list[Path]:
    path = Path(name)
    if not path.is_dir():
        return [path]
    inside = sorted(each for each in _inside(path) if each.suffix in ENDINGS and each.is_file())
    if not inside:
        raise CommandFailed(f"{name} holds no {', '.join(ENDINGS)} file")
    return inside


def _inside(directory: Path) -> Iterator[Path]:
    """Every file below, but for what is hidden: that belongs to tools, such as .git and .terraform."""
    for place, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if not name.startswith(HIDDEN)]
        yield from (Path(place, name) for name in names if not name.startswith(HIDDEN))


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise CommandFailed(f"cannot read {path}: {exc.strerror}") from exc

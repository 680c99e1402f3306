"""Reading the files that a command line names: each once, directories by what is in them."""

import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

__all__ = ["ENDINGS", "STANDARD_INPUT", "UnreadableFile", "contents_of", "no_file"]

ENDINGS: Final = (".yaml", ".yml", ".json")
"""Of what is looked at in a directory."""
STANDARD_INPUT: Final = "-"
HIDDEN: Final = "."


class UnreadableFile(Exception):
    """Nothing can be read by this name; ``str`` says why and what would be right."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(problem)
        self.file = file


def contents_of(names: tuple[str, ...]) -> Iterator[tuple[str, bytes] | UnreadableFile]:
    """Each file once, also when it is named twice, or by itself and by its directory.

    What cannot be read is told in its turn: it must not hide the others.
    """
    known: set[Path] = set()
    for name in names:
        if name == STANDARD_INPUT:
            yield "<stdin>", sys.stdin.buffer.read()
            continue
        for path in _paths(name):
            if isinstance(path, UnreadableFile):
                yield path
            elif (real := _real(path)) not in known:
                known.add(real)
                yield _content_of(path)


def _paths(name: str) -> Sequence[Path | UnreadableFile]:
    path = Path(name)
    if not path.is_dir():
        return [path]
    unreadable: list[UnreadableFile] = []
    found = _inside(path, lambda error: unreadable.append(_unreadable(error.filename, error)))
    inside = sorted(each for each in found if each.suffix in ENDINGS)
    if not inside and not unreadable:
        return [UnreadableFile(name, f"the directory holds no {', '.join(ENDINGS)} file")]
    return [*unreadable, *inside]


def _inside(directory: Path, on_error: Callable[[OSError], None]) -> Iterator[Path]:
    """Every file below, but for what is hidden: that belongs to tools, such as .git and .terraform."""
    for place, directories, names in os.walk(directory, onerror=on_error):
        directories[:] = [name for name in directories if not name.startswith(HIDDEN)]
        files = (Path(place, name) for name in names if not name.startswith(HIDDEN))
        yield from (each for each in files if each.is_file())


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        # A link to itself: reading it tells.
        return path


def _content_of(path: Path) -> tuple[str, bytes] | UnreadableFile:
    try:
        if kind := no_file(path):
            return UnreadableFile(str(path), f"is {kind}: name a file, a directory, or - for a pipe")
        return str(path), path.read_bytes()
    except OSError as exc:
        return _unreadable(str(path), exc)


def no_file(path: Path) -> str | None:
    """What ``path`` is if it must not be read; None for a file, and what is handed over. Raises ``OSError``.

    What is neither may never end, or wait for whoever writes into it, who may never come.
    """
    mode = path.stat().st_mode
    return None if stat.S_ISREG(mode) or _is_handed_over(path) else _kind(mode)


def _is_handed_over(path: Path) -> bool:
    """Whether whoever called us opened it for us: ``/dev/stdin``, or what a shell makes of ``<(...)``."""
    return path == Path("/dev/stdin") or path.parent in {Path("/dev/fd"), Path("/proc/self/fd")}


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISDIR(mode):
        return "a directory"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _unreadable(file: str, error: OSError) -> UnreadableFile:
    return UnreadableFile(file, f"cannot be read: {error.strerror}")

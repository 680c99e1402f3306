"""Refuse what has grown too large to live in: files over 400 lines, functions over 70, seven parameters."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MOST_LINES_IN_A_FILE = 400
MOST_LINES_IN_A_FUNCTION = 70
MOST_PARAMETERS = 8


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(name) for name in listed.stdout.split() if Path(name).exists()]


def complaints(path: Path, source: str) -> Iterator[str]:
    lines = source.count("\n")
    if lines > MOST_LINES_IN_A_FILE:
        yield f"{path}: {lines} lines; the limit is {MOST_LINES_IN_A_FILE}"
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        size = (node.end_lineno or node.lineno) - node.lineno + 1
        if size > MOST_LINES_IN_A_FUNCTION:
            yield f"{path}:{node.lineno} {node.name}: {size} lines; the limit is {MOST_LINES_IN_A_FUNCTION}"
        arguments = node.args
        count = len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)
        if count > MOST_PARAMETERS:
            yield f"{path}:{node.lineno} {node.name}: {count} parameters; the limit is {MOST_PARAMETERS}"


def main() -> int:
    found = [line for path in tracked_files() for line in complaints(path, path.read_text())]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

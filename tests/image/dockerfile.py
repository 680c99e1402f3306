"""Just enough of a Dockerfile's language to carry out the build stage of ours without an engine.

It knows the instructions that stand in our file and refuses any other; .dockerignore likewise.
"""

import fnmatch
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.chart.rendering import ROOT

__all__ = ["Instruction", "build", "entrypoint", "instructions", "sent", "stages"]

TARGET = "/opt/canary"
HARMLESS = {"ARG", "LABEL", "ENV", "WORKDIR", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    name: str
    words: str


def instructions() -> list[Instruction]:
    """The instructions of our Dockerfile, in order."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [Instruction(*line.split(maxsplit=1)) for line in joined if line.strip()]


def stages(found: list[Instruction]) -> list[list[Instruction]]:
    """The instructions of each stage; those before the first FROM belong to none."""
    starts = [place for place, item in enumerate(found) if item.name == "FROM"]
    return [found[start:end] for start, end in zip(starts, [*starts[1:], len(found)], strict=True)]


def entrypoint() -> list[str]:
    """The command that the image starts with."""
    words = next(item.words for item in stages(instructions())[-1] if item.name == "ENTRYPOINT")
    command: list[str] = json.loads(words)
    return command


def sent(path: PurePosixPath) -> bool:
    """Whether .dockerignore lets a file of the tree go to the builder: the last line that matches decides."""
    is_sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        if any(_matches(candidate, pattern) for candidate in (path, *path.parents)):
            is_sent = line.startswith("!")
    return is_sent


def _matches(path: PurePosixPath, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatch(path.name, pattern.removeprefix("**/"))
    parts, wanted = path.parts, PurePosixPath(pattern).parts
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatch, parts, wanted))


def context(directory: Path) -> Path:
    """Copy what an engine would be sent into ``directory``."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for name in listed.stdout.splitlines():
        if sent(PurePosixPath(name)) and (ROOT / name).is_file():
            destination = directory / name
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, destination)
    return directory


def build(directory: Path, python: str) -> Path:
    """Carry out the build stage in ``directory``; return the tree that the final stage copies.

    ``/opt/canary`` lies in ``directory``, and ``python`` is put where the build image has it.
    """
    source, work, tree = context(directory / "context"), directory / "src", directory / "opt" / "canary"
    work.mkdir()
    (directory / "bin").mkdir()
    (directory / "bin" / "python").write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    (directory / "bin" / "python").chmod(0o755)
    # Nothing of this machine's environment but the way to a package index, which an engine's build has too.
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or "PROXY" in name.upper()
    }
    environment = kept | {"PATH": f"{directory / 'bin'}:/usr/bin:/bin", "HOME": str(directory)}
    for item in stages(instructions())[0][1:]:
        words = item.words.replace(TARGET, str(tree))
        if item.name == "COPY":
            origin, destination = words.split()
            _copy(source / origin, work / destination)
        elif item.name == "RUN":
            subprocess.run(["/bin/sh", "-ec", words], cwd=work, env=environment, timeout=300, check=True)
        elif item.name not in HARMLESS:
            raise AssertionError(f"{item.name}: this reader of Dockerfiles does not know it")
    return tree


def _copy(origin: Path, destination: Path) -> None:
    if origin.is_dir():
        shutil.copytree(origin, destination)
    else:
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, destination)

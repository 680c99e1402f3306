"""The Dockerfile says what it must, and the linter finds nothing. (Trivy: tests/chart/test_security.py.)"""

import subprocess
from dataclasses import dataclass

from tests.chart.rendering import ROOT
from tests.processes_of_venv import program


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction, its continuation lines joined."""

    name: str
    words: str


def stages() -> list[list[Instruction]]:
    """The instructions of each stage; those before the first FROM belong to none."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    found = [Instruction(*line.split(maxsplit=1)) for line in joined if line.strip()]
    starts = [place for place, item in enumerate(found) if item.name == "FROM"]
    return [found[start:end] for start, end in zip(starts, [*starts[1:], len(found)], strict=True)]


def test_hadolint_finds_nothing() -> None:
    command = [program("hadolint"), "--failure-threshold=style", str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_there_are_two_stages_and_what_builds_is_not_what_runs() -> None:
    build, final = stages()
    assert build[0].words == "${BUILD_IMAGE} AS build"
    assert final[0].words == "${RUNTIME_IMAGE}"
    assert [item.words.split()[0] for item in final if item.name == "COPY"] == ["--from=build", "LICENSE"]


def test_nothing_runs_in_the_final_stage_for_it_has_no_shell() -> None:
    assert not [item for item in stages()[-1] if item.name == "RUN"]


def test_dependencies_are_installed_by_hash_and_nothing_is_built() -> None:
    build = "\n".join(item.words for item in stages()[0])
    assert build.count("pip install") == 1
    assert "--require-hashes" in build
    assert "--only-binary=:all:" in build


def test_no_registry_is_assumed() -> None:
    text = (ROOT / "Dockerfile").read_text()
    # The one that decides what runs in production must be named by whoever builds.
    assert "\nARG RUNTIME_IMAGE\n\nFROM " in text

"""The Dockerfile says what it must, and the linter finds nothing."""

import subprocess

from tests.chart.rendering import ROOT
from tests.image.dockerfile import Instruction, instructions, stages
from tests.processes_of_venv import program


def last_stage() -> list[Instruction]:
    return stages(instructions())[-1]


def value_of(name: str) -> str:
    found = [item.words for item in last_stage() if item.name == name]
    assert len(found) == 1
    return found[0]


def test_hadolint_finds_nothing() -> None:
    command = [program("hadolint"), "--failure-threshold=style", str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_user_is_a_number_and_not_root() -> None:
    user, group = value_of("USER").split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_nothing_runs_in_the_final_stage_for_it_has_no_shell() -> None:
    assert not [item for item in last_stage() if item.name == "RUN"]
    assert value_of("ENTRYPOINT").startswith("[")
    assert value_of("CMD") == '["controller"]'


def test_dependencies_are_installed_by_hash_and_nothing_is_built() -> None:
    build = "\n".join(item.words for item in stages(instructions())[0])
    assert build.count("pip install") == 1
    assert "--require-hashes" in build
    assert "--only-binary=:all:" in build


def test_image_says_what_it_is() -> None:
    labels = value_of("LABEL")
    for name in ("title", "description", "licenses", "version", "revision", "created"):
        assert f"org.opencontainers.image.{name}=" in labels


def test_no_registry_is_assumed() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert [line for line in text.splitlines() if line.startswith("FROM ")] == [
        "FROM ${BUILD_IMAGE} AS build",
        "FROM ${RUNTIME_IMAGE}",
    ]
    # The one that decides what runs in production must be named by whoever builds.
    assert "\nARG RUNTIME_IMAGE\n" in text

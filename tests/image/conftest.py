"""The image, built once for all tests that ask something of it."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

import pytest

from tests.chart.rendering import NEEDED, ROOT, render, settings_of
from tests.image.bases import RELEASES, Release, make_bases
from tests.image.engine import Engine, running_engine

NAME: Final = "localhost/canary"
SOMEBODY: Final = "1000650000:0"
"""A user that no file knows, in root's group: as OpenShift would choose one."""
ARGUMENTS: Final = {"VERSION": "1.2.3", "REVISION": "0123abc", "CREATED": "2030-01-02T03:04:05Z"}


@dataclass(frozen=True, slots=True)
class Image:
    """The built image in its engine's store, and a directory with the chart's settings."""

    engine: Engine
    settings: Path
    release: Release
    name: str = NAME

    def run(self, *arguments: str, options: Sequence[str] = ()) -> CompletedProcess[str]:
        """Start a program of the image, as somebody whom no file knows and with the chart's settings."""
        mounted = (f"--user={SOMEBODY}", f"--volume={self.settings}:/etc/canary:ro")
        return self.engine.run(self.name, *arguments, options=(*mounted, *options))

    def python(self, code: str) -> str:
        """Run some Python in the place of the image's program; what it printed."""
        done = self.run("-c", code, options=('--entrypoint=["/usr/bin/python3", "-I"]',))
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    directory = tmp_path_factory.mktemp("engine")
    with running_engine(directory) as engine:
        yield engine
    shutil.rmtree(directory)


@pytest.fixture(scope="session", params=RELEASES, ids=lambda release: release.name)
def image(request: pytest.FixtureRequest, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Image:
    release = request.param
    bases = tmp_path_factory.mktemp(release.name)
    make_bases(engine, release, bases)
    shutil.rmtree(bases)
    settings = tmp_path_factory.mktemp("settings")
    settings.chmod(0o755)
    (settings / "config.yaml").write_text(settings_of(render(NEEDED)))
    given = {"BUILD_IMAGE": release.build, "RUNTIME_IMAGE": release.runtime} | ARGUMENTS
    engine.build(NAME, ROOT, *(f"--build-arg={name}={value}" for name, value in given.items()))
    return Image(engine, settings, release)

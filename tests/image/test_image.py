"""What the Dockerfile builds starts as any user, on a root file system that nobody can write to."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from canary import __version__
from tests.chart.rendering import NEEDED, render, settings_of
from tests.image.dockerfile import build, entrypoint, sent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SOMEBODY = 1_000_650_000
"""A user that no file knows, as OpenShift would choose one."""
DEBIANS_PYTHON = "/usr/bin/python3"
"""The distroless image has Debian 12's Python, under this name."""

ENTER = """
set -e
mount --make-rprivate /
mount --bind "$1" /opt
mount -o remount,bind,ro /opt
mount --bind "$2" /mnt
mount -o remount,bind,ro /mnt
mount --bind / / && mount -o remount,bind,ro /
mount -t tmpfs -o size=64m,mode=1777 tmpfs /tmp
cd /tmp
shift 2
exec setpriv --reuid="$SOMEBODY" --regid="$SOMEBODY" --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all env -i HOME=/tmp "$@"
"""


@dataclass(frozen=True, slots=True)
class Image:
    """The built tree: as /opt/canary in a mount namespace of its own, beside a directory of settings."""

    opt: Path
    settings: Path

    def run(self, *arguments: str, variables: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Start the image with arguments, as a container would."""
        return self.execute(*variables, *entrypoint(), *arguments)

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        enter = ["unshare", "--mount", "/bin/sh", "-c", ENTER, "sh", str(self.opt), str(self.settings)]
        return subprocess.run(
            [*enter, *command],
            env={"PATH": os.environ["PATH"], "SOMEBODY": str(SOMEBODY)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def can_make_namespaces() -> bool:
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=10, check=False)
    return done.returncode == 0 and os.getuid() == 0


def has_the_images_python() -> bool:
    if not Path(DEBIANS_PYTHON).exists():
        return False
    asked = [DEBIANS_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"]
    return subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout == "3 11\n"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if not can_make_namespaces() or not has_the_images_python():
        pytest.skip(f"needs root, mount namespaces, and Python 3.11 as {DEBIANS_PYTHON}")
    directory = tmp_path_factory.mktemp("image")
    tree = build(directory, interpreter_with_pip())
    settings = directory / "etc"
    settings.mkdir()
    (settings / "config.yaml").write_text(settings_of(render(NEEDED)))
    for place in (directory, *directory.parents):
        if place.stat().st_uid == os.getuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)
    yield Image(tree.parent, settings)
    shutil.rmtree(directory)


def interpreter_with_pip() -> str:
    """A Python 3.11 with pip, as the build image has; its packages are not those of this project."""
    return str(Path(sys.base_prefix) / "bin" / "python3.11")


def test_canaryctl_says_its_version(image: Image) -> None:
    done = image.run("canaryctl", "version")
    assert (done.returncode, done.stdout) == (0, f"canaryctl {__version__}\n"), done.stderr


def test_controller_takes_the_charts_settings(image: Image) -> None:
    done = image.run("controller", "--print-config", variables=["CANARY_CONFIG=/mnt/config.yaml"])
    assert done.returncode == 0, done.stderr
    assert "url: http://prometheus.monitoring:9090" in done.stdout
    assert "namespace: canary-system" in done.stdout


def test_controller_says_what_it_lacks_without_a_cluster(image: Image) -> None:
    done = image.run("controller", variables=["CANARY_CONFIG=/mnt/config.yaml"])
    assert done.returncode == 1
    assert "no cluster: KUBECONFIG is not set" in done.stdout + done.stderr


def test_page_finds_its_templates_in_the_image(image: Image) -> None:
    ask = """
import sys
sys.path.insert(0, "/opt/canary")
from canary.entrypoints.page.html import html
content = {"title": "a < b", "words": "c", "up": "./", "refreshes": False, "lively": ""}
print(html(200, "message.html", content).body.decode())
"""
    done = image.execute(DEBIANS_PYTHON, "-I", "-c", ask)
    assert done.returncode == 0, done.stderr
    assert "<title>a &lt; b · Canary</title>" in done.stdout


def test_image_without_a_program_names_those_it_has(image: Image) -> None:
    done = image.run("sh")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "canary: sh is no program of this image; it has controller and canaryctl\n"


def test_nothing_but_tmp_can_be_written(image: Image) -> None:
    attempt = """
import json, os, tempfile
said = {"user": os.getuid(), "groups": os.getgroups()}
for place in ("/opt/canary", "/opt/canary/canary", "/mnt", "/usr/lib", "/etc", "/tmp"):
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            said[place] = "written"
    except OSError as error:
        said[place] = error.errno
print(json.dumps(said))
"""
    said = json.loads(image.execute(DEBIANS_PYTHON, "-I", "-c", attempt).stdout)
    assert said.pop("user") == SOMEBODY
    assert said.pop("groups") == []
    assert said.pop("/tmp") == "written"  # noqa: S108 - the container's own
    assert set(said.values()) <= {13, 30}  # refused, or a read-only file system


def test_every_module_is_there_as_bytecode_that_is_used(image: Image) -> None:
    sources = list(image.opt.rglob("*.py"))
    assert len(sources) > 1000
    missing = [path for path in sources if not list((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"))]
    assert missing == []
    loaded = image.execute(DEBIANS_PYTHON, "-I", "-v", "/opt/canary", "canaryctl", "version").stderr
    ours = [line for line in loaded.splitlines() if line.startswith("# code object from '/opt/canary")]
    assert len(ours) > 10
    assert [line for line in ours if not line.endswith(".pyc'")] == []


def test_neither_variables_nor_the_present_directory_can_put_other_code_in(image: Image) -> None:
    bad = "import pathlib, subprocess, sys; pathlib.Path('/tmp/click.py').write_text('raise SystemExit(99)');"
    bad += "sys.exit(subprocess.run(sys.argv[1:], env={'PYTHONPATH': '/tmp', 'HOME': '/tmp'}).returncode)"
    done = image.execute(DEBIANS_PYTHON, "-I", "-c", bad, *entrypoint(), "canaryctl", "version")
    assert done.returncode == 0, done.stderr


def test_image_has_what_it_needs_and_nothing_of_development(image: Image) -> None:
    tree = image.opt / "canary"
    names = {path.name.lower() for path in tree.iterdir()}
    assert {"canary", "kubernetes", "msgspec", "__main__.py"} <= names
    assert not names & {"bin", "pip", "pytest", "envoy", "starlette", "uvicorn", "tests", "setuptools"}
    assert not (tree / "canary" / "sandbox").exists()
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    assert size < 130_000_000


def test_demo_that_is_not_in_the_image_says_so(image: Image) -> None:
    done = image.run("canaryctl", "demo")
    assert done.returncode != 0
    assert "the demo needs" in done.stderr


@pytest.mark.parametrize(
    ("name", "is_sent"),
    [
        ("canary/app/loop.py", True),
        ("canary/app/__pycache__/loop.cpython-311.pyc", False),
        ("canary/sandbox/cluster.py", False),
        ("canary/entrypoints/demo.py", False),
        ("canary/entrypoints/commands/demo.py", True),
        ("canary/entrypoints/page/templates/list.html", True),
        ("image/__main__.py", True),
        ("requirements/core.lock", True),
        ("requirements/dev.lock", False),
        (".git/config", False),
        ("tests/image/test_image.py", False),
    ],
)
def test_builder_is_sent_what_the_image_is_made_of(name: str, is_sent: bool) -> None:
    assert sent(PurePosixPath(name)) is is_sent

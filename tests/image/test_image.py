"""What is in the image that a real engine builds, and what is not."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from requirements.locks import CORE
from requirements.sbom import bill
from tests.chart.rendering import ROOT
from tests.image.conftest import ARGUMENTS, Image
from tests.image.engine import Engine
from tests.processes_of_venv import program

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]

Json = dict[str, Any]

EVERY_FILE = """
import json, os, stat
found = []
for place, _, names in os.walk("/"):
    if place.split("/")[1] not in ("proc", "sys", "dev"):
        for path in (os.path.join(place, name) for name in names):
            said = os.lstat(path)
            found.append([path, said.st_mode, said.st_uid, said.st_gid])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def files(image: Image) -> dict[str, tuple[int, int, int]]:
    """Every file of a running container, with its mode, owner and group."""
    return {path: (mode, user, group) for path, mode, user, group in json.loads(image.python(EVERY_FILE))}


@pytest.fixture(scope="module")
def saved(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as a directory of the Open Container Initiative's format."""
    directory = tmp_path_factory.mktemp("saved") / "canary"
    image.engine.done("save", "--quiet", "--format=oci-dir", f"--output={directory}", image.name)
    return directory


def packages(document: Json) -> set[str]:
    return {one["purl"] for one in document["components"] if one.get("purl", "").startswith("pkg:pypi/")}


def trivy(saved: Path, cache: Path, *options: str) -> Json:
    command = [program("trivy"), "image", f"--input={saved}", "--quiet", "--offline-scan"]
    command += ["--skip-version-check", "--skip-check-update", f"--cache-dir={cache}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    found: Json = json.loads(done.stdout)
    return found


def test_engine_takes_from_the_dockerfile_how_it_is_started(image: Image) -> None:
    configuration = image.engine.configuration(image.name)
    user, group = configuration["User"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert configuration["Entrypoint"] == ["/usr/bin/python3", "-I", "/opt/canary"]
    assert configuration["Cmd"] == ["controller"]
    assert configuration["WorkingDir"] == "/tmp"  # noqa: S108 - the container's own
    assert configuration["StopSignal"] == "SIGTERM"
    assert configuration["ExposedPorts"].keys() == {"8080/tcp"}


def test_image_says_what_it_is(image: Image) -> None:
    labels = image.engine.configuration(image.name)["Labels"]
    prefix = "org.opencontainers.image."
    said = {name.removeprefix(prefix): value for name, value in labels.items() if name.startswith(prefix)}
    assert said.pop("description")
    assert said == {
        "title": "canary",
        "licenses": "Apache-2.0",
        "base.name": image.release.runtime,
        **{name.lower(): value for name, value in ARGUMENTS.items()},
    }


def test_it_has_no_program_but_python(image: Image, files: dict[str, tuple[int, int, int]]) -> None:
    programs = {path for path in files if path.split("/")[-2] in ("bin", "sbin")}
    assert programs == {"/usr/bin/python3", f"/usr/bin/python{image.release.python}"}
    ours = [path for path in files if path.startswith("/opt/")]
    # A library may be marked so, and a module of a package; neither is started as it is.
    others = [path for path in ours if not path.endswith((".so", ".py")) and ".so." not in path]
    assert [path for path in others if files[path][0] & 0o111] == []


def test_what_is_ours_belongs_to_root_and_to_nobody_else(files: dict[str, tuple[int, int, int]]) -> None:
    ours = {path: said for path, said in files.items() if path.startswith("/opt/")}
    assert len(ours) > 1000
    assert {said[1:] for said in ours.values()} == {(0, 0)}
    assert [path for path, said in ours.items() if said[0] & 0o022] == []


def test_it_has_all_of_canary_but_the_sandbox_and_the_demo(files: dict[str, tuple[int, int, int]]) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "canary"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    left_out = ("canary/sandbox/", "canary/entrypoints/demo")
    wanted = {name for name in listed.stdout.splitlines() if not name.startswith(left_out)}
    root = "/opt/canary/"
    here = {path.removeprefix(root) for path in files if path.startswith(root + "canary/")}
    assert {name for name in here if "__pycache__" not in name} == wanted
    assert "canary/entrypoints/commands/demo.py" in wanted
    assert root + "LICENSE" in files


def test_every_module_is_there_as_bytecode(image: Image, files: dict[str, tuple[int, int, int]]) -> None:
    sources = [Path(path) for path in files if path.startswith("/opt/") and path.endswith(".py")]
    assert len(sources) > 1000
    tag = f"cpython-{image.release.python.replace('.', '')}"
    compiled = [str(path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc") for path in sources]
    assert [path for path in compiled if path not in files] == []


def test_its_packages_are_those_of_the_bill_of_materials(
    image: Image, files: dict[str, tuple[int, int, int]]
) -> None:
    asked = "import json, sys; sys.path.insert(0, '/opt/canary'); from importlib import metadata;"
    asked += "print(json.dumps([[one.name, one.version] for one in metadata.distributions()]))"
    installed = [
        f"pkg:pypi/{name.lower().replace('_', '-').replace('.', '-')}@{version}"
        for name, version in json.loads(image.python(asked))
    ]
    assert sorted(installed) == sorted(packages(json.loads(bill(CORE))))
    assert len(installed) == len([path for path in files if path.endswith(".dist-info/METADATA")])


def test_a_scanner_finds_in_it_what_the_bill_of_materials_says(saved: Path, tmp_path: Path) -> None:
    assert packages(trivy(saved, tmp_path, "--format=cyclonedx")) == packages(json.loads(bill(CORE)))


def test_a_scanner_finds_no_secret_in_it_and_nothing_that_is_not_meant(saved: Path, tmp_path: Path) -> None:
    report = trivy(
        saved,
        tmp_path,
        "--format=json",
        "--scanners=secret,misconfig",
        "--image-config-scanners=secret,misconfig",
        "--skip-dirs=/usr",
    )
    assert any(result.get("MisconfSummary", {}).get("Successes", 0) > 10 for result in report["Results"])
    assert [
        f"{result['Target']}: {item.get('ID') or item['RuleID']}"
        for result in report["Results"]
        for item in [*result.get("Misconfigurations", ()), *result.get("Secrets", ())]
    ] == []


def test_builder_is_sent_what_the_image_is_made_of_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    probe = tmp_path / "Dockerfile"
    probe.write_text("FROM scratch\nCOPY . /\n")
    engine.build("localhost/sent", ROOT, f"--file={probe}", f"--ignorefile={ROOT / '.dockerignore'}")
    engine.done("save", "--quiet", "--format=oci-dir", f"--output={tmp_path / 'sent'}", "localhost/sent")
    blobs = tmp_path / "sent" / "blobs" / "sha256"
    manifest = json.loads((tmp_path / "sent" / "index.json").read_text())["manifests"][0]["digest"]
    layers = json.loads((blobs / manifest.removeprefix("sha256:")).read_text())["layers"]
    listed = [
        subprocess.run(
            ["tar", "--list", "--file", str(blobs / layer["digest"].removeprefix("sha256:"))],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.splitlines()
        for layer in layers
    ]
    sent = {name.strip("/") for names in listed for name in names if not name.endswith("/")}
    assert {name for name in sent if not name.startswith("canary/")} == {
        "LICENSE",
        "image/__main__.py",
        "requirements/core.lock",
    }
    assert [name for name in sent if name.endswith(".pyc") or name.startswith("canary/sandbox")] == []

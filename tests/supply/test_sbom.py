"""The bill of materials says what core.lock installs in the image, all of it and nothing else."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from canary import __version__
from requirements.locks import CORE
from requirements.sbom import bill, main
from tests.chart.rendering import ROOT

Json = dict[str, Any]


@pytest.fixture(scope="module")
def text() -> str:
    return bill(CORE)


@pytest.fixture(scope="module")
def document(text: str) -> Json:
    found: Json = json.loads(text)
    return found


def core_lock() -> dict[str, tuple[str, set[str]]]:
    """Versions and hashes, read in another way than the program under test reads them."""
    found: dict[str, tuple[str, set[str]]] = {}
    for line in CORE.read_text().splitlines():
        if pin := re.match(r"([a-z0-9-]+)==(\S+) \\$", line):
            name = pin[1]
            found[name] = (pin[2], set())
        elif digest := re.match(r"    --hash=sha256:([0-9a-f]{64})( \\)?$", line):
            found[name][1].add(digest[1])
        else:
            # A marker would be new in this file: this test must then learn of it.
            raise AssertionError(f"core.lock: {line}")
    return found


def test_it_has_what_the_lock_has_once_and_nothing_else(document: Json) -> None:
    parts = document["components"]
    assert {
        one["name"]: (one["version"], {digest["content"] for digest in one["hashes"]}) for one in parts
    } == core_lock()
    assert Counter(one["name"] for one in parts).most_common(1)[0][1] == 1
    assert {digest["alg"] for one in parts for digest in one["hashes"]} == {"SHA-256"}


def test_every_package_has_a_url_that_scanners_know_it_by(document: Json) -> None:
    for one in document["components"]:
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"


def test_every_package_has_a_licence(document: Json) -> None:
    assert [one["name"] for one in document["components"] if not one.get("licenses")] == []


def test_what_it_describes_is_canary_and_not_the_stranger_of_that_name(document: Json) -> None:
    described = document["metadata"]["component"]
    assert (described["name"], described["version"]) == ("canary", __version__)
    assert described["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert described["purl"] == f"pkg:generic/canary@{__version__}"


def test_what_canary_needs_is_what_it_asks_for(document: Json) -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    needed = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    names = {ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in needed["canary"]}
    assert names == {re.split(r"[\[<>=]", one)[0] for one in asked}


def test_nothing_is_locked_that_nothing_needs(document: Json) -> None:
    needed = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    reached, waiting = {"canary"}, ["canary"]
    while waiting:
        further = set(needed[waiting.pop()]) - reached
        reached |= further
        waiting += further
    assert reached == {"canary"} | {one["bom-ref"] for one in document["components"]}


def test_an_extra_brings_what_it_needs(document: Json) -> None:
    needed = {one["ref"].partition("@")[0]: one.get("dependsOn", []) for one in document["dependencies"]}
    # We ask for pydantic-settings[yaml]; without the extra it needs no YAML.
    assert any(ref.startswith("pkg:pypi/pyyaml@") for ref in needed["pkg:pypi/pydantic-settings"])


def test_it_follows_the_schema_which_a_wrong_one_would_not(text: str) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    assert validator.validate_str(text.replace('"SHA-256"', '"SHA-255"', 1)) is not None
    assert validator.validate_str(text.replace('"type": "application"', '"kind": "application"')) is not None


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dist" / "canary.cdx.json"
    command = [sys.executable, "-m", "requirements.sbom", str(path)]
    # Another process at another time, whose sets have another order.
    other = os.environ | {"PYTHONHASHSEED": "7", "TZ": "UTC+7"}
    done = subprocess.run(
        command, cwd=ROOT, env=other, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert path.read_text() == text


def test_a_package_that_is_not_installed_as_locked_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "core.lock"
    lock.write_text(CORE.read_text().replace("idna==3.", "idna==2."))
    with pytest.raises(RuntimeError, match=r"idna 3\.\d+ is installed, core\.lock has 2\.\d+: run `make"):
        bill(lock)


def test_a_package_that_is_not_installed_at_all_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "core.lock"
    lock.write_text("no-such-package==1.0 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(RuntimeError, match=r"no-such-package 1\.0 is not installed: run `make sbom`"):
        bill(lock)


def test_it_must_be_told_where_to_write(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: " in capsys.readouterr().err

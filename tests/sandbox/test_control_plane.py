"""Where the programs of a real control plane come from, and what is said when they cannot be had."""

import hashlib
from pathlib import Path

import pytest

from canary.sandbox.control_plane import ControlPlaneMissing
from canary.sandbox.control_plane.binaries import MODULE, find_binaries
from canary.sandbox.control_plane.credentials import write_signing_key
from canary.sandbox.control_plane.published import ISTIO, published_crds

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")


def put(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()
    return directory


def silent(text: str) -> None:
    """Take what is said and keep it to itself."""


@pytest.fixture
def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Go, without assets and with an empty cache; what is in the directory is the PATH."""
    path = put(tmp_path / "bin")
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("CANARY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setattr("canary.sandbox.go._USUAL_PLACE", str(tmp_path / "no-go"))
    return path


def test_programs_are_taken_from_the_directory_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(put(tmp_path, *PROGRAMS)))
    assert find_binaries(silent).api_server == tmp_path / "kube-apiserver"


def test_a_program_that_archives_for_envtest_lack_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(put(tmp_path, "etcd", "kube-apiserver")))
    with pytest.raises(ControlPlaneMissing, match=r"has no kube-controller-manager \(archives made for env"):
        find_binaries(silent)


def test_programs_that_were_built_are_found_by_the_hash_of_their_sums(no_go: Path) -> None:
    digest = hashlib.sha256((MODULE / "go.sum").read_bytes()).hexdigest()[:16]
    kept = put(no_go.parent / "cache" / "control-plane" / digest, *PROGRAMS)
    assert find_binaries(silent).directory == kept


def test_without_go_it_is_said_what_would_help(no_go: Path) -> None:
    with pytest.raises(ControlPlaneMissing, match=r"unless KUBEBUILDER_ASSETS names .* needs Go 1\.26 or"):
        find_binaries(silent)
    assert list((no_go.parent / "cache" / "control-plane").glob("*/")) == []


def test_a_go_that_is_too_old_is_refused_by_its_version(no_go: Path) -> None:
    program = no_go / "go"
    program.write_text("#!/bin/sh\necho go1.25.9\n")
    program.chmod(0o755)
    with pytest.raises(ControlPlaneMissing, match=rf"{program} is go1\.25\.9: install it"):
        find_binaries(silent)


def test_a_module_with_another_hash_is_refused(no_go: Path) -> None:
    program = no_go / "go"
    program.write_text(
        '#!/bin/sh\n[ "$1" = env ] && echo go1.26.0 && exit\necho \'{"Sum": "h1:other", "Dir": "/"}\'\n'
    )
    program.chmod(0o755)
    with pytest.raises(ControlPlaneMissing, match="has the hash h1:other; it should have h1:"):
        published_crds(ISTIO, silent)


def test_signing_keys_differ_and_are_their_owners_alone(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for path in (first, second):
        write_signing_key(path)
        assert path.stat().st_mode & 0o077 == 0
    assert first.read_text() != second.read_text()

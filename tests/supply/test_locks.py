"""Lock files are read whole, and a marker says on which machines a package is installed."""

from pathlib import Path

import pytest

from requirements.locks import CORE, IMAGE, LOCKS, read

WINDOWS = dict(IMAGE) | {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}


def lock(directory: Path, text: str) -> Path:
    path = directory / "some.lock"
    path.write_text(text)
    return path


def test_a_package_has_its_version_and_all_its_hashes(tmp_path: Path) -> None:
    text = "Typing_Extensions==4.16.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n# a comment\n"
    (only,) = read(lock(tmp_path, text))
    assert (only.name, only.version) == ("typing-extensions", "4.16.0")
    assert only.hashes == ("sha256:aa", "sha256:bb")


@pytest.mark.parametrize(
    ("marker", "in_the_image", "on_windows"),
    [
        ("sys_platform == 'win32'", False, True),
        ("python_full_version < '3.12'", True, True),
        ("python_version >= '3.12'", False, False),
        ("platform_python_implementation != 'PyPy' and sys_platform != 'win32'", True, False),
    ],
)
def test_a_marker_decides_where_a_package_is_installed(
    tmp_path: Path, marker: str, in_the_image: bool, on_windows: bool
) -> None:
    (only,) = read(lock(tmp_path, f"colorama==0.4.6 ; {marker} \\\n    --hash=sha256:aa\n"))
    assert only.is_installed_on(IMAGE) is in_the_image
    assert only.is_installed_on(WINDOWS) is on_windows


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("idna==3.20", "at least one --hash"),
        ("idna>=3 --hash=sha256:aa", "one version with =="),
        ("--index-url https://example.org", "is no requirement"),
        ("-r other.lock", "is no requirement"),
    ],
)
def test_a_line_that_locks_nothing_is_refused(tmp_path: Path, line: str, why: str) -> None:
    with pytest.raises(ValueError, match=rf"some\.lock: .*{why}"):
        read(lock(tmp_path, line + "\n"))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_lock_names_each_package_once(path: Path) -> None:
    names = [one.name for one in read(path)]
    assert len(names) > 40
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", LOCKS[1:], ids=lambda path: path.name)
def test_what_is_tested_is_what_the_image_holds(path: Path) -> None:
    tested = {one.name: one for one in read(path)}
    for one in read(CORE):
        assert tested[one.name] == one

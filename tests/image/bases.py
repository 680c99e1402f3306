"""The two base images that the Dockerfile asks for, made of Debian's own packages.

What runs is built on what distroless python3 consists of: the same packages, unpacked, and nothing else, so
neither a shell nor a package manager. No package's script is run. What builds has a shell and pip. Both are
made for each release of Debian that the image may be built on.
"""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.image.engine import Engine

__all__ = ["RELEASES", "Release", "make_bases"]

_APT: Final = Path("/etc/apt")
_THIS_MACHINES: Final = "bookworm"
_WAY_TO_THE_INDEX: Final = (Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt"))


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Debian, its Python, and what distroless takes from it for that."""

    name: str
    python: str
    packages: tuple[str, ...]

    @property
    def runtime(self) -> str:
        """The name of the image that is run."""
        return f"localhost/distroless-python3-{self.name}"

    @property
    def build(self) -> str:
        """The name of the image that builds."""
        return f"localhost/python-{self.name}"


_COMMON: Final = (
    *("base-files", "netbase", "tzdata", "media-types", "libc6", "libgomp1", "libstdc++6", "libgcc-s1"),
    *("libbz2-1.0", "libexpat1", "liblzma5", "libsqlite3-0", "libuuid1", "libncursesw6", "libtinfo6"),
    *("zlib1g", "libcom-err2", "libcrypt1", "libgssapi-krb5-2", "libk5crypto3", "libkeyutils1"),
    *("libkrb5-3", "libkrb5support0", "libnsl2", "libffi8"),
)
_BOOKWORM: Final = (
    *("gcc-12-base", "libssl3", "libdb5.3", "libreadline8", "libtirpc3", "python3-distutils"),
    *("libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal"),
)
_TRIXIE: Final = (
    *("gcc-14-base", "libssl3t64", "libdb5.3t64", "libreadline8t64", "libtirpc3t64", "libzstd1"),
    *("libpython3.13-minimal", "libpython3.13-stdlib", "python3.13-minimal", "python3.13-venv"),
)
_BUILD_PACKAGES: Final = (
    *("dash", "coreutils", "libacl1", "libattr1", "libselinux1", "libpcre2-8-0", "libgmp10", "libcap2"),
    *("libsystemd0", "python3-pip-whl"),
)
RELEASES: Final = (
    Release("bookworm", "3.11", _COMMON + _BOOKWORM),
    Release("trixie", "3.13", _COMMON + _TRIXIE),
)


def make_bases(engine: Engine, release: Release, directory: Path) -> None:
    """Make both images of a release in the engine's store, working in ``directory``."""
    runtime, build = directory / "runtime", directory / "build"
    downloads = _download((*release.packages, *_BUILD_PACKAGES), release, directory)
    _unpack(release, release.packages, downloads, runtime)
    _unpack(release, (*release.packages, *_BUILD_PACKAGES), downloads, build)
    (build / "usr" / "bin" / "python").symlink_to(f"python{release.python}")
    (pip,) = (build / "usr" / "share" / "python-wheels").glob("pip-*.whl")
    with zipfile.ZipFile(pip) as wheel:
        wheel.extractall(build / "usr" / "lib" / "python3" / "dist-packages")
    # As this machine reaches its package index, so does the build; the image that runs is not told.
    for path in _WAY_TO_THE_INDEX:
        if path.is_file():
            copy = build / path.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    known = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    engine.make_base(release.runtime, runtime, {})
    engine.make_base(release.build, build, known)


def _download(packages: Sequence[str], release: Release, directory: Path) -> Path:
    """Fetch packages of a release from where this machine gets its own, signed as those are."""
    sources, lists, cache, archives = (directory / name for name in ("apt", "lists", "cache", "archives"))
    for made in (sources, lists / "partial", cache / "archives" / "partial", archives):
        made.mkdir(parents=True)
    for path in (_APT / "sources.list", *(_APT / "sources.list.d").glob("*")):
        # Other archives than Debian's need not know the other release.
        text = path.read_text() if path.suffix in (".list", ".sources") and path.is_file() else ""
        if "/debian" in text and _THIS_MACHINES in text:
            (sources / path.name).write_text(text.replace(_THIS_MACHINES, release.name))
    places = {
        "Etc::sourcelist": "-",
        "Etc::sourceparts": sources,
        "State::lists": lists,
        "Cache": cache,
    }
    apt = ["apt-get", "-q", *(f"-oDir::{name}={value}" for name, value in places.items())]
    for command in (["update"], ["download", *packages]):
        subprocess.run([*apt, *command], cwd=archives, timeout=300, check=True)
    return archives


def _unpack(release: Release, packages: Sequence[str], archives: Path, root: Path) -> None:
    root.mkdir()
    for name in packages:
        (archive,) = archives.glob(f"{name}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(root)], timeout=60, check=True)
    (root / "usr" / "bin" / "python3").symlink_to(f"python{release.python}")

"""The two base images that the Dockerfile asks for, made of Debian's own packages.

What runs is built on what distroless python3-debian12 consists of: the same packages, unpacked, and nothing
else, so neither a shell nor a package manager. No package's script is run. What builds has a shell and pip.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.image.engine import Engine

__all__ = ["BUILD", "RUNTIME", "make_bases"]

BUILD: Final = "localhost/python-slim"
RUNTIME: Final = "localhost/distroless-python3"

_RUNTIME_PACKAGES: Final = (
    *("base-files", "netbase", "tzdata", "media-types", "libc6", "libssl3"),
    *("libgomp1", "libstdc++6", "libgcc-s1", "gcc-12-base"),
    *("libbz2-1.0", "libdb5.3", "libexpat1", "liblzma5", "libsqlite3-0", "libuuid1", "libncursesw6"),
    *("libtinfo6", "python3-distutils", "zlib1g", "libcom-err2", "libcrypt1", "libgssapi-krb5-2"),
    *("libk5crypto3", "libkeyutils1", "libkrb5-3", "libkrb5support0", "libnsl2", "libreadline8"),
    *("libtirpc3", "libffi8", "libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal"),
)
_BUILD_PACKAGES: Final = (
    *("dash", "coreutils", "libacl1", "libattr1", "libselinux1", "libpcre2-8-0", "libgmp10"),
    *("python3-pip", "python3-setuptools", "python3-pkg-resources", "python3-wheel", "python3-lib2to3"),
)
_WAY_TO_THE_INDEX: Final = (Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt"))


def make_bases(engine: Engine, directory: Path) -> None:
    """Make both in the engine's store, working in ``directory``."""
    runtime, build = directory / "runtime", directory / "build"
    for root, packages in ((runtime, _RUNTIME_PACKAGES), (build, (*_RUNTIME_PACKAGES, *_BUILD_PACKAGES))):
        _unpack(packages, directory / "packages", root)
        (root / "usr" / "bin" / "python3").symlink_to("python3.11")
    (build / "usr" / "bin" / "python").symlink_to("python3.11")
    # As this machine reaches its package index, so does the build; the image that runs is not told.
    for path in _WAY_TO_THE_INDEX:
        if path.is_file():
            copy = build / path.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    known = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    engine.make_base(RUNTIME, runtime, {})
    engine.make_base(BUILD, build, known)


def _unpack(packages: Sequence[str], downloads: Path, root: Path) -> None:
    downloads.mkdir(exist_ok=True)
    root.mkdir()
    subprocess.run(
        ["apt-get", "download", "-q", *packages], cwd=downloads, capture_output=True, timeout=300, check=True
    )
    for name in packages:
        (archive,) = downloads.glob(f"{name}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(root)], timeout=60, check=True)

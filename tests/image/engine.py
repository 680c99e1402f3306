"""A container engine: podman of Debian with a store of its own, and the runtimes that clusters use."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Engine", "running_engine"]

Json = dict[str, Any]
RESTRICTED: Final = (
    # What the chart's pods ask of a runtime: tests/chart/test_security.py.
    *("--read-only", "--read-only-tmpfs=false", "--tmpfs=/tmp:rw,size=64m,mode=1777"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
    # Podman would raise what a machine may not let it raise.
    *("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"),
)
_WITHOUT_CGROUPS: Final = """
mount --make-rprivate /
umount --recursive /sys/fs/cgroup
mount -t tmpfs none /sys/fs/cgroup
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """Podman, working in ``directory`` only."""

    directory: Path

    def podman(self, *arguments: str, under: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run one command, if need be ``under`` another; what came of it."""
        places = [f"--{option}={self.directory / option}" for option in ("root", "runroot", "tmpdir")]
        settings = ["--storage-driver=overlay", "--cgroup-manager=cgroupfs", "--events-backend=none"]
        return subprocess.run(
            [*under, "podman", *places, *settings, *arguments],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def done(self, *arguments: str) -> str:
        """Run one command that must succeed; its output."""
        ran = self.podman(*arguments)
        assert ran.returncode == 0, f"podman {' '.join(arguments)}:\n{ran.stderr[-3000:]}"
        return ran.stdout

    def build(self, tag: str, context: Path, *options: str) -> None:
        """Build a Dockerfile; only what is in the store already is built upon."""
        # Isolation by chroot asks least of the machine.
        fixed = ("--isolation=chroot", "--network=host", "--pull=never", f"--tag={tag}")
        self.done("build", *fixed, *options, str(context))

    def make_base(self, tag: str, root: Path, variables: Mapping[str, str]) -> None:
        """Make an image of a directory, with variables for what is run in it."""
        dockerfile = root.with_suffix(".dockerfile")
        lines = ["FROM scratch", "COPY . /", *(f'ENV {name}="{value}"' for name, value in variables.items())]
        dockerfile.write_text("\n".join(lines) + "\n")
        self.build(tag, root, f"--file={dockerfile}")

    def run(
        self, image: str, *arguments: str, runtime: str = "runc", options: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a container to its end, as restricted as the chart wants it."""
        own: tuple[str, ...] = ()
        under: tuple[str, ...] = ()
        if runtime == "crun":
            # Debian's crun refuses hosts that have both kinds of cgroups; nothing here is about cgroups.
            own = ("--cgroups=disabled",)
            under = ("unshare", "--mount", "/bin/sh", "-ec", _WITHOUT_CGROUPS, "sh")
        fixed = (f"--runtime={runtime}", "run", "--rm", "--network=none", *RESTRICTED, *own)
        return self.podman(*fixed, *options, image, *arguments, under=under)

    def configuration(self, image: str) -> Json:
        """What an image says of how it wants to be run."""
        found: Json = json.loads(self.done("image", "inspect", "--format={{json .Config}}", image))
        return found


@contextmanager
def running_engine(directory: Path) -> Iterator[Engine]:
    """An engine while the context lasts; then nothing of it is left mounted."""
    engine = Engine(directory)
    try:
        yield engine
    finally:
        engine.podman("rm", "--all", "--force", "--time=0")
        mounted = [str(directory / "root" / "overlay")]
        subprocess.run(["umount", "--recursive", *mounted], capture_output=True, timeout=60, check=False)

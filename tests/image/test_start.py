"""The image starts on the runtimes that clusters use, as any user, with nothing to write to but /tmp."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from canary import __version__
from canary.adapters.kube.connection import connect
from canary.app.errors import NotFound
from canary.sandbox.apiserver.threaded import RunningApiServer, running_api_server
from tests.image.conftest import SOMEBODY, Image
from tests.image.engine import RESTRICTED, Engine

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]

LEASE: Final = "/apis/coordination.k8s.io/v1/namespaces/default/leases/canary-controller"
ITS_OWN_USER: Final = ""
PATIENCE_SECONDS: Final = 60.0


@pytest.mark.parametrize("runtime", ["runc", "crun"])
@pytest.mark.parametrize("user", [ITS_OWN_USER, SOMEBODY])
def test_canaryctl_says_its_version(image: Image, runtime: str, user: str) -> None:
    options = [f"--user={user}"] if user else []
    done = image.engine.run(image.name, "canaryctl", "version", runtime=runtime, options=options)
    assert (done.returncode, done.stdout) == (0, f"canaryctl {__version__}\n"), done.stderr


def test_controller_is_what_starts_and_takes_the_charts_settings(image: Image) -> None:
    done = image.run("controller", "--print-config", options=["--env=CANARY_CONFIG=/etc/canary/config.yaml"])
    assert done.returncode == 0, done.stderr
    assert "url: http://prometheus.monitoring:9090" in done.stdout
    assert "namespace: canary-system" in done.stdout


def test_controller_says_what_it_lacks_without_a_cluster(image: Image) -> None:
    done = image.run(options=["--env=CANARY_CONFIG=/etc/canary/config.yaml"])
    assert done.returncode == 1
    assert "no cluster: KUBECONFIG is not set" in done.stdout + done.stderr


def test_image_without_a_program_names_those_it_has(image: Image) -> None:
    done = image.run("sh")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "canary: sh is no program of this image; it has controller and canaryctl\n"


def test_demo_that_is_not_in_the_image_says_so(image: Image) -> None:
    done = image.run("canaryctl", "demo")
    assert done.returncode != 0
    assert "the demo needs" in done.stderr


def test_there_is_no_shell_to_be_had(image: Image) -> None:
    for shell in ("sh", "/bin/sh", "/bin/bash", "/bin/dash", "/busybox/sh"):
        done = image.run("-c", "true", options=[f"--entrypoint={shell}"])
        assert done.returncode == 127, f"{shell}: {done.stdout}{done.stderr}"


def test_nothing_can_be_written_but_tmp_and_what_the_runtime_brings(image: Image) -> None:
    attempt = """
import json, os, tempfile
written = []
for place, below, _ in os.walk("/"):
    if place in ("/proc", "/sys"):
        below.clear()
        continue
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            written.append(place)
    except OSError:
        pass
print(json.dumps([os.getuid(), os.getgroups(), written]))
"""
    user, groups, written = json.loads(image.python(attempt))
    assert f"{user}:0" == SOMEBODY
    assert groups in ([], [0])
    assert set(written) - {"/dev/shm", "/dev/mqueue"} == {"/tmp"}  # noqa: S108 - the container's own


def test_it_needs_no_privilege(image: Image) -> None:
    status = image.python("print(open('/proc/self/status').read())")
    said = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(said[name], 16) == 0, name
    assert said["NoNewPrivs"].strip() == "1"
    assert said["Seccomp"].strip() == "2"  # a filter


def test_every_module_finds_what_it_needs(image: Image) -> None:
    code = """
import importlib, pkgutil, sys
sys.path.insert(0, "/opt/canary")
import canary
lacking = set()
for module in pkgutil.walk_packages(canary.__path__, "canary."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            lacking.add((module.name, str(error)))
ours = [name for name in sys.modules if name.partition(".")[0] == "canary"]
print(len(ours), sorted(lacking))
"""
    count, _, lacking = image.python(code).partition(" ")
    assert int(count) > 100
    assert lacking == "[]\n"


def test_bytecode_is_what_is_loaded(image: Image) -> None:
    options = ['--entrypoint=["/usr/bin/python3", "-I", "-v", "/opt/canary"]']
    loaded = image.run("canaryctl", "version", options=options).stderr
    ours = [line for line in loaded.splitlines() if line.startswith("# code object from '/opt/canary")]
    assert len(ours) > 10
    assert [line for line in ours if not line.endswith(".pyc'")] == []


def test_neither_variables_nor_the_present_directory_can_put_other_code_in(
    image: Image, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    for module in ("sitecustomize", "json", "click"):
        (tmp_path / f"{module}.py").write_text("import os\nos._exit(99)\n")
    options = [f"--volume={tmp_path}:/mnt:ro", "--env=PYTHONPATH=/mnt", "--workdir=/mnt"]
    done = image.run("canaryctl", "version", options=options)
    assert done.returncode == 0, done.stderr
    # It is the isolated mode that keeps it out.
    without = ['--entrypoint=["/usr/bin/python3", "/opt/canary"]', *options]
    assert image.run("canaryctl", "version", options=without).returncode == 99


@pytest.fixture
def api() -> Iterator[RunningApiServer]:
    with running_api_server() as running:
        yield running


@dataclass(frozen=True, slots=True)
class Container:
    """A container that goes on by itself."""

    engine: Engine
    name: str

    def output(self) -> str:
        said = self.engine.podman("logs", self.name)
        return said.stdout + said.stderr

    def stop(self) -> int:
        """Tell it to end, and kill it if it does not; its exit status."""
        self.engine.done("stop", f"--time={PATIENCE_SECONDS:.0f}", self.name)
        return int(self.engine.done("inspect", "--format={{.State.ExitCode}}", self.name))


@contextmanager
def running(image: Image, *options: str) -> Iterator[Container]:
    container = Container(image.engine, "controller")
    fixed = ("--runtime=runc", "run", "--detach", f"--name={container.name}", f"--user={SOMEBODY}")
    image.engine.done(*fixed, *RESTRICTED, *options, image.name)
    try:
        yield container
    finally:
        image.engine.podman("rm", "--force", "--time=0", container.name)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def test_it_ends_when_it_is_told_to_while_it_still_imports(image: Image, tmp_path: Path) -> None:
    slow = tmp_path / "entrypoints"
    slow.mkdir()
    tmp_path.chmod(0o755)
    for module in (tmp_path / "__init__.py", slow / "__init__.py"):
        module.touch()
    (slow / "controller.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(600)\n")
    with running(image, f"--volume={tmp_path}:/opt/canary/canary:ro") as container:
        wait_for(lambda: container.output() == "importing\n", "the program to import")
        assert container.stop() == 128 + signal.SIGTERM


def test_controller_leads_and_asked_to_stop_gives_the_lease_up(
    image: Image, api: RunningApiServer, tmp_path: Path
) -> None:
    transport = connect(api.kubeconfig)

    def holder() -> str:
        try:
            return str(json.loads(transport.request("GET", LEASE))["spec"].get("holderIdentity") or "")
        except NotFound:
            return ""

    # Readable by whoever the container runs as.
    tmp_path.chmod(0o755)
    (tmp_path / "kubeconfig").write_text(api.kubeconfig.read_text())
    variables = {
        "KUBECONFIG": "/etc/canary/kubeconfig",
        "CANARY_PROMETHEUS__URL": "http://127.0.0.1:9",
        "CANARY_PROMETHEUS__SCRAPE_INTERVAL": "1s",
        "CANARY_LEADERSHIP__NAMESPACE": "default",
        "CANARY_LEADERSHIP__IDENTITY": "contained",
        "CANARY_HTTP__HOST": "127.0.0.1",
        "CANARY_HTTP__PORT": "0",
    }
    settings = [f"--env={name}={value}" for name, value in variables.items()]
    with running(image, "--network=host", f"--volume={tmp_path}:/etc/canary:ro", *settings) as container:
        wait_for(lambda: holder() == "contained", "the lease to be taken")
        assert container.stop() == 0, container.output()
        assert holder() == ""

"""The demo on a real mesh: how it ends, what it leaves behind, and what it says where none can be had."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from canary.sandbox.mesh.network import POD_NETWORK
from tests.running_demo import CANARYCTL, Demo, running_demo

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]


def test_three_releases_end_as_they_should_and_nothing_is_left(tmp_path: Path) -> None:
    with running_demo(tmp_path, "--real-mesh") as demo:
        assert demo.process.wait(280) == 0, demo.said()
        assert "VirtualService: everything but the two weights is as the team wrote it" in demo.said()
        demo.assert_nothing_is_left()


def test_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    with running_demo(tmp_path, "--real-mesh") as demo:
        demo.reach(Demo.is_amid_a_release, seconds=120)
        assert any("pilot-discovery" in command or "istiod" in command for command in demo.family().values())
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(60) == 130, demo.said()
        demo.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("command", "status"),
    [((sys.executable, "-m", "tests.mesh"), 2), ((str(CANARYCTL), "demo", "--real-mesh"), 1)],
)
def test_where_no_namespace_is_allowed_it_says_so_and_fails(command: tuple[str, ...], status: int) -> None:
    argv = [sys.executable, "-m", "tests.without_namespaces", *command]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "a real mesh needs a network namespace of its own, and this machine refuses one" in done.stderr
    assert "run it as root, or allow user namespaces" in done.stderr


def test_every_pod_may_have_an_address_and_nothing_leads_out() -> None:
    with socket.create_server((f"{POD_NETWORK}.213.7", 8080)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)

"""A machine that allows no network namespace is told of as such."""

import subprocess
import sys
from pathlib import Path

ENTER = "from canary.sandbox.mesh import network; network.own_network()"


def test_a_refused_namespace_is_said_to_be_one_with_what_would_allow_it() -> None:
    argv = [sys.executable, "-m", "tests.without_namespaces", sys.executable, "-c", ENTER]
    root = Path(__file__).parents[2]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=30, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(
        "canary.sandbox.mesh.network.NetworkRefused: a real mesh needs a network namespace"
    )
    assert "Operation not permitted; run it as root, or allow user namespaces" in last

"""``python -m tests.mesh``: scenarios with Istio's own control plane between VirtualServices and requests.

Gets the programs (or says exactly why it cannot, and fails), moves to a network of its own, in which every
Pod has an address, and runs pytest; arguments are pytest's. At the end it tells the figures.
"""

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from canary.sandbox.control_plane import ControlPlaneMissing
from canary.sandbox.mesh import NetworkRefused, enter_network_of_mesh
from tests.cluster.figures import measured
from tests.cluster.notes import DIRECTORY
from tests.mesh.conftest import IN_ITS_NETWORK

SUITE = "tests/mesh"
EXIT_MISSING = 2


def main(arguments: list[str]) -> int:
    """Run everything; return pytest's exit status, or 2 when there is no mesh to run it on."""
    suites = () if any(argument.startswith("tests/") for argument in arguments) else (SUITE,)
    try:
        enter_network_of_mesh(say)
    except (ControlPlaneMissing, NetworkRefused) as failed:
        print(f"test-mesh: {failed}", file=sys.stderr)
        return EXIT_MISSING
    with TemporaryDirectory(prefix="canary-mesh-") as notes:
        os.environ |= {DIRECTORY: notes, IN_ITS_NETWORK: "yes"}
        # One after the other: every part of a mesh is a process, and each test has all of them busy.
        argv = [sys.executable, "-m", "pytest", "--durations=10", *suites, *arguments]
        status = subprocess.run(argv, check=False).returncode
        for line in measured():
            say(line)
        return status


def say(text: str) -> None:
    print(f"test-mesh: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

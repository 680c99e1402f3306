"""``python -m tests.mesh``: scenarios with Istio's own control plane between VirtualServices and requests.

Gets the programs (or says exactly why it cannot, and fails), moves to a network of its own, in which every
Pod has an address, and runs pytest; arguments are pytest's. At the end it tells the figures. Interrupted, it
leaves no process and no file, and exits with 130 (143 after SIGTERM).
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from canary.sandbox.control_plane import ControlPlaneMissing
from canary.sandbox.mesh import NetworkRefused, enter_network_of_mesh
from tests.cluster.figures import measured
from tests.cluster.notes import DIRECTORY
from tests.mesh.conftest import IN_ITS_NETWORK

SUITE = "tests/mesh"
ENDING = "tests.mesh.ending"
EXIT_MISSING = 2
ENDED = (signal.SIGINT, signal.SIGTERM)


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
        status = pytest(f"--basetemp={Path(notes, 'tests')}", "--durations=10", *suites, *arguments)
        for line in measured():
            say(line)
        return status


def pytest(*arguments: str) -> int:
    """Run pytest; its exit status, or, when this process is told to end meanwhile, that of the signal.

    Then pytest is told, too, and waited for: it takes down what its fixtures hold.
    """
    told: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def tell(number: int, _frame: object) -> None:
        told.append(number)
        for process in running:
            process.send_signal(signal.SIGINT)

    for number in ENDED:
        signal.signal(number, tell)
    running.append(subprocess.Popen([sys.executable, "-m", "pytest", "-p", ENDING, *arguments]))
    if told:
        # Told before there was anybody to be told.
        running[0].send_signal(signal.SIGINT)
    status = running[0].wait()
    return 128 + told[0] if told else status


def say(text: str) -> None:
    print(f"test-mesh: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

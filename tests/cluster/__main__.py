"""``python -m tests.cluster``: the contract, the adapters and the scenarios on a real control plane.

Gets the programs (or says exactly why it cannot, and fails), starts a control plane for the contract, and
runs pytest; arguments are pytest's. After all, it compares what the controller's account asked for with what
the chart grants, and tells that and the figures.
"""

import os
import subprocess
import sys
from tempfile import TemporaryDirectory

from canary.sandbox.control_plane import ControlPlaneMissing, control_plane_with_istio
from canary.sandbox.processes import ProcessFailed
from tests.cluster.figures import FIGURES, report, resident_mb
from tests.cluster.notes import DIRECTORY, note

# The long ones first, each with a control plane of its own, so that two workers end at about the same time.
SUITES = ("tests/cluster", "tests/contract")
AFTER_ALL = "tests/cluster/test_after_all.py"
WORKERS = ("--numprocesses=2", "--dist=loadfile", "--no-loadscope-reorder")
EXIT_MISSING = 2


def main(arguments: list[str]) -> int:
    """Run everything; return pytest's exit status, or 2 when there is no control plane to run it on."""
    suites = () if any(argument.startswith("tests/") for argument in arguments) else SUITES
    # What is granted may lie idle when only a part is run.
    is_whole = bool(suites) and not any(
        argument.startswith(("-k", "-m", "--deselect")) for argument in arguments
    )
    try:
        with TemporaryDirectory(prefix="canary-cluster-") as notes, control_plane_with_istio(say) as plane:
            os.environ |= {DIRECTORY: notes, "CANARY_TEST_KUBECONFIG": str(plane.kubeconfig)}
            status = pytest("--durations=10", f"--ignore={AFTER_ALL}", *WORKERS, *suites, *arguments)
            if is_whole and status == 0:
                status = pytest(AFTER_ALL)
            for child in plane.processes:
                note(FIGURES, [child.name + ": {} MB resident after the contract", [resident_mb(child.pid)]])
            for line in report():
                say(line)
            return status
    except (ControlPlaneMissing, ProcessFailed) as failed:
        print(f"test-cluster: {failed}", file=sys.stderr)
        return EXIT_MISSING


def pytest(*arguments: str) -> int:
    """Run pytest; its exit status."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def say(text: str) -> None:
    print(f"test-cluster: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m tests.cluster``: the contract, the adapters and the scenarios on a real control plane.

Gets the programs (or says exactly why it cannot, and fails), starts a control plane for the contract, and
runs pytest; arguments are pytest's.
"""

import os
import subprocess
import sys
from pathlib import Path

from canary.sandbox.control_plane import ControlPlane, ControlPlaneMissing, control_plane_with_istio
from canary.sandbox.processes import ProcessFailed

SUITES = ("tests/contract", "tests/cluster")
EXIT_MISSING = 2


def main(arguments: list[str]) -> int:
    """Run everything; return pytest's exit status, or 2 when there is no control plane to run it on."""
    try:
        with control_plane_with_istio(say) as plane:
            environment = {"CANARY_TEST_KUBECONFIG": str(plane.kubeconfig), "CANARY_TEST_CLUSTER": "1"}
            chosen = [] if any(argument.startswith("tests/") for argument in arguments) else SUITES
            argv = [sys.executable, "-m", "pytest", "--durations=8", *chosen, *arguments]
            status = subprocess.run(argv, env={**os.environ, **environment}, check=False).returncode
            say("resident memory at the end: " + memory(plane))
            return status
    except (ControlPlaneMissing, ProcessFailed) as failed:
        print(f"test-cluster: {failed}", file=sys.stderr)
        return EXIT_MISSING


def memory(plane: ControlPlane) -> str:
    """Say how much memory each process holds."""
    return ", ".join(f"{child.name} {_resident_mb(child.pid)} MB" for child in plane.processes)


def _resident_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


def say(text: str) -> None:
    print(f"test-cluster: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The demo on a real control plane: three releases end there as they do in the sandbox."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(240)

CANARYCTL = Path(sys.executable).with_name("canaryctl")


def test_three_releases_end_as_they_should() -> None:
    argv = [str(CANARYCTL), "demo", "--fast", "--plain", "--real-control-plane"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "VirtualService: everything but the two weights is as the team wrote it" in done.stdout

"""Whatever can be tried on a real control plane is: each such module is taken up in tests/cluster, by itself.

By itself, for of two tests or fixtures of one name in one module the first is lost without a word.
"""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TAKES_A_CONTROL_PLANE = re.compile(r"\bcontrol_plane: NewGround")
TAKEN_UP = re.compile(r"^from tests\.(\w+)\.(test_\w+) import \*$", re.MULTILINE)


def test_every_module_that_runs_on_either_control_plane_runs_on_a_real_one() -> None:
    scenarios = set((TESTS / "scenarios").glob("test_*.py"))
    adapters = {
        path for path in (TESTS / "adapters").glob("test_*.py") if "kube: Cluster" in path.read_text()
    }
    others = {
        path
        for room in ("chart", "e2e")
        for path in (TESTS / room).glob("test_*.py")
        if TAKES_A_CONTROL_PLANE.search(path.read_text())
    }
    found = [TAKEN_UP.findall(path.read_text()) for path in sorted((TESTS / "cluster").glob("test_*.py"))]
    assert max(map(len, found)) == 1
    taken_up = {TESTS / room / f"{module}.py" for each in found for room, module in each}
    assert scenarios | adapters | others == taken_up

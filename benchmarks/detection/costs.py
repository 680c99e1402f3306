"""What folding costs."""

import random
import time
from dataclasses import replace
from typing import Final

from benchmarks.detection.ours import PLAN
from canary.domain.analysis import fold, new_evidence
from canary.domain.evidence import Evidence
from canary.domain.measurement import ArmCounts, Counts, Measurement, Window
from canary.domain.plan import Objective, ObjectiveKind

__all__ = ["fold_milliseconds"]

RELEASES: Final = 1000
OBJECTIVES: Final = (
    Objective("error-rate", ObjectiveKind.ERRORS, 0.01),
    Objective("latency", ObjectiveKind.LATENCY, 0.01, 500.0),
    Objective("slow", ObjectiveKind.LATENCY, 0.05, 250.0),
)


def fold_milliseconds() -> float:
    """Fold one window of each of 1,000 releases with three objectives; the least of five times."""
    plan = replace(PLAN, objectives=OBJECTIVES)
    draw = random.Random(1)
    releases: list[Evidence] = [new_evidence(0.0)] * RELEASES
    best = float("inf")
    for second in range(5):
        windows = [_window(draw, second) for _ in range(RELEASES)]
        begun = time.perf_counter()
        releases = [
            fold(evidence, window, plan, window_seconds=1.0, step_index=0, step_since=0.0)
            for evidence, window in zip(releases, windows, strict=True)
        ]
        best = min(best, time.perf_counter() - begun)
    return 1000.0 * best


def _window(draw: random.Random, second: int) -> Measurement:
    def arm(requests: int) -> Counts:
        return Counts(requests, sum(draw.random() < 0.005 for _ in range(requests)))

    counts = {item.name: ArmCounts(arm(10), arm(90)) for item in OBJECTIVES}
    return Measurement(Window(float(second), second + 1.0), counts, Counts(100, 0))

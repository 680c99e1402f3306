"""What folding costs."""

import random
import time
from dataclasses import replace
from typing import Final

from benchmarks.detection.ours import PLAN
from canary.domain.analysis import fold, new_evidence
from canary.domain.edges import names_beside
from canary.domain.evidence import Evidence
from canary.domain.measurement import ArmCounts, Counts, Measurement, Window
from canary.domain.plan import Objective, ObjectiveKind

__all__ = ["fold_milliseconds"]

RELEASES: Final = 1000
DIFFERENT: Final = 50
"""So many of them have a past of their own, and with it a dispersion."""
WARM_SECONDS: Final = 65
OBJECTIVES: Final = (
    Objective("error-rate", ObjectiveKind.ERRORS, 0.01),
    Objective("latency", ObjectiveKind.LATENCY, 0.01, 500.0),
    Objective("slow", ObjectiveKind.LATENCY, 0.05, 250.0),
)
FULL_PLAN: Final = replace(PLAN, objectives=OBJECTIVES)


def fold_milliseconds() -> float:
    """Fold one window of each of 1,000 releases with three objectives; the least of five times.

    They have been going on for more than a minute, so that canaries are warm and all tests bet.
    """
    draw = random.Random(1)
    different = [new_evidence(0.0)] * DIFFERENT
    for second in range(WARM_SECONDS):
        different = [_folded(evidence, _window(draw, second)) for evidence in different]
    releases = [different[number % DIFFERENT] for number in range(RELEASES)]
    best = float("inf")
    for second in range(WARM_SECONDS, WARM_SECONDS + 5):
        windows = [_window(draw, second) for _ in range(RELEASES)]
        begun = time.perf_counter()
        releases = [_folded(*each) for each in zip(releases, windows, strict=True)]
        best = min(best, time.perf_counter() - begun)
    return 1000.0 * best


def _folded(evidence: Evidence, window: Measurement) -> Evidence:
    return fold(evidence, window, FULL_PLAN, window_seconds=1.0, step_index=0, step_since=0.0)


def _window(draw: random.Random, second: int) -> Measurement:
    def arm(requests: int) -> Counts:
        return Counts(requests, sum(draw.random() < 0.005 for _ in range(requests)))

    counts = {item.name: ArmCounts(arm(10), arm(90)) for item in OBJECTIVES}
    beside = (name for item in OBJECTIVES for name in names_beside(item.name, item.bound_ms))
    edges = {name: ArmCounts(arm(10), arm(90)) for name in beside}
    return Measurement(Window(float(second), second + 1.0), counts, Counts(100, 0), edges=edges)

"""Our own analysis on a world: the very code that the controller runs, on a virtual clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from benchmarks.detection.worlds import PODS, Found, World
from canary.domain.analysis import fold, new_evidence, with_history
from canary.domain.conviction import weigh
from canary.domain.measurement import NOTHING, ArmCounts, Counts, Measurement, Window
from canary.domain.plan import Objective, ObjectiveKind, Plan, Step

__all__ = ["HOUR", "PLAN", "Ours", "measured"]

NAME: Final = "error-rate"
HOUR: Final = 3600.0
PLAN: Final = Plan(
    stable="stable",
    canary="canary",
    steps=(Step(10, 2 * HOUR),),
    objectives=(Objective(NAME, ObjectiveKind.ERRORS, 0.01),),
    deadline_seconds=HOUR,
)
PARTS: Final = 8
"""As the collector does, stable's pods are counted in a few groups."""
HISTORY_WINDOW: Final = 10


@dataclass(frozen=True, slots=True)
class Ours:
    """Our rule, with or without what may help it."""

    window: int
    """Seconds."""
    has_history: bool = True
    """Whether it learns from what was before the release."""
    told_apart: bool = True
    """Whether stable's pods count themselves."""

    def __call__(self, world: World, before: int) -> Found | None:
        """Judge the canary of a world, after ``before`` seconds in which there was none."""
        evidence, failed, start = new_evidence(float(before)), 0, float(before)
        if self.has_history:
            evidence = with_history(evidence, self._seen(world, HISTORY_WINDOW, 0, before), PLAN)
        for measurement in self._seen(world, self.window, before, len(world.requests)):
            failed += measurement.counts[NAME].canary.bad
            evidence = fold(
                evidence, measurement, PLAN, window_seconds=float(self.window), step_index=0, step_since=start
            )
            weighed = weigh(evidence, PLAN, float(self.window))
            if weighed.log_evidence >= weighed.log_threshold:
                return Found(int(measurement.window.end - start), failed)
        return None

    def _seen(self, world: World, length: int, start: int, end: int) -> Sequence[Measurement]:
        seen = measured(world, length, start, end)
        return seen if self.told_apart else [replace(each, stable_parts={}) for each in seen]


@lru_cache(maxsize=4)
def measured(world: World, length: int, start: int, end: int) -> Sequence[Measurement]:
    """What the collector would make of a world, window by window; the same for all variants of ours."""
    number = (end - start) // length
    shape = (number, length, PODS)
    requests = world.requests[start : start + number * length].reshape(shape).sum(axis=1).tolist()
    bad = world.bad[start : start + number * length].reshape(shape).sum(axis=1).tolist()
    found = []
    for index in range(number):
        pods = [Counts(n, k) for n, k in zip(requests[index], bad[index], strict=True)]
        stable = tuple(sum(pods[part:-1:PARTS], NOTHING) for part in range(PARTS))
        window = Window(float(start + index * length), float(start + (index + 1) * length))
        counts = ArmCounts(pods[-1], sum(stable, NOTHING))
        found.append(Measurement(window, {NAME: counts}, stable_parts={NAME: stable}))
    return found

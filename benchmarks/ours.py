"""Our own analysis on a world: the very code that the controller runs, on a virtual clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.worlds import PODS, World
from canary.domain import dispersion
from canary.domain.analysis import fold, new_evidence
from canary.domain.conviction import weigh
from canary.domain.evidence import Evidence
from canary.domain.measurement import ArmCounts, Counts, Measurement, Window
from canary.domain.plan import Objective, ObjectiveKind, Plan, Step

__all__ = ["PLAN", "Found", "convicted"]

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


@dataclass(frozen=True, slots=True)
class Found:
    """When a canary was convicted, seconds since it got its first request, and what had failed by then."""

    second: int
    failed: int


def convicted(world: World, window: int, before: int, *, told_apart: bool) -> Found | None:
    """Judge the canary by windows of ``window`` seconds after ``before``, in which history is learned."""
    evidence, failed = new_evidence(float(before)), 0
    if before:
        evidence = Evidence(float(before), dispersion={NAME: _history(world, before, told_apart=told_apart)})
    for measurement in _windows(world, window, before, told_apart=told_apart):
        failed += measurement.counts[NAME].canary.bad
        evidence = fold(evidence, measurement, PLAN, window_seconds=float(window), step_since=float(before))
        weighed = weigh(evidence, PLAN, float(window))
        if weighed.log_evidence >= weighed.log_threshold:
            return Found(int(measurement.window.end) - before, failed)
    return None


def _history(world: World, before: int, *, told_apart: bool) -> tuple[dispersion.Block, ...]:
    blocks = dispersion.nothing_learned()
    for start, counts, parts in _stretches(world, 10, 0, before, told_apart=told_apart):
        blocks = dispersion.learn(blocks, Window(start, start + 10.0), counts.stable, parts)
    return blocks


def _windows(world: World, window: int, before: int, *, told_apart: bool) -> Iterator[Measurement]:
    for start, counts, parts in _stretches(world, window, before, len(world.requests), told_apart=told_apart):
        by_part = {NAME: parts} if told_apart else {}
        yield Measurement(Window(start, start + window), {NAME: counts}, stable_parts=by_part)


def _stretches(
    world: World, length: int, start: int, end: int, *, told_apart: bool
) -> Iterator[tuple[float, ArmCounts, tuple[Counts, ...]]]:
    number = (end - start) // length
    shape = (number, length, PODS)
    requests = world.requests[start : start + number * length].reshape(shape).sum(axis=1)
    bad = world.bad[start : start + number * length].reshape(shape).sum(axis=1)
    # As the collector does: pods are counted in a few groups.
    groups = np.arange(PODS - 1) % PARTS
    for index in range(number):
        pods = [Counts(int(n), int(k)) for n, k in zip(requests[index], bad[index], strict=True)]
        parts = tuple(
            sum((pod for pod, group in zip(pods, groups, strict=False) if group == part), Counts(0, 0))
            for part in range(PARTS)
        )
        counts = ArmCounts(pods[-1], sum(pods[:-1], Counts(0, 0)))
        yield float(start + index * length), counts, parts if told_apart else ()

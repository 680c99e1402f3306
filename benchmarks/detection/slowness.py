"""Worlds of durations: a canary that is several times as slow within its bound, and others that are not.

Logarithms of durations are normal. Each pod has its own speed, which may change from second to second; what
is counted is, as in a histogram, how many requests are above each edge. Stable has nine pods, the canary one.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.worlds import PODS, Found
from canary.domain.analysis import fold, new_evidence, with_history
from canary.domain.conviction import Weighed, weigh
from canary.domain.edges import edges_beside, name_at
from canary.domain.hypotheses import Doubt
from canary.domain.measurement import NOTHING, ArmCounts, Counts, Measurement, Window
from canary.domain.plan import Objective, ObjectiveKind, Plan, Step
from canary.domain.sequential import log_sum_exp

__all__ = ["SERVICES", "SLOW", "TOLERABLE", "Durations", "Judgement", "Slowness", "judged"]

HOUR: Final = 3600
NAME: Final = "latency"
BOUND_MS: Final = 500.0
PLAN: Final = Plan(
    stable="stable",
    canary="canary",
    steps=(Step(10, 2.0 * HOUR),),
    objectives=(
        Objective("error-rate", ObjectiveKind.ERRORS, 0.01),
        Objective(NAME, ObjectiveKind.LATENCY, 0.01, BOUND_MS),
    ),
    deadline_seconds=HOUR,
)
EDGES: Final = tuple(sorted({BOUND_MS, *edges_beside(BOUND_MS)}))
SLOW_NAME: Final = name_at(NAME, 100.0)
PARTS: Final = 8

Speeds = NDArray[np.float64]
Numbers = NDArray[np.int64]
Slowness = Callable[[int, np.random.Generator], Speeds]
"""By how much each pod's durations are stretched, second by second; the canary's is last."""


@dataclass(frozen=True, slots=True)
class Durations:
    """A service's durations when all is well."""

    median_ms: float
    deviation: float
    """Of their logarithms."""


SERVICES: Final = (Durations(20.0, 0.8), Durations(50.0, 0.5))
"""Three times as slow, 0.4 and 0.8 % of their requests are above the bound: it is kept."""


def _canary(times: float) -> Slowness:
    def stretched(seconds: int, _draw: np.random.Generator) -> Speeds:
        speeds = np.ones((seconds, PODS))
        speeds[HOUR:, -1] = times
        return speeds

    return stretched


def _cold(times: float, cold_seconds: int) -> Slowness:
    def stretched(seconds: int, _draw: np.random.Generator) -> Speeds:
        speeds = np.ones((seconds, PODS))
        speeds[HOUR : HOUR + cold_seconds, -1] = times
        return speeds

    return stretched


def _pods_differ(seconds: int, draw: np.random.Generator) -> Speeds:
    pods = np.exp(draw.normal(0.0, 0.2, PODS))
    pods[-1] = 1.4
    return np.tile(pods, (seconds, 1))


def _changing(columns: int, deviation: float, block_seconds: int) -> Slowness:
    def stretched(seconds: int, draw: np.random.Generator) -> Speeds:
        blocks = np.exp(draw.normal(0.0, deviation, (-(-seconds // block_seconds), columns)))
        return np.repeat(np.broadcast_to(blocks, (len(blocks), PODS)), block_seconds, axis=0)[:seconds]

    return stretched


def _pauses(seconds: int, draw: np.random.Generator) -> Speeds:
    """Each pod, ten times an hour, is six times as slow for ten seconds."""
    begun = np.cumsum(draw.random((seconds, PODS)) < 10 / HOUR, axis=0)
    ended = np.vstack((np.zeros((10, PODS)), begun))[:seconds]
    return np.where(begun > ended, 6.0, 1.0)


TOLERABLE: Final[Mapping[str, Slowness]] = {
    "as fast as stable": _canary(1.0),
    "10 % slower": _canary(1.1),
    "pods that differ, the canary's 1.4 x slower": _pods_differ,
    "pods pause for 10 s": _pauses,
    "all change together, by 30 s": _changing(1, 0.5, 30),
    "each changes by itself, by 60 s": _changing(PODS, 0.3, 60),
}
SLOW: Final[Mapping[str, Slowness]] = {
    "2 x slower": _canary(2.0),
    "2.5 x slower": _canary(2.5),
    "3 x slower": _canary(3.0),
    "3 x slower for the first minute": _cold(3.0, 60),
    "3 x slower for the first ten seconds": _cold(3.0, 10),
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """When a canary was convicted: by all tests, by those at the bound alone, by the pairs of edges alone."""

    by_all: Found | None = None
    at_bound: Found | None = None
    by_pairs: Found | None = None


def judged(slowness: Slowness, durations: Durations, per_second: float, window: int, seed: int) -> Judgement:
    """Judge the canary of a world, after an hour of history without it.

    As ``failed`` count its requests that took longer than 100 ms.
    """
    draw = np.random.default_rng(seed)
    seconds = 2 * HOUR
    requests = draw.poisson(per_second / PODS, (seconds, PODS))
    above = _above(requests, slowness(seconds, draw), durations, draw)
    evidence = with_history(new_evidence(float(HOUR)), _measured(requests, above, 10, 0, HOUR), PLAN)
    slow, found = 0, Judgement()
    for measurement in _measured(requests, above, window, HOUR, seconds):
        slow += measurement.edges[SLOW_NAME].canary.bad
        evidence = fold(
            evidence,
            measurement,
            PLAN,
            window_seconds=float(window),
            step_index=0,
            step_since=float(HOUR),
        )
        found = _judged(found, weigh(evidence, PLAN, float(window)), measurement.window.end, slow)
        if None not in (found.by_all, found.at_bound, found.by_pairs):
            break
    return found


def _judged(before: Judgement, weighed: Weighed, end: float, slow: int) -> Judgement:
    by_pairs = [each.log_evidence for each in weighed.charges if each.planned.doubt is Doubt.SLOWER]
    at_bound = [each.log_evidence for each in weighed.charges if each.planned.doubt is not Doubt.SLOWER]
    now = Found(int(end) - HOUR, slow)

    def convicted(so_far: Found | None, log_evidence: float) -> Found | None:
        return so_far or (now if log_evidence >= weighed.log_threshold else None)

    return Judgement(
        convicted(before.by_all, weighed.log_evidence),
        convicted(before.at_bound, log_sum_exp(at_bound)),
        convicted(before.by_pairs, log_sum_exp(by_pairs)),
    )


def _above(
    requests: Numbers, speeds: Speeds, durations: Durations, draw: np.random.Generator
) -> dict[float, Numbers]:
    """Of each second's requests of each pod, how many are above each edge: of those above the one below."""
    found, below, share_below = {}, requests, np.ones(requests.shape)
    for edge in EDGES:
        far = (math.log(edge / durations.median_ms) - np.log(speeds)) / durations.deviation
        share = _normal_above(far)
        below = draw.binomial(below, np.minimum(1.0, share / share_below))
        share_below = np.maximum(share, 1e-300)
        found[edge] = below
    return found


def _normal_above(far: Speeds) -> Speeds:
    values, places = np.unique(far, return_inverse=True)
    chances = np.array([0.5 * math.erfc(value / math.sqrt(2.0)) for value in values])
    return np.asarray(chances[places].reshape(far.shape))


def _measured(
    requests: Numbers, above: Mapping[float, Numbers], length: int, start: int, end: int
) -> Sequence[Measurement]:
    """What the collector would make of it, window by window; no request fails."""
    number = (end - start) // length

    def by_window(seen: Numbers) -> list[list[int]]:
        whole = seen[start : start + number * length].reshape((number, length, PODS))
        return [[int(each) for each in row] for row in whole.sum(axis=1)]

    asked, slower = by_window(requests), {edge: by_window(seen) for edge, seen in above.items()}
    found = []
    for index in range(number):
        counts: dict[str, ArmCounts] = {}
        parts: dict[str, tuple[Counts, ...]] = {}
        for edge in EDGES:
            name = NAME if edge == BOUND_MS else name_at(NAME, edge)
            pods = [Counts(n, k) for n, k in zip(asked[index], slower[edge][index], strict=True)]
            parts[name] = tuple(sum(pods[part:-1:PARTS], NOTHING) for part in range(PARTS))
            counts[name] = ArmCounts(pods[-1], sum(parts[name], NOTHING))
        at_bound = counts.pop(NAME)
        fine = ArmCounts(Counts(at_bound.canary.requests, 0), Counts(at_bound.stable.requests, 0))
        window = Window(float(start + index * length), float(start + (index + 1) * length))
        found.append(
            Measurement(window, {NAME: at_bound, "error-rate": fine}, stable_parts=parts, edges=counts)
        )
    return found

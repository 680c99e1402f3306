"""The rules that people use today, written anew from their documentation, on the same worlds as ours.

- *Threshold*: every interval, the success rate of the last interval has to be at least 99 %; so many failed
  checks, in a row or not, end the release (Flagger's ``interval`` and ``threshold``).
- *Condition*: every interval, the success rate of the last minute has to be at least 99 %; more failed
  measurements than ``failureLimit`` end the release (Argo Rollouts' analysis).
- *Mann-Whitney*: every five minutes, the canary's error rates of 10 seconds each are ranked among stable's;
  it fails when they are higher at 98 % confidence (the default of Kayenta's judge).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.worlds import Found, World

__all__ = ["RULES"]

LEAST_SUCCESS: Final = 0.99
SAMPLE_SECONDS: Final = 10
JUDGED_SECONDS: Final = 300
CONFIDENT: Final = 2.054
"""Standard deviations that a normal variate exceeds with a chance of 2 %."""

Rates = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Repeated:
    """A success rate that is checked again and again."""

    every: int
    window: int
    failures: int
    """So many failed checks end the release."""

    def __call__(self, world: World, before: int) -> Found | None:
        requests, bad = world.requests[before:, -1], world.bad[before:, -1]
        failed = 0
        for end in range(self.every, len(requests) + 1, self.every):
            start = max(0, end - self.window)
            seen = int(requests[start:end].sum())
            # Without any request there is no success rate, and nothing is counted as failed.
            if seen and int(bad[start:end].sum()) > (1.0 - LEAST_SUCCESS) * seen:
                failed += 1
            if failed >= self.failures:
                return Found(end, int(bad[:end].sum()))
        return None


def _mann_whitney(world: World, before: int) -> Found | None:
    requests, bad = world.requests[before:], world.bad[before:]
    for end in range(JUDGED_SECONDS, len(requests) + 1, JUDGED_SECONDS):
        part = slice(end - JUDGED_SECONDS, end)
        canary = _rates(requests[part, -1], bad[part, -1])
        stable = _rates(requests[part, :-1].sum(axis=1), bad[part, :-1].sum(axis=1))
        if _is_higher(canary, stable):
            return Found(end, int(bad[:end, -1].sum()))
    return None


def _rates(requests: NDArray[np.int64], bad: NDArray[np.int64]) -> Rates:
    seen = requests.reshape(-1, SAMPLE_SECONDS).sum(axis=1)
    failed = bad.reshape(-1, SAMPLE_SECONDS).sum(axis=1)
    return failed[seen > 0] / seen[seen > 0]


def _is_higher(some: Rates, others: Rates) -> bool:
    """Mann and Whitney's U, by its normal approximation with ties and without a correction for continuity."""
    one, two = len(some), len(others)
    if not one or not two:
        return False
    both = np.concatenate((some, others))
    _, group, sizes = np.unique(both, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    ranks = (last - (sizes - 1) / 2.0)[group]
    number = one + two
    ties = float((sizes**3 - sizes).sum()) / (number * (number - 1)) if number > 1 else 0.0
    variance = one * two / 12.0 * (number + 1 - ties)
    if variance <= 0.0:
        return False
    over = float(ranks[:one].sum()) - one * (one + 1) / 2.0 - one * two / 2.0
    return over / math.sqrt(variance) > CONFIDENT


RULES: Final[dict[str, Callable[[World, int], Found | None]]] = {
    "threshold 60 s, 5": _Repeated(60, 60, 5),
    "threshold 15 s, 2": _Repeated(15, 15, 2),
    "condition 10 s, limit 0": _Repeated(10, 60, 1),
    "condition 10 s, limit 2": _Repeated(10, 60, 3),
    "Mann-Whitney 5 min": _mann_whitney,
}

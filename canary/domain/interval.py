"""Intervals for the fraction of bad requests that hold at every look at once, for people to read."""

import math
from collections.abc import Callable

from canary.domain.verdict import Interval

__all__ = ["anytime_interval"]


def anytime_interval(requests: int, bad: int, *, alpha: float = 0.05, dispersion: float = 1.0) -> Interval:
    """Return a confidence interval for the fraction of bad requests that holds at every look at once.

    The fractions against which a Beta(1/2, 1/2) mixture of bets has not gained 1/alpha.
    """
    if requests == 0:
        return Interval(0.0, 1.0)
    total, hits = requests / dispersion, bad / dispersion
    misses = total - hits
    limit = math.log(1.0 / alpha) - _log_beta(0.5 + hits, 0.5 + misses) + _log_beta(0.5, 0.5)

    def excluded(rate: float) -> bool:
        against = hits * -math.log(rate) if hits else 0.0
        return against + (misses * -math.log1p(-rate) if misses else 0.0) >= limit

    middle = hits / total
    low = _edge(excluded, outside=0.0, inside=middle) if hits else 0.0
    high = _edge(excluded, outside=1.0, inside=middle) if misses else 1.0
    return Interval(low, high)


def _edge(excluded: Callable[[float], bool], *, outside: float, inside: float) -> float:
    """Bisect to the edge of the interval, on the outer side so that rounding never narrows it."""
    for _ in range(40):
        middle = 0.5 * (outside + inside)
        if excluded(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)

"""Worlds to judge a canary in: seconds of requests and bad requests, by arm and pod, drawn from a seed.

A healthy world's canary is no worse than what is allowed, however its errors come; a faulty one's is worse.
Stable has nine pods and the canary one, each with a tenth of the requests.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAULTS", "HEALTHY", "PODS", "Fault", "Found", "Setting", "World", "faulty", "healthy"]

PODS: Final = 10
"""The canary's comes last."""
CLUMP: Final = 5
GAMMA_SHAPE: Final = 0.5
"""Rates that vary by this gamma distribution are small most of the time, and a multiple now and then."""
BLOCK_SECONDS: Final = 10
OUTAGE_SECONDS: Final = 30
SHOCK_SECONDS: Final = 60
SHOCKS_PER_HOUR: Final = 1.0
OUTAGES_PER_HOUR: Final = 2.0
BROKEN: Final = 0.2
SPREAD_OF_DURATIONS: Final = 0.8
"""Logarithms of durations have this standard deviation."""
_NORMAL: Final = NormalDist()

Rates = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Setting:
    """Requests per second to the whole service, and the share of bad ones when all is well."""

    per_second: float
    base: float


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Requests and bad requests, by second and pod."""

    requests: Numbers
    bad: Numbers


@dataclass(frozen=True, slots=True)
class Found:
    """When a canary was convicted, seconds since it got its first request, and what had failed by then."""

    second: int
    failed: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a canary, from which second on."""

    rate: float = 0.0
    """Its share of bad requests at last."""
    times: float = 0.0
    """The same, as a multiple of the base rate."""
    more: float = 0.0
    """The same, as what comes on top of the base rate."""
    slower: float = 0.0
    """By how many times its answers take longer; bad are those that take longer than is allowed."""
    slower_share: float = 1.0
    """Of how many of its answers that is so."""
    since: int = 0
    grows_over: int = 0
    """Seconds over which it grows from the base rate to that; 0: at once."""

    def rate_at(self, base: float) -> float:
        """Its share of bad requests at last, where stable's is ``base``."""
        if self.slower:
            bound = _NORMAL.inv_cdf(1.0 - base) - math.log(self.slower) / SPREAD_OF_DURATIONS
            return base + self.slower_share * (1.0 - _NORMAL.cdf(bound) - base)
        return self.rate or self.times * base or base + self.more


HEALTHY: Final = (
    "independent",
    "shared bursts",
    "bursts per pod",
    "shared outages of 30 s",
    "clumps of 5",
    "pod shocks of 60 s",
    "calm, then bursts per pod",
    "1.2 x stable",
)
FAULTS: Final = {
    "x2": Fault(times=2.0),
    "x5": Fault(times=5.0),
    "5 %": Fault(0.05),
    "20 %": Fault(0.2),
    "100 %": Fault(1.0),
    "20 % from minute 20": Fault(0.2, since=1200),
    "slow leak to 5 %": Fault(0.05, grows_over=1800),
    "all answers 1.5 x slower": Fault(slower=1.5),
    "3 % of answers 5 x slower": Fault(slower=5.0, slower_share=0.03),
}


def healthy(kind: str, setting: Setting, seconds: int, seed: int) -> World:
    """Draw a world whose canary is like stable, or at most 1.2 times as bad."""
    draw = np.random.default_rng(seed)
    rates = _healthy_rates(kind, setting.base, seconds, draw)
    return _drawn(rates, setting, draw, in_clumps=kind.startswith("clumps"))


def faulty(fault: Fault, setting: Setting, seconds: int, before: int, seed: int) -> World:
    """Draw a world whose canary has a fault, ``fault.since`` seconds after the first ``before``."""
    draw = np.random.default_rng(seed)
    rates = _healthy_rates("independent", setting.base, seconds, draw)
    begins, rate = before + fault.since, fault.rate_at(setting.base)
    if fault.grows_over:
        growth = np.clip(np.arange(seconds - begins) / fault.grows_over, 0.0, 1.0)
        rates[begins:, -1] = setting.base + (rate - setting.base) * growth
    else:
        rates[begins:, -1] = rate
    return _drawn(rates, setting, draw, in_clumps=False)


def _healthy_rates(kind: str, base: float, seconds: int, draw: np.random.Generator) -> Rates:
    even = np.full((seconds, PODS), base)
    match kind:
        case "independent" | "clumps of 5":
            return even
        case "shared bursts":
            return even * _bursts(seconds, 1, draw)
        case "bursts per pod":
            return even * _bursts(seconds, PODS, draw)
        case "shared outages of 30 s":
            out = _spells(seconds, 1, OUTAGES_PER_HOUR, OUTAGE_SECONDS, draw)
            return np.where(out, BROKEN, even)
        case "pod shocks of 60 s":
            shocked = _spells(seconds, PODS, SHOCKS_PER_HOUR, SHOCK_SECONDS, draw)
            return np.where(shocked, 10 * base, even)
        case "calm, then bursts per pod":
            calm = seconds // 2
            return np.vstack((even[:calm], even[calm:] * _bursts(seconds - calm, PODS, draw)))
        case "1.2 x stable":
            even[:, -1] *= 1.2
            return even
        case _:
            raise ValueError(f"{kind!r} is none of {HEALTHY}")


def _bursts(seconds: int, columns: int, draw: np.random.Generator) -> Rates:
    blocks = draw.gamma(GAMMA_SHAPE, 1.0 / GAMMA_SHAPE, (-(-seconds // BLOCK_SECONDS), columns))
    return np.repeat(blocks, BLOCK_SECONDS, axis=0)[:seconds]


def _spells(
    seconds: int, columns: int, per_hour: float, length: int, draw: np.random.Generator
) -> NDArray[np.bool_]:
    starts = draw.random((seconds, columns)) < per_hour / 3600.0
    begun = np.cumsum(starts, axis=0)
    ended = np.vstack((np.zeros((length, columns)), begun))[:seconds]
    return begun > ended


def _drawn(rates: Rates, setting: Setting, draw: np.random.Generator, *, in_clumps: bool) -> World:
    requests = draw.poisson(setting.per_second / PODS, rates.shape)
    if not in_clumps:
        return World(requests, draw.binomial(requests, np.minimum(rates, 1.0)))
    bad = np.zeros_like(requests)
    for pod in range(PODS):
        seconds = np.repeat(np.arange(len(requests)), requests[:, pod])
        begun = np.cumsum(draw.random(len(seconds)) < setting.base / CLUMP)
        ended = np.concatenate((np.zeros(CLUMP, dtype=begun.dtype), begun))[: len(begun)]
        bad[:, pod] = np.bincount(seconds[begun > ended], minlength=len(requests))
    return World(requests, bad)

"""Sequential tests: looking at every window is allowed, and the chance of a false alarm stays bounded.

Each test bets against a hypothesis about the rates of bad requests, "in every window p_c <= ratio * p_s +
delta", whatever p_s does meanwhile. Under the hypothesis no bet gains on average, so by Ville's inequality
the capital ever reaches 1/alpha with probability at most alpha, however often one looks. The capital is
spread over a grid of alternatives and over starting times, so that small, large, early and late faults are
all found. One window's factor is capped: no window convicts unless those before it had raised suspicion.

Everything is kept in natural logarithms; no count, however large, overflows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import add
from typing import Final

from canary.domain.evidence import MixtureState
from canary.domain.measurement import ArmCounts

__all__ = [
    "COMPARISON_GRID",
    "INDEPENDENT",
    "OBJECTIVE_GRID",
    "Budget",
    "Dispersion",
    "Hypothesis",
    "SequentialTest",
    "bet",
    "bets",
    "capitals_on",
    "comparison_test",
    "fold_alarm",
    "fold_window",
    "fresh_state",
    "is_calm",
    "log_evidence",
    "log_factor",
    "log_factors",
    "log_sum_exp",
    "objective_test",
]

OBJECTIVE_GRID: Final = (1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 90.0)
"""How many times the bound the canary's rate may be, as alternatives to bet on."""
COMPARISON_GRID: Final = (1.3, 1.6, 2.2, 3.5, 7.0, 20.0, 100.0)
"""How many times the tolerated rate the canary's may be, as alternatives to bet on."""
FIRST_STAKE: Final = 0.5
"""The share of the capital that is bet from the first window on; the rest is for faults that start late."""
LEAST_STABLE_FACTOR: Final = 0.02
"""A bad request of stable never costs a bet more than 98 % of its capital."""
LOG_MOST_ALARM: Final = math.log(1000.0)
"""An alarm is kept below this, so that it does not outlast its cause by much."""
NOTHING_BET: Final = -math.inf
"""The logarithm of no capital."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Variance over mean of bad requests per arm (Fano factor); 1 when they come independently."""

    canary: float = 1.0
    stable: float = 1.0

    def __post_init__(self) -> None:
        if not (1.0 <= self.canary < math.inf and 1.0 <= self.stable < math.inf):
            raise ValueError(f"dispersions must be at least 1, not {self.canary} and {self.stable}")


INDEPENDENT: Final = Dispersion()


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What is doubted: in every window the canary's rate is at most ``ratio`` x stable's + ``delta``."""

    ratio: float
    delta: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What one test may spend: its part of the release's chance of a false alarm, and for how long."""

    alpha: float
    """The release's chance of a false rollback, over all its tests."""
    weight: float
    """This test's part of the release's capital; all weights sum to 1."""
    horizon_windows: int
    """How many windows the release can last; faults that start within them are found fast."""


@dataclass(frozen=True, slots=True)
class SequentialTest:
    """A hypothesis, the alternatives that are bet on, and how the capital is staked."""

    hypothesis: Hypothesis
    grid: tuple[float, ...]
    log_cap: float
    """Natural logarithm of the largest factor by which one window may multiply a bet's capital."""
    horizon_windows: int

    def stake(self, windows: int) -> float:
        """Return the share of the initial capital that starts to be bet in the window after ``windows``."""
        if windows == 0:
            return FIRST_STAKE
        if windows >= self.horizon_windows:
            return 0.0
        return (1.0 - FIRST_STAKE) / (self.horizon_windows - 1)


def objective_test(bound: float, budget: Budget) -> SequentialTest:
    """Doubt that the canary's rate of bad requests is at most ``bound``, a fraction in (0, 1)."""
    reachable = tuple(theta for theta in OBJECTIVE_GRID if theta * bound <= 1.0)
    grid = reachable or (1.0 / bound,)
    return SequentialTest(
        Hypothesis(ratio=0.0, delta=bound), grid, _log_cap(budget, len(grid)), budget.horizon_windows
    )


def comparison_test(tolerance: float, budget: Budget, *, comparisons: int = 1) -> SequentialTest:
    """Doubt that the canary's rate of bad requests is at most ``tolerance`` times stable's.

    ``comparisons`` is among how many of this kind one test's capital is divided.
    """
    return SequentialTest(
        Hypothesis(ratio=tolerance, delta=0.0),
        COMPARISON_GRID,
        _log_cap(budget, comparisons * len(COMPARISON_GRID)),
        budget.horizon_windows,
    )


def _log_cap(budget: Budget, alternatives: int) -> float:
    # Two windows at the cap convict even if only one alternative fits the fault ...
    two_suffice = 0.5 * math.log(2.0 * alternatives / (FIRST_STAKE * budget.alpha * budget.weight))
    # ... and a single one never multiplies an evidence of 1, which says nothing, to 1/alpha.
    one_does_not = math.log(0.99 / budget.alpha)
    return min(two_suffice, one_does_not)


def fresh_state(test: SequentialTest) -> MixtureState:
    """Return the state before any window: nothing bet yet, all capital in reserve."""
    return MixtureState(log_capitals=(NOTHING_BET,) * len(test.grid), reserve=1.0, windows=0)


def fold_window(
    test: SequentialTest, state: MixtureState, counts: ArmCounts, dispersion: Dispersion = INDEPENDENT
) -> MixtureState:
    """Bet on one window: S_j <- min(e_j, C) * (S_j + pi_t). The result depends on nothing else."""
    stake = min(test.stake(state.windows), state.reserve)
    capitals: Sequence[float] = capitals_on(len(test.grid), state)
    # What _log_add does, without a call for each of the bets: this is where a fold spends its time.
    if stake > 0.0:
        log_stake, exp, log1p = math.log(stake), math.exp, math.log1p
        capitals = [
            capital + log1p(exp(log_stake - capital))
            if capital > log_stake
            else log_stake + log1p(exp(capital - log_stake))
            for capital in capitals
        ]
    factors, cap = _factors(test, counts, dispersion), test.log_cap
    if max(factors) > cap:
        factors = [min(cap, factor) for factor in factors]
    return MixtureState(tuple(map(add, capitals, factors)), state.reserve - stake, state.windows + 1)


def fold_alarm(test: SequentialTest, state: MixtureState | None, counts: ArmCounts) -> MixtureState:
    """Bet on one window with bounded capital: S_j <- min(e_j * max(S_j, 1), 1000).

    For questions that convict nobody. The alarm rises at once whenever a fault starts and ends soon after it,
    at the price that over a long time its chance of rising without a cause is not bounded.
    """
    capitals = (0.0,) * len(test.grid) if state is None else capitals_on(len(test.grid), state)
    at_stake = [max(0.0, capital) for capital in capitals]
    raised = tuple(map(add, at_stake, _factors(test, counts, INDEPENDENT)))
    if max(raised) > LOG_MOST_ALARM:
        raised = tuple([min(capital, LOG_MOST_ALARM) for capital in raised])
    return MixtureState(raised, 0.0, 1 if state is None else state.windows + 1)


def log_evidence(state: MixtureState) -> float:
    """Return ln E: the mean capital of the bets plus what has not been bet. At most 0 on average."""
    log_mean = log_sum_exp(state.log_capitals) - math.log(len(state.log_capitals))
    return _log_add(log_mean, math.log(state.reserve) if state.reserve > 0.0 else NOTHING_BET)


def is_calm(alarm: MixtureState) -> bool:
    """Whether no bet of an alarm has gained: then E is at most 1, which is sooner told than E itself."""
    return max(alarm.log_capitals) <= 0.0


def capitals_on(count: int, state: MixtureState) -> tuple[float, ...]:
    """The capital of ``count`` bets; evenly spread where a version with others saved it: E is unchanged."""
    saved = len(state.log_capitals)
    if saved == count:
        return state.log_capitals
    log_mean = log_sum_exp(state.log_capitals) - math.log(saved) if saved else NOTHING_BET
    return (log_mean,) * count


def _factors(test: SequentialTest, counts: ArmCounts, dispersion: Dispersion) -> list[float]:
    hypothesis, canary, stable = test.hypothesis, counts.canary, counts.stable
    if hypothesis.ratio > 0.0:
        has_bets = canary.requests and stable.requests
        if not has_bets or not (canary.bad or stable.bad or hypothesis.delta):
            return [0.0] * len(test.grid)
        return log_factors(bets(test.grid, hypothesis, counts, dispersion), hypothesis, counts, dispersion)
    # Against a bound, bets do not depend on what was counted; the same ones are made window after window.
    sizes, gains = _bets(test.grid, dispersion.canary)
    bad, expected = canary.bad, canary.requests * hypothesis.delta
    if not bad:
        return [-size * expected for size in sizes]
    return [bad * gain - size * expected for size, gain in zip(sizes, gains, strict=True)]


@lru_cache(maxsize=4096)
def _bets(grid: tuple[float, ...], dispersion: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """For each alternative: the bet against a bound, and what one bad request adds to ln e."""
    sizes = _wanted(grid, dispersion)
    return tuple(sizes), tuple(_log_gains(sizes, dispersion))


def bet(
    theta: float, hypothesis: Hypothesis, counts: ArmCounts, dispersion: Dispersion = INDEPENDENT
) -> float:
    """Return the bet that gains fastest when the canary's rate is ``theta`` times what is allowed.

    It depends on how many requests each arm had, never on how many of them were bad. 0 (no bet) when the
    canary, or a stable that is compared with, had no request.
    """
    return bets((theta,), hypothesis, counts, dispersion)[0]


def bets(
    thetas: Sequence[float], hypothesis: Hypothesis, counts: ArmCounts, dispersion: Dispersion
) -> list[float]:
    """Return the ``bet`` on each of several alternatives; what they share is computed once."""
    canary, stable = counts.canary.requests, counts.stable.requests
    if canary == 0 or (hypothesis.ratio > 0.0 and stable == 0):
        return [0.0] * len(thetas)
    if hypothesis.ratio == 0.0:
        return _wanted(thetas, dispersion.canary)
    allowed = hypothesis.ratio * canary
    share = allowed / (allowed + stable)
    rest = 1.0 - share
    effective = [1.0 + (theta - 1.0) * rest / (1.0 + share * (theta - 1.0)) for theta in thetas]
    most = _largest_stable_bet(dispersion.stable) * stable / allowed
    return [min(most, size) for size in _wanted(effective, dispersion.canary)]


def _wanted(thetas: Sequence[float], dispersion: float) -> list[float]:
    """The bets that gain fastest, were there no limit to them."""
    excess, log1p = dispersion - 1.0, math.log1p
    if excess <= 0.0:
        return [theta - 1.0 for theta in thetas]
    return [log1p((theta - 1.0) * excess / dispersion) / excess for theta in thetas]


def _largest_stable_bet(dispersion: float) -> float:
    most = 1.0 - LEAST_STABLE_FACTOR
    excess = dispersion - 1.0
    return math.log1p(excess * most) / excess if excess > 0.0 else most


def log_factor(
    size: float, hypothesis: Hypothesis, counts: ArmCounts, dispersion: Dispersion = INDEPENDENT
) -> float:
    """Return ln e of one window for a bet of ``size``; its exponential is at most 1 on average.

    That holds while the hypothesis does; ``size`` > 0 gains when the canary is worse than it allows.
    """
    return log_factors((size,), hypothesis, counts, dispersion)[0]


def log_factors(
    sizes: Sequence[float], hypothesis: Hypothesis, counts: ArmCounts, dispersion: Dispersion
) -> list[float]:
    """Return the ``log_factor`` of each of several bets."""
    canary, stable = counts.canary, counts.stable
    requests, delta, bad = canary.requests, hypothesis.delta, canary.bad
    logs = [-size * requests * delta for size in sizes]
    if bad:
        gains = _log_gains(sizes, dispersion.canary)
        logs = [log + bad * gain for log, gain in zip(logs, gains, strict=True)]
    if stable.bad and hypothesis.ratio > 0.0:
        bad, others, ratio = stable.bad, stable.requests, hypothesis.ratio
        losses = _log_losses([size * ratio * requests / others for size in sizes], dispersion.stable)
        logs = [log + bad * loss for log, loss in zip(logs, losses, strict=True)]
    return logs


def _log_gains(sizes: Sequence[float], dispersion: float) -> list[float]:
    """What one bad request of the canary adds to ln e."""
    excess, log1p, expm1 = dispersion - 1.0, math.log1p, math.expm1
    if excess <= 0.0:
        return [log1p(size) for size in sizes]
    return [log1p(-expm1(-excess * size) / excess) for size in sizes]


def _log_losses(sizes: Sequence[float], dispersion: float) -> list[float]:
    """What one bad request of stable adds to ln e, below zero, of bets that are sized to its requests."""
    excess, log1p, expm1 = dispersion - 1.0, math.log1p, math.expm1
    if excess <= 0.0:
        return [log1p(-size) for size in sizes]
    return [log1p(-expm1(excess * size) / excess) for size in sizes]


def log_sum_exp(values: Sequence[float]) -> float:
    """Return ln(sum of exp(values)) without overflow; minus infinity for the sum of nothing."""
    largest = max(values, default=NOTHING_BET)
    if largest == NOTHING_BET:
        return NOTHING_BET
    return largest + math.log(math.fsum(math.exp(value - largest) for value in values))


def _log_add(one: float, other: float) -> float:
    low, high = (one, other) if one < other else (other, one)
    return high if low == NOTHING_BET else high + math.log1p(math.exp(low - high))

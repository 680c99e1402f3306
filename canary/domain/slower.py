"""Slower: whether the canary is several times as slow as stable, by pairs of edges of the histogram.

What is doubted: that the canary's share of requests above an edge is at most ``tolerance`` times stable's
share above a lower one. Time is what people tolerate: at one and the same edge far out, a canary that is a
tenth slower may have more than 1.2 times stable's share.

One test for all pairs of an objective. Its capital is divided among them evenly, and each bets with its part
as ``sequential`` does, so its evidence is the mean of theirs: evidence itself, however they depend on each
other. A pair of which a window holds nothing does not bet in it, and none bets while the canary warms up:
neither says anything of the outcome.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from canary.domain.edges import Pair
from canary.domain.evidence import MixtureState
from canary.domain.measurement import ArmCounts
from canary.domain.sequential import (
    Dispersion,
    SequentialTest,
    capitals_on,
    fold_window,
    fresh_state,
    log_evidence,
)

__all__ = ["counts_of", "fold_pairs", "is_warm", "larger", "log_evidence_by_pair"]

WARM_UP_SECONDS: Final = 60.0
"""For so long after its first request a canary may fill its caches, compile and connect: while it keeps the
bound, to be slower than a stable that did so long ago is no evidence."""


def counts_of(pair: Pair, by_name: Mapping[str, ArmCounts]) -> ArmCounts | None:
    """The canary's counts at its edge beside stable's at the lower one; None where one was not counted."""
    high, low = by_name.get(pair.canary_counts), by_name.get(pair.stable_counts)
    return None if high is None or low is None else ArmCounts(high.canary, low.stable)


def is_warm(state: MixtureState | None, window_seconds: float) -> bool:
    """Whether the canary had requests in enough windows before: those count that were folded."""
    return state is not None and state.windows * window_seconds >= WARM_UP_SECONDS


def larger(one: Dispersion, other: Dispersion) -> Dispersion:
    """What has to be assumed of a pair, by what is known at its two edges."""
    most = max(one.canary, one.stable, other.canary, other.stable)
    return Dispersion(most, most)


def fold_pairs(
    test: SequentialTest,
    state: MixtureState | None,
    counts: Sequence[ArmCounts | None],
    dispersions: Sequence[Dispersion],
) -> MixtureState:
    """Bet on one window with each pair's part of the capital; ``counts`` has None for what was not counted.

    The state holds the parts one after the other, each as long as the test's grid.
    """
    before = (
        [fresh_state(test)] * len(counts) if state is None else _parts(state, len(test.grid), len(counts))
    )
    after = [
        fold_window(test, part, seen or ArmCounts(), dispersion)
        for part, seen, dispersion in zip(before, counts, dispersions, strict=True)
    ]
    return MixtureState(
        log_capitals=tuple(capital for part in after for capital in part.log_capitals),
        reserve=after[0].reserve,
        windows=after[0].windows,
    )


def log_evidence_by_pair(state: MixtureState, pairs: int) -> tuple[float, ...]:
    """Return ln E of each pair; the test's E is their mean."""
    return tuple(log_evidence(part) for part in _parts(state, len(state.log_capitals) // pairs or 1, pairs))


def _parts(state: MixtureState, grid: int, pairs: int) -> list[MixtureState]:
    """Divide the capital; evenly where a version with other pairs or grid saved it: E is unchanged."""
    capitals = capitals_on(grid * pairs, state)
    return [
        MixtureState(capitals[begin : begin + grid], state.reserve, state.windows)
        for begin in range(0, grid * pairs, grid)
    ]

"""Dispersion: how much more the number of bad requests varies than if each came by itself (the Fano factor).

Errors come in bursts: a pod dies, a client tries again at once. A test that takes them for independent
convicts good canaries. So it is learned how stable's errors come, at several lengths of time, and the tests
bet accordingly (``sequential.Dispersion``). Stable alone is asked: what the canary does must not excuse it.

Where stable's pods are told apart, their counts of one block are compared with each other, so that what
befalls all of them at once cancels out; else one block of time is compared with the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from typing import Final

from canary.domain.measurement import NOTHING, Counts, Window, grid_floor

__all__ = [
    "BLOCKS_SECONDS",
    "UNKNOWN",
    "Block",
    "Spread",
    "added",
    "dispersion_of",
    "learn",
    "nothing_learned",
    "spread",
]

BLOCKS_SECONDS: Final = (10.0, 30.0, 60.0, 120.0)
"""Lengths of time over which errors are gathered before they are compared: bursts have several."""
PRIOR_SQUARES: Final = 15.0
PRIOR_EXPECTED: Final = 10.0
"""As if a little had been seen, half as widely spread again as errors that are independent."""
KEPT: Final = 0.95
"""How much of what recent blocks taught is kept at the end of another one: some twenty of them count."""
UNKNOWN: Final = PRIOR_SQUARES / PRIOR_EXPECTED
"""What is assumed of a service of which no bad request has been seen."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far parts were from their even shares, and how far independent errors would have been."""

    squares: float = 0.0
    expected: float = 0.0

    def __add__(self, other: "Spread") -> "Spread":
        return Spread(self.squares + other.squares, self.expected + other.expected)


@dataclass(frozen=True, slots=True)
class Block:
    """The block of time that is being filled, and what all whole ones before have taught."""

    index: int = 0
    """Blocks are counted from the Unix epoch; the first whose ``stable`` had no request is none."""
    stable: Counts = NOTHING
    parts: tuple[Counts, ...] = ()
    """By group of stable's pods; empty where they are not told apart."""
    before: Counts | None = None
    """Stable's counts in the block just before; None when nothing was measured then."""
    learned: Spread = Spread()
    recent: Spread = Spread()
    """The same of the latest blocks: an hour of calm must not hide for long that bursts have begun."""


def nothing_learned() -> tuple[Block, ...]:
    """One empty block for each length."""
    return tuple(Block() for _ in BLOCKS_SECONDS)


def spread(parts: Sequence[Counts]) -> Spread:
    """Compare parts that had the same chance of a bad request, given how many there were in all.

    With m bad among parts that have shares s_i of the requests, independent errors have a sum of squares
    (k_i - m s_i)^2 whose mean is the sum of m s_i (1 - s_i); bursts of size c have c times as much.
    """
    total = sum(parts, NOTHING)
    if not total.bad:
        return Spread()
    squares = expected = 0.0
    for part in parts:
        share = part.requests / total.requests
        squares += (part.bad - total.bad * share) ** 2
        expected += total.bad * share * (1.0 - share)
    return Spread(squares, expected)


def learn(
    blocks: Sequence[Block], window: Window, stable: Counts, parts: Sequence[Counts]
) -> tuple[Block, ...]:
    """Return the blocks after one more window of stable's; windows come in order.

    The shortest block takes windows, the longer ones take whole shortest blocks.
    """
    shortest, longer = blocks[0], blocks[1:]
    index = _index(window.end, BLOCKS_SECONDS[0])
    grown = _with(shortest, index, stable, tuple(parts))
    if shortest.index == index or not shortest.stable.requests:
        return (grown, *longer)
    end = shortest.index * BLOCKS_SECONDS[0]
    return (
        grown,
        *(
            _with(block, _index(end, seconds), shortest.stable, shortest.parts)
            for block, seconds in zip(longer, BLOCKS_SECONDS[1:], strict=True)
        ),
    )


def added(blocks: Sequence[Block] | None, past: Sequence[Block]) -> tuple[Block, ...]:
    """Return the blocks, with what was learned in the past in addition; None: nothing but that."""
    if blocks is None:
        return tuple(Block(learned=block.learned, recent=block.recent) for block in past)
    return tuple(
        replace(block, learned=block.learned + before.learned)
        for block, before in zip(blocks, past, strict=True)
    )


def dispersion_of(blocks: Sequence[Block]) -> float:
    """Return the largest that any length of time shows, ever or of late; ``UNKNOWN`` at first, at least 1.

    What was seen of late needs to be more than chance to count: it is held against a prior of independence.
    """
    most = 1.0
    for block in blocks:
        ever = (block.learned.squares + PRIOR_SQUARES) / (block.learned.expected + PRIOR_EXPECTED)
        of_late = (block.recent.squares + PRIOR_EXPECTED) / (block.recent.expected + PRIOR_EXPECTED)
        most = max(most, ever, of_late)
    return most


@lru_cache(maxsize=64)
def _index(end: float, seconds: float) -> int:
    """The block in which what ends there belongs; its end is the block's at the latest.

    The windows of all objectives and releases end at the same times.
    """
    return -round(grid_floor(-end, seconds) / seconds)


def _with(block: Block, index: int, stable: Counts, parts: tuple[Counts, ...]) -> Block:
    """Add to the block that is being filled, or learn from it and begin another."""
    if block.index == index:
        # Not by ``replace``: nearly every window of every release comes this way.
        return Block(
            index=index,
            stable=block.stable + stable,
            parts=_added(block.parts, parts),
            before=block.before,
            learned=block.learned,
            recent=block.recent,
        )
    told_apart = sum(1 for part in block.parts if part.requests) > 1
    pair = () if block.before is None else (block.before, block.stable)
    found = spread(block.parts if told_apart else pair)
    return Block(
        index=index,
        stable=stable,
        parts=parts,
        before=block.stable if index == block.index + 1 else None,
        learned=block.learned + found,
        recent=Spread(block.recent.squares * KEPT, block.recent.expected * KEPT) + found,
    )


def _added(some: tuple[Counts, ...], more: tuple[Counts, ...]) -> tuple[Counts, ...]:
    if not more:
        return some
    return tuple([one + other for one, other in zip_longest(some, more, fillvalue=NOTHING)])

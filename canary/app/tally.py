"""Tallies: sums of increments per slot, and how they become whole, possible counts.

What cannot be shown in one window (a dip, a fraction, more bad requests than requests) is not dropped: it is
carried into the next one, so the windows of a release add up to what was counted.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from canary.app.attribution import UNATTRIBUTED, Arm, Share, Slot
from canary.domain.measurement import ArmCounts, Counts

__all__ = ["Settled", "Sum", "Tally", "added", "settle", "with_increment"]


class Sum(NamedTuple):
    """Requests and bad ones; may be negative or fractional before it is settled."""

    requests: float = 0.0
    bad: float = 0.0


Tally = Mapping[Slot, Sum]


def with_increment(tally: dict[Slot, Sum], shares: Iterable[Share], amount: float) -> None:
    """Add one increment of a series to every slot that it has a share in, in place."""
    for share in shares:
        requests, bad = tally.get(share.slot, Sum())
        tally[share.slot] = Sum(requests + share.requests * amount, bad + share.bad * amount)


def added(*tallies: Tally) -> Tally:
    """The sum of tallies, slot by slot."""
    total: dict[Slot, Sum] = {}
    for tally in tallies:
        for slot, (requests, bad) in tally.items():
            before = total.get(slot, Sum())
            total[slot] = Sum(before.requests + requests, before.bad + bad)
    return total


class Settled(NamedTuple):
    """What a window shows, and what is left for the next one."""

    counts: Mapping[str, ArmCounts]
    unattributed: Counts
    stable_parts: Mapping[str, tuple[Counts, ...]]
    beside: Mapping[str, ArmCounts]
    carry: Tally


def settle(tally: Tally, objectives: Iterable[str]) -> Settled:
    """Whole counts with 0 <= bad <= requests."""
    carry: dict[Slot, Sum] = {}

    def settled(slot: Slot) -> Counts:
        raw = tally.get(slot, Sum())
        requests = max(0, round(raw.requests))
        bad = min(max(0, round(raw.bad)), requests)
        rest = Sum(raw.requests - requests, raw.bad - bad)
        if rest != (0.0, 0.0):
            carry[slot] = rest
        return Counts(requests, bad)

    def both(name: str, *, beside: bool) -> ArmCounts:
        arms = (settled(Slot(name, arm, beside=beside)) for arm in (Arm.CANARY, Arm.STABLE))
        return ArmCounts(*arms)

    names = tuple(objectives)
    counts = {name: both(name, beside=False) for name in names}
    beside = {name: both(name, beside=True) for name in names}
    unattributed = settled(UNATTRIBUTED)
    parts = {name: tuple(settled(slot) for slot in _parts(tally, name)) for name in names}
    # An objective that cannot be measured now must not lose what was counted for it.
    carry.update(
        {slot: each for slot, each in tally.items() if slot.objective and slot.objective not in names}
    )
    return Settled(
        counts,
        unattributed,
        {name: found for name, found in parts.items() if found},
        {name: found for name, found in beside.items() if found != ArmCounts()},
        carry,
    )


def _parts(tally: Tally, objective: str) -> Iterable[Slot]:
    """The slot of every group of stable's pods, without a gap: each has its place, window by window."""
    known = [slot.part for slot in tally if slot.objective == objective and slot.part is not None]
    return (Slot(objective, Arm.STABLE, part) for part in range(max(known, default=-1) + 1))

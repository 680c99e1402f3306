"""Figures that must not get worse unnoticed; wide enough for the few runs of ``--quick``."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from benchmarks.detection.promotions import AT_THE_BUDGET, BUDGET_RULE
from benchmarks.detection.slowness_tables import Cells, by_pairs_wrongly
from benchmarks.detection.worlds import Found, Setting

__all__ = ["regressions", "slow_regressions"]

MOST_FALSE_ROLLBACKS: Final = 0.03
"""Of all healthy worlds together, the harshest included."""
MOST_PROMOTED: Final = 0.05
"""Of canaries whose excess is as large as the budget."""
MOST_OF_TOLERABLE: Final = 0.01
"""Of canaries that are tolerably slow, by the pairs of edges alone."""
SECONDS: Final = {
    ("20 %", Setting(100.0, 0.005)): 6.0,
    ("5 %", Setting(100.0, 0.005)): 40.0,
    ("x5", Setting(1000.0, 0.005)): 15.0,
    ("20 % from minute 20", Setting(100.0, 0.005)): 1215.0,
}
"""By fault and setting: the median of the 1 s windows."""


def regressions(
    wrong: Mapping[str, Mapping[str, Sequence[int]]],
    runs: int,
    found: Mapping[str, Mapping[Setting, Mapping[str, Sequence[Found | None]]]],
    promoted: Mapping[str, Mapping[Setting, Mapping[str, Sequence[float | None]]]],
) -> Iterator[str]:
    """Say each figure that is worse than it may be."""
    counts = [count for by_judge in wrong.values() for count in by_judge["Canary"]]
    share = sum(counts) / (runs * len(counts))
    if share > MOST_FALSE_ROLLBACKS:
        yield f"{100 * share:.1f} % of healthy canaries were rolled back; {MOST_FALSE_ROLLBACKS:.0%} may be"
    for (kind, setting), most in SECONDS.items():
        results = found[kind][setting]["Canary, 1 s windows"]
        median = statistics.median(most + 1 if each is None else each.second for each in results)
        if median > most:
            yield f"{kind} at {setting.per_second / 10:g}/s was found after {median:g} s, {most:g} s may be"
    passed = [end for cell in promoted[AT_THE_BUDGET].values() for end in cell[BUDGET_RULE]]
    share = sum(end is not None for end in passed) / len(passed)
    if share > MOST_PROMOTED:
        yield f"{share:.0%} of canaries that cost the budget were promoted; {MOST_PROMOTED:.0%} may be"


def slow_regressions(cells: Cells) -> Iterator[str]:
    """Say whether the pairs of edges convict canaries that are slow as pods and nodes are."""
    share = by_pairs_wrongly(cells)
    if share > MOST_OF_TOLERABLE:
        yield f"{share:.1%} of tolerably slow canaries were convicted; {MOST_OF_TOLERABLE:.0%} may be"

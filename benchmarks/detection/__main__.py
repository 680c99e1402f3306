"""``python -m benchmarks.detection``: false rollbacks and detection, ours beside the rules of today.

Every judge sees the same worlds: a service of ten pods with a tenth of the requests each, one of them the
canary, for one hour, after an hour of history. Seeded, so that a run can be repeated; it prints Markdown and
the time it took. ``--quick`` makes fewer runs, ``--plots DIRECTORY`` draws what it prints.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.detection.costs import fold_milliseconds
from benchmarks.detection.ours import PLAN, Ours
from benchmarks.detection.plots import draw
from benchmarks.detection.promotions import promotion_cells, promotion_table
from benchmarks.detection.regressions import regressions, slow_regressions
from benchmarks.detection.rules import RULES
from benchmarks.detection.slowness_tables import slow_cells, slow_tables
from benchmarks.detection.worlds import FAULTS, HEALTHY, Fault, Found, Setting, World, faulty, healthy

HOUR: Final = 3600
OURS: Final[Mapping[str, Callable[[World, int], Found | None]]] = {
    "Canary": Ours(10),
    "Canary, pods not told apart": Ours(10, told_apart=False),
    "Canary, no history": Ours(10, has_history=False),
    "Canary, neither": Ours(10, has_history=False, told_apart=False),
}
JUDGES: Final = {**OURS, **RULES}
FASTEST_WINDOW: Final = 1
FAST: Final = {"Canary, 1 s windows": Ours(FASTEST_WINDOW), "Canary": OURS["Canary"], **RULES}
SETTINGS: Final = tuple(Setting(rate, base) for rate in (10.0, 100.0, 1000.0) for base in (0.001, 0.005))
BUDGET: Final = PLAN.false_rollback_budget


@dataclass(frozen=True, slots=True)
class Job:
    """One world for all judges."""

    kind: str
    setting: Setting
    seed: int


def judge_healthy(job: Job) -> dict[str, bool]:
    """Who rolls a healthy canary back."""
    world = healthy(job.kind, job.setting, 2 * HOUR, job.seed)
    return {name: judge(world, HOUR) is not None for name, judge in JUDGES.items()}


def judge_faulty(job: Job) -> dict[str, Found | None]:
    """When each finds a fault."""
    world = faulty(FAULTS[job.kind], job.setting, 2 * HOUR, HOUR, job.seed)
    return {name: judge(world, HOUR) for name, judge in FAST.items()}


def wald_requests(fault: Fault, setting: Setting, allowed: Sequence[float]) -> float:
    """How many of its requests any test needs on average that keeps the same budget: ln(1/alpha) / KL.

    The best of those that doubt that its share of bad requests is at most one of ``allowed``.
    """
    rate = fault.rate_at(setting.base)
    most = max((_divergence(rate, bound) for bound in allowed if rate > bound), default=0.0)
    return math.log(1.0 / BUDGET) / most if most > 0.0 else math.inf


def _divergence(rate: float, bound: float) -> float:
    fine = (1.0 - rate) * math.log((1.0 - rate) / (1.0 - bound)) if rate < 1.0 else 0.0
    return rate * math.log(rate / bound) + fine


def main() -> int:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
    parser.add_argument("--check", action="store_true", help="fail when a figure is worse than it was")
    parser.add_argument("--plots", type=Path, metavar="DIRECTORY", help="draw the tables there, as SVG")
    arguments = parser.parse_args()
    runs, fault_runs = (3, 2) if arguments.quick else (30, 10)
    begun = time.monotonic()
    with ProcessPoolExecutor() as pool:
        wrong = dict(healthy_rows(pool, runs))
        found = {kind: fault_cells(pool, kind, fault_runs) for kind in FAULTS}
        say("promotions")
        promoted = promotion_cells(pool, SETTINGS, max(3, runs // 3))
        say("slow canaries")
        slow = slow_cells(pool, runs)
    print(healthy_table(wrong, runs))
    print(fault_tables(found))
    print()
    print("\n".join(promotion_table(promoted)))
    print()
    print("\n".join(slow_tables(slow)))
    print(f"\nFolding one window of 1,000 releases with 3 objectives: {fold_milliseconds():.0f} ms.")
    print(f"\nMade in {(time.monotonic() - begun) / 60:.0f} minutes.")
    if arguments.plots is not None:
        draw(arguments.plots, wrong, runs * len(SETTINGS), found)
    broken = [*regressions(wrong, runs, found, promoted), *slow_regressions(slow)] if arguments.check else []
    for each in broken:
        say(f"worse than it was: {each}")
    return 1 if broken else 0


def healthy_rows(pool: ProcessPoolExecutor, runs: int) -> Iterator[tuple[str, dict[str, list[int]]]]:
    """For each kind of healthy world: by judge, how many were rolled back in each setting."""
    for kind in HEALTHY:
        say(f"healthy: {kind}")
        jobs = [Job(kind, setting, seed) for setting in SETTINGS for seed in range(runs)]
        verdicts = list(pool.map(judge_healthy, jobs, chunksize=4))
        yield (
            kind,
            {
                name: [
                    sum(each[name] for each in verdicts[start : start + runs])
                    for start in range(0, len(verdicts), runs)
                ]
                for name in JUDGES
            },
        )


def fault_cells(
    pool: ProcessPoolExecutor, kind: str, runs: int
) -> dict[Setting, dict[str, Sequence[Found | None]]]:
    """By setting and judge: when a fault was found."""
    say(f"fault: {kind}")
    cells = {}
    for setting in SETTINGS:
        found = list(pool.map(judge_faulty, [Job(kind, setting, seed) for seed in range(runs)], chunksize=2))
        cells[setting] = {name: [each[name] for each in found] for name in FAST}
    return cells


def healthy_table(wrong: Mapping[str, Mapping[str, Sequence[int]]], runs: int) -> str:
    """Percent of healthy releases that were rolled back within the hour: all settings, and the worst one."""
    lines = [_row("healthy canary", *JUDGES), _row(*["---"] * (len(JUDGES) + 1))]
    for kind, by_judge in wrong.items():
        cells = [
            f"{100 * sum(counts) / (runs * len(counts)):.1f} (worst {100 * max(counts) / runs:.0f})"
            for counts in by_judge.values()
        ]
        lines.append(_row(kind, *cells))
    return "\n".join(lines)


def fault_tables(found: Mapping[str, Mapping[Setting, Mapping[str, Sequence[Found | None]]]]) -> str:
    """Median and 95th percentile of seconds, failed requests, and how many were not found, cell by cell."""
    head = ("fault", "canary's requests/s", "base", *FAST, "x Wald, bound", "x Wald, both")
    lines = ["", _row(*head), _row(*["---"] * len(head))]
    for kind, by_setting in found.items():
        for setting, by_judge in by_setting.items():
            cells = [_cell(results) for results in by_judge.values()]
            fastest, fault = by_judge["Canary, 1 s windows"], FAULTS[kind]
            # As if stable's share were known.
            bound, as_stable = PLAN.objectives[0].max_bad_ratio, PLAN.tolerance * setting.base
            ratios = [_ratio(fastest, fault, setting, allowed) for allowed in ((bound,), (bound, as_stable))]
            rate = f"{setting.per_second / 10:g}"
            lines.append(_row(kind, rate, f"{100 * setting.base:g} %", *cells, *ratios))
    return "\n".join(lines)


def _cell(results: Sequence[Found | None]) -> str:
    hits = [each for each in results if each is not None]
    missed = len(results) - len(hits)
    unfound = f"; {100 * missed / len(results):.0f} % not found" if missed else ""
    if not hits:
        return "not found"
    seconds = sorted(each.second for each in hits)
    late = seconds[min(len(seconds) - 1, math.ceil(0.95 * len(seconds)) - 1)]
    failed = statistics.mean(each.failed for each in hits)
    return f"{statistics.median(seconds):.0f} s ({late} s), {failed:.0f} failed{unfound}"


def _ratio(
    results: Sequence[Found | None],
    fault: Fault,
    setting: Setting,
    allowed: Sequence[float],
) -> str:
    """The canary's requests until a fault was found, but for one window, by those of Wald's bound."""
    least = wald_requests(fault, setting, allowed)
    if fault.since or fault.grows_over or math.isinf(least) or any(each is None for each in results):
        return "-"
    seconds = statistics.mean(each.second for each in results if each is not None)
    requests = (seconds - FASTEST_WINDOW) * setting.per_second / 10
    return f"{requests / least:.1f}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def say(text: str) -> None:
    """Tell whoever waits."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""What becomes of a canary after ten minutes at a tenth of the requests, where the next step is all of them.

Ours by both of its rules: that nothing was found (``bake``), and that going on was shown to be safe
(``budget``); the others pass whatever they have not failed by then.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.detection.ours import HOUR, PLAN, measured
from benchmarks.detection.rules import RULES
from benchmarks.detection.worlds import Fault, Setting, World, faulty
from canary.domain.analysis import fold, judge, new_evidence, with_history
from canary.domain.plan import EvidenceRule, Plan, Step
from canary.domain.verdict import Outcome

__all__ = ["AT_THE_BUDGET", "BUDGET_RULE", "promotion_cells", "promotion_table"]

BAKE_SECONDS: Final = 600
WINDOW: Final = 10
BAKE: Final = replace(PLAN, steps=(Step(10, float(BAKE_SECONDS)),))
BUDGET_RULE: Final = "Canary, budget"
OURS: Final[Mapping[str, Plan]] = {
    "Canary, bake": BAKE,
    BUDGET_RULE: replace(BAKE, evidence=EvidenceRule.BUDGET),
}
AT_THE_BUDGET: Final = "excess as large as the budget"
CANARIES: Final[Mapping[str, Fault]] = {
    "as good as stable": Fault(times=1.0),
    AT_THE_BUDGET: Fault(more=PLAN.blast_radius_budget),
    "x2": Fault(times=2.0),
    "x5": Fault(times=5.0),
    "5 %": Fault(0.05),
}

Cells = Mapping[str, Mapping[Setting, Mapping[str, Sequence[float | None]]]]
"""By canary, setting and judge: when it was promoted, in seconds; None when it was not within the hour."""


@dataclass(frozen=True, slots=True)
class _Job:
    kind: str
    setting: Setting
    seed: int


def promotion_cells(pool: ProcessPoolExecutor, settings: Sequence[Setting], runs: int) -> Cells:
    """Try every canary in every setting."""
    return {kind: {setting: _cell(pool, kind, setting, runs) for setting in settings} for kind in CANARIES}


def promotion_table(cells: Cells) -> Iterator[str]:
    """Percent promoted within the hour, and the median of the minutes that it took."""
    judges = (*OURS, *RULES)
    yield f"| canary | its requests/s | base | {' | '.join(judges)} |"
    yield "| --- " * (len(judges) + 3) + "|"
    for kind, by_setting in cells.items():
        for setting, by_judge in by_setting.items():
            shown = " | ".join(_shown(by_judge[judge]) for judge in judges)
            yield f"| {kind} | {setting.per_second / 10:g} | {100 * setting.base:g} % | {shown} |"


def _shown(ends: Sequence[float | None]) -> str:
    promoted = [end for end in ends if end is not None]
    if not promoted:
        return "0"
    return f"{100 * len(promoted) / len(ends):.0f} ({statistics.median(promoted) / 60:.0f} min)"


def _cell(pool: ProcessPoolExecutor, kind: str, setting: Setting, runs: int) -> dict[str, list[float | None]]:
    found = list(pool.map(_promoted, [_Job(kind, setting, seed) for seed in range(runs)], chunksize=4))
    return {name: [each[name] for each in found] for name in (*OURS, *RULES)}


def _promoted(job: _Job) -> dict[str, float | None]:
    before = int(HOUR)
    world = faulty(CANARIES[job.kind], job.setting, 2 * before, before, job.seed)
    ends: dict[str, float | None] = {name: _by_ours(plan, world, before) for name, plan in OURS.items()}
    for name, rule in RULES.items():
        failed = rule(world, before)
        passed = failed is None or failed.second > BAKE_SECONDS
        ends[name] = float(BAKE_SECONDS) if passed else None
    return ends


def _by_ours(plan: Plan, world: World, before: int) -> float | None:
    start = float(before)
    evidence = with_history(new_evidence(start), measured(world, WINDOW, 0, before), plan)
    for measurement in measured(world, WINDOW, before, len(world.requests)):
        step = {"window_seconds": float(WINDOW), "step_index": 0, "step_since": start}
        evidence = fold(evidence, measurement, plan, **step)
        verdict = judge(evidence, plan, **step, now=evidence.evaluated_until)
        if verdict.outcome is not Outcome.HOLD:
            return evidence.evaluated_until - start if verdict.outcome is Outcome.PASS else None
    return None

"""Tables of slow canaries: who is rolled back that may not be, and how soon those are found that are slow."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from benchmarks.detection.slowness import SERVICES, SLOW, TOLERABLE, Durations, Judgement, judged
from benchmarks.detection.worlds import Found

__all__ = ["Cells", "by_pairs_wrongly", "slow_cells", "slow_tables"]

RATES: Final = (10.0, 100.0, 1000.0)
"""Requests per second to the whole service; the canary gets a tenth."""
WINDOW: Final = 10

Cells = Mapping[str, Mapping[tuple[Durations, float], Sequence[Judgement]]]


@dataclass(frozen=True, slots=True)
class _Job:
    kind: str
    durations: Durations
    per_second: float
    seed: int


def slow_cells(pool: ProcessPoolExecutor, runs: int) -> Cells:
    """Every kind of canary, by service and rate."""
    return {kind: dict(_settings(pool, kind, runs)) for kind in (*TOLERABLE, *SLOW)}


def slow_tables(cells: Cells) -> Iterator[str]:
    """What is tolerable and what is not, as Markdown."""
    yield "| canary | all tests | tests at the bound alone | pairs of edges alone |"
    yield "| --- | --- | --- | --- |"
    for kind in TOLERABLE:
        results = list(cells[kind].values())
        counts = [[sum(each is not None for each in column) for column in _columns(cell)] for cell in results]
        shown = [_share(column, len(results[0])) for column in zip(*counts, strict=True)]
        yield f"| {kind} | " + " | ".join(shown) + " |"
    yield ""
    yield (
        "| canary | median, deviation | canary's requests/s | all tests | tests at the bound alone "
        "| pairs of edges alone |"
    )
    yield "| --- | --- | --- | --- | --- | --- |"
    for kind in SLOW:
        for (durations, per_second), judgements in cells[kind].items():
            shown = [_found(column) for column in _columns(judgements)]
            service = f"{durations.median_ms:g} ms, {durations.deviation:g}"
            yield f"| {kind} | {service} | {per_second / 10:g} | " + " | ".join(shown) + " |"


def by_pairs_wrongly(cells: Cells) -> float:
    """The fraction of tolerable canaries that the pairs of edges alone convicted."""
    judgements = [each for kind in TOLERABLE for cell in cells[kind].values() for each in cell]
    return sum(each.by_pairs is not None for each in judgements) / len(judgements)


def _settings(
    pool: ProcessPoolExecutor, kind: str, runs: int
) -> Iterator[tuple[tuple[Durations, float], Sequence[Judgement]]]:
    for durations in SERVICES:
        for per_second in RATES:
            jobs = [_Job(kind, durations, per_second, seed) for seed in range(runs)]
            yield (durations, per_second), list(pool.map(_judge, jobs))


def _judge(job: _Job) -> Judgement:
    slowness = {**TOLERABLE, **SLOW}[job.kind]
    return judged(slowness, job.durations, job.per_second, WINDOW, job.seed)


def _columns(judgements: Sequence[Judgement]) -> tuple[Sequence[Found | None], ...]:
    return (
        [each.by_all for each in judgements],
        [each.at_bound for each in judgements],
        [each.by_pairs for each in judgements],
    )


def _share(counts: Sequence[int], runs: int) -> str:
    return f"{100 * sum(counts) / (runs * len(counts)):.1f} (worst {100 * max(counts) / runs:.0f})"


def _found(results: Sequence[Found | None]) -> str:
    hits = [each for each in results if each is not None]
    if not hits:
        return "not found"
    missed = len(results) - len(hits)
    unfound = f"; {100 * missed / len(results):.0f} % not found" if missed else ""
    return f"{statistics.median(each.second for each in hits):.0f} s{unfound}"

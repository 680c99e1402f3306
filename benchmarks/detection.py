"""How fast a bad canary is convicted, how often a good one: the project's own analysis, virtual clock.

Seeded, so that a run can be repeated. One second windows, canary at 10 % of the requests, stable at 0.2 %
errors, objective 1 %. It also reports what folding costs. `make bench` runs it; it takes about a minute.
"""

import random
import statistics
import time
from collections.abc import Iterator

from canary.domain.analysis import fold, judge, new_evidence
from canary.domain.measurement import ArmCounts, Counts, Measurement, Window
from canary.domain.plan import Objective, ObjectiveKind, Plan, Step
from canary.domain.verdict import Outcome

BASE = 0.002
RUNS = 31
HOUR = 3600
PLAN = Plan(
    stable="stable",
    canary="canary",
    steps=(Step(10, float(2 * HOUR)),),
    objectives=(Objective("error-rate", ObjectiveKind.ERRORS, 0.01),),
    deadline_seconds=float(HOUR),
)
BAD = ((1, 0.2), (10, 0.02), (10, 0.2), (10, 1.0), (100, 0.05))
GOOD = ((1, 0.001), (10, 0.001), (10, 0.005), (100, 0.005))
CLUMPS = ((10, 0.005, 2), (10, 0.002, 5))


def draw(chance: random.Random, requests: int, rate: float, clump: int) -> Counts:
    """Count errors that come alone, or in clumps of a few requests that fail together."""
    groups = sum(chance.random() < rate / clump for _ in range(requests))
    return Counts(requests, min(requests, groups * clump))


def windows(seed: int, per_second: int, rate: float, base: float, clump: int) -> Iterator[Measurement]:
    """Return an hour of windows; the canary has a tenth of the requests."""
    chance = random.Random(seed)
    for second in range(HOUR):
        canary = draw(chance, per_second, rate, clump)
        stable = draw(chance, 9 * per_second, base, clump)
        window = Window(float(second), float(second + 1))
        yield Measurement(window, {"error-rate": ArmCounts(canary, stable)})


def release(
    seed: int, per_second: int, rate: float, base: float, clump: int, seconds: int
) -> tuple[int, int] | None:
    """Return the second of the conviction and the failed canary requests until then; None without one."""
    evidence, failed = new_evidence(0.0), 0
    for measurement in windows(seed, per_second, rate, base, clump):
        failed += measurement.counts["error-rate"].canary.bad
        evidence = fold(evidence, measurement, PLAN, window_seconds=1.0, step_since=0.0)
        end = measurement.window.end
        verdict = judge(evidence, PLAN, window_seconds=1.0, step_index=0, step_since=0.0, now=end)
        if verdict.outcome is Outcome.FAIL:
            return int(end), failed
        if end >= seconds:
            return None
    return None


def main() -> None:
    """Print three tables and the cost of a fold."""
    print(f"{'requests/s':>10} {'errors':>7} {'found':>7} {'median s':>9} {'mean failed':>12}")
    for per_second, rate in BAD:
        found = [release(seed, per_second, rate, BASE, 1, HOUR // 2) for seed in range(RUNS)]
        hits = [hit for hit in found if hit is not None]
        seconds, failed = (statistics.median(hit[0] for hit in hits), statistics.mean(hit[1] for hit in hits))
        print(f"{per_second:>10} {rate:>7.1%} {len(hits):>3}/{RUNS} {seconds:>9.0f} {failed:>12.1f}")
    print("\nfalse rollbacks of a canary just as good as stable, in ten minutes")
    for per_second, rate in GOOD:
        wrong = sum(release(seed, per_second, rate, rate, 1, 600) is not None for seed in range(RUNS))
        print(f"{per_second:>10} {rate:>7.1%} {wrong:>3}/{RUNS}   independent errors")
    for per_second, rate, clump in CLUMPS:
        wrong = sum(release(seed, per_second, rate, rate, clump, 600) is not None for seed in range(RUNS))
        print(f"{per_second:>10} {rate:>7.1%} {wrong:>3}/{RUNS}   clumps of {clump}: not calibrated yet")
    samples = list(windows(0, 10, BASE, BASE, 1))[:2000]
    evidence, began = new_evidence(0.0), time.perf_counter()
    for measurement in samples:
        evidence = fold(evidence, measurement, PLAN, window_seconds=1.0, step_since=0.0)
    print(f"\none fold: {(time.perf_counter() - began) / len(samples) * 1e6:.0f} microseconds")


if __name__ == "__main__":
    main()

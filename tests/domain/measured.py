"""Measured stretches for tests: windows with known counts, and releases that are folded from them."""

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from canary.domain.analysis import fold, judge, new_evidence
from canary.domain.evidence import Evidence
from canary.domain.measurement import NOTHING, ArmCounts, Counts, Measurement, Window
from canary.domain.plan import Objective, ObjectiveKind, Plan, Step
from canary.domain.verdict import Outcome, Verdict

ERRORS = Objective("errors", ObjectiveKind.ERRORS, 0.01)
LATENCY = Objective("latency", ObjectiveKind.LATENCY, 0.01, 500.0)
PLAN = Plan(
    stable="checkout",
    canary="checkout-canary",
    steps=(Step(10, 60.0), Step(50, 60.0), Step(100, 60.0)),
    objectives=(ERRORS,),
)
BOTH = replace(PLAN, objectives=(ERRORS, LATENCY))


def counts(canary: tuple[int, int], stable: tuple[int, int]) -> ArmCounts:
    """Requests and bad requests of both arms."""
    return ArmCounts(Counts(*canary), Counts(*stable))


@dataclass(slots=True)
class Stretch:
    """A release under test: folds windows one after the other and judges on demand."""

    plan: Plan = PLAN
    window_seconds: float = 1.0
    step_index: int = 0
    step_since: float = 0.0
    evidence: Evidence = field(default_factory=lambda: new_evidence(0.0))

    @property
    def at(self) -> float:
        """End of the last window."""
        return self.evidence.evaluated_until

    def see(self, *, unattributed: Counts = NOTHING, **by_objective: ArmCounts) -> Verdict:
        """Fold the next window and judge right after it."""
        window = Window(self.at, self.at + self.window_seconds)
        return self.see_measurement(Measurement(window, by_objective, unattributed))

    def see_measurement(self, measurement: Measurement) -> Verdict:
        """Fold a given window and judge right after it."""
        self.evidence = fold(
            self.evidence,
            measurement,
            self.plan,
            window_seconds=self.window_seconds,
            step_index=self.step_index,
            step_since=self.step_since,
        )
        return self.judge()

    def judge(self, now: float | None = None) -> Verdict:
        """Judge now, by default at the end of the last window."""
        return judge(
            self.evidence,
            self.plan,
            window_seconds=self.window_seconds,
            step_index=self.step_index,
            step_since=self.step_since,
            now=self.at if now is None else now,
        )


def windows_until_fail(stretch: Stretch, windows: Iterable[ArmCounts]) -> int | None:
    """Return how many windows it takes until the canary fails; None when it never does."""
    for number, seen in enumerate(windows, start=1):
        if stretch.see(errors=seen).outcome is Outcome.FAIL:
            return number
    return None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests per window and rates of bad requests, for both arms."""

    canary: int
    stable: int
    canary_rate: float
    stable_rate: float

    def windows(self, number: int, seed: int) -> Iterator[ArmCounts]:
        """Draw windows in which requests fail independently of each other."""
        draw = random.Random(seed)  # noqa: S311 - seeded, for tests
        for _ in range(number):
            yield counts(
                (self.canary, binomial(draw, self.canary, self.canary_rate)),
                (self.stable, binomial(draw, self.stable, self.stable_rate)),
            )


def binomial(draw: random.Random, number: int, rate: float) -> int:
    """Draw how many of ``number`` requests are bad, by the gaps between bad ones."""
    if rate >= 1.0 or rate <= 0.0:
        return number if rate >= 1.0 else 0
    bad, position = 0, 0
    while True:
        position += 1 + int(math.log(1.0 - draw.random()) / math.log1p(-rate))
        if position > number:
            return bad
        bad += 1

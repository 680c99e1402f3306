"""The tests that a plan implies: what each doubts, its share of the error budget, and its name.

The weights of the tests that may convict sum to 1, so the sum of w_m * E_m is itself evidence whose chance
of ever reaching 1/alpha is at most alpha, however the tests depend on each other.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from canary.domain.dispersion import UNKNOWN, dispersion_of
from canary.domain.edges import Pair, pairs_of
from canary.domain.evidence import Evidence, MixtureState
from canary.domain.plan import UNATTRIBUTED, ObjectiveKind, Plan
from canary.domain.sequential import (
    Budget,
    Dispersion,
    SequentialTest,
    comparison_test,
    is_calm,
    log_evidence,
    objective_test,
)

__all__ = [
    "MOST_OF_LOST",
    "Doubt",
    "PlannedTest",
    "dispersion_for",
    "in_shared_trouble",
    "is_muted",
    "log_weighted",
    "may_convict",
    "planned_tests",
    "test_name",
]

LOG_STABLE_ALARM = math.log(100.0)
"""From this alarm on, stable itself breaks the objective: the release waits, and no bound convicts."""
LOG_STABLE_SUSPICION = math.log(1.01)
"""From this alarm on, stable's latest windows speak against it: only a worse canary breaks a bound."""
LOG_WORSE_EVIDENCE = math.log(10.0)
"""The evidence of being worse than stable that dispels such a suspicion."""
MOST_OF_LOST = 5.0
"""More is not assumed of requests that reach no workload: those that an earlier dead canary lost are in the
history, too, and must not excuse the next one for long."""


class Doubt(StrEnum):
    """What a test doubts; also the second half of its name."""

    OBJECTIVE = "slo"
    """The canary, or for ``unattributed`` the service's hosts, keep the objective's bound."""
    COMPARISON = "stable"
    """The canary is at most ``tolerance`` times as bad as stable."""
    SLOWER = "slower"
    """For latency: the canary is not several times as slow as stable."""
    STABLE_HEALTH = "stable-slo"
    """Stable itself keeps the objective's bound. An alarm that never convicts."""


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """One sequential test of a release."""

    subject: str
    """An objective's name, or ``unattributed``."""
    doubt: Doubt
    weight: float
    """Its share of the capital; 0 for stable's alarm, and on a dry run as if it decided."""
    test: SequentialTest
    name: str
    """The key of its state in ``Evidence.tests``."""
    decides: bool = True
    """Whether it may convict: not stable's alarm, nor what is on a dry run."""
    pairs: tuple[Pair, ...] = ()
    """For ``SLOWER``: the pairs of edges among which its capital is divided."""


@lru_cache(maxsize=4096)
def test_name(subject: str, doubt: Doubt) -> str:
    """Return the key under which the state of a test is kept."""
    return f"{subject}/{doubt}"


def planned_tests(plan: Plan, window_seconds: float) -> tuple[PlannedTest, ...]:
    """Return every test of a release under ``plan``."""
    return _tests(
        tuple([(item.name, item.kind, item.max_bad_ratio, item.bound_ms) for item in plan.objectives]),
        plan.dry_run,
        plan.tolerance,
        plan.false_rollback_budget,
        max(2, math.ceil(plan.deadline_seconds / window_seconds)),
    )


@lru_cache(maxsize=4096)
def _tests(
    bounds: tuple[tuple[str, ObjectiveKind, float, float | None], ...],
    dry_run: frozenset[str],
    tolerance: float,
    alpha: float,
    horizon_windows: int,
) -> tuple[PlannedTest, ...]:
    """They are asked for at every window of every release, and plans are few."""
    deciding = [item for item in bounds if item[0] not in dry_run]
    # Requests that reached no workload are judged by the bound on errors; by none where none decides.
    bound_of_lost = next((bound for _, kind, bound, _ in deciding if kind is ObjectiveKind.ERRORS), None)
    convicting = int(bound_of_lost is not None) + sum(
        3 if pairs_of(name, bound_ms) else 2 for name, _, _, bound_ms in deciding
    )
    # What is on a dry run is shown as if it decided, too; it takes nothing from what does.
    weight = 1.0 / max(1, convicting)
    budget = Budget(alpha, weight, horizon_windows)
    tests = []
    for name, _, bound, bound_ms in bounds:
        against_bound = objective_test(bound, budget)
        decides, against_stable = name not in dry_run, comparison_test(tolerance, budget)
        tests.append(_planned(name, Doubt.STABLE_HEALTH, 0.0, against_bound, decides=False))
        tests.append(_planned(name, Doubt.OBJECTIVE, weight, against_bound, decides=decides))
        tests.append(_planned(name, Doubt.COMPARISON, weight, against_stable, decides=decides))
        if pairs := pairs_of(name, bound_ms):
            by_pair = comparison_test(tolerance, budget, comparisons=len(pairs))
            tests.append(_planned(name, Doubt.SLOWER, weight, by_pair, decides=decides, pairs=pairs))
    if bound_of_lost is not None:
        never_arrived = objective_test(bound_of_lost, budget)
        tests.append(_planned(UNATTRIBUTED, Doubt.OBJECTIVE, weight, never_arrived, decides=True))
    return tuple(tests)


def _planned(
    subject: str,
    doubt: Doubt,
    weight: float,
    test: SequentialTest,
    *,
    decides: bool,
    pairs: tuple[Pair, ...] = (),
) -> PlannedTest:
    return PlannedTest(subject, doubt, weight, test, test_name(subject, doubt), decides, pairs)


def in_shared_trouble(states: Mapping[str, MixtureState], objective: str) -> bool:
    """Whether stable itself breaks the objective, so that breaking it is no reason to blame the canary."""
    return _log_of(states, objective, Doubt.STABLE_HEALTH) >= LOG_STABLE_ALARM


def _may_be_shared(states: Mapping[str, MixtureState], objective: str) -> bool:
    """Whether stable may be breaking the objective too, for all that is known.

    A canary with most of the traffic gathers evidence faster than stable: at 80 % four times as fast. So the
    least suspicion against stable is enough, unless the canary is known to be the worse of the two.
    """
    alarm = states.get(test_name(objective, Doubt.STABLE_HEALTH))
    # Calm is the rule, and is asked about in every window.
    if alarm is None or is_calm(alarm):
        return False
    suspicion = log_evidence(alarm)
    return suspicion >= LOG_STABLE_ALARM or (
        suspicion >= LOG_STABLE_SUSPICION
        and _log_of(states, objective, Doubt.COMPARISON) < LOG_WORSE_EVIDENCE
    )


def _log_of(states: Mapping[str, MixtureState], subject: str, doubt: Doubt) -> float:
    state = states.get(test_name(subject, doubt))
    return log_evidence(state) if state is not None else 0.0


def log_weighted(planned: PlannedTest, states: Mapping[str, MixtureState]) -> float:
    """Return ln(w * E) of a test that may convict; before its first window E is 1."""
    return math.log(planned.weight) + _log_of(states, planned.subject, planned.doubt)


def may_convict(planned: PlannedTest, states: Mapping[str, MixtureState]) -> bool:
    """Whether a test counts now; none that decides nothing, nor one that is muted."""
    return planned.decides and not is_muted(planned, states)


def is_muted(planned: PlannedTest, states: Mapping[str, MixtureState]) -> bool:
    """Whether a test judges by a bound that stable may be breaking, too.

    Requests that reached no workload count even then: a dead canary is silent, and stable's own errors are
    answers.
    """
    judges_bound = planned.doubt is Doubt.OBJECTIVE and planned.subject != UNATTRIBUTED
    return judges_bound and _may_be_shared(states, planned.subject)


def dispersion_for(subject: str, evidence: Evidence) -> Dispersion:
    """What has to be assumed of how a subject's bad requests come, by all windows so far."""
    blocks = evidence.dispersion.get(subject)
    known = UNKNOWN if blocks is None else dispersion_of(blocks)
    if subject == UNATTRIBUTED:
        known = min(known, MOST_OF_LOST)
    return Dispersion(known, known)

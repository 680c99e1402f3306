"""Betting: what one more window does to the state of every test of a release. Pure."""

from collections.abc import Mapping

from canary.domain.edges import names_beside
from canary.domain.evidence import Evidence, MixtureState
from canary.domain.hypotheses import Doubt, PlannedTest, dispersion_for, is_muted, planned_tests
from canary.domain.measurement import ArmCounts, Measurement
from canary.domain.plan import UNATTRIBUTED, Plan
from canary.domain.sequential import INDEPENDENT, Dispersion, fold_alarm, fold_window, fresh_state
from canary.domain.slower import counts_of, fold_pairs, is_warm, larger

__all__ = ["bet_on_window", "counts_at_edges"]


def bet_on_window(
    evidence: Evidence,
    measurement: Measurement,
    at_edges: Mapping[str, ArmCounts],
    plan: Plan,
    window_seconds: float,
) -> dict[str, MixtureState]:
    """Return all tests after one more window; those of which it holds nothing stay as they are.

    ``at_edges`` is what ``counts_at_edges`` finds in it.
    """
    # By what was known before this window: whether a bet is made, and which, must not depend on its outcome.
    before, tests = evidence.tests, dict(evidence.tests)
    counted = {**measurement.counts, UNATTRIBUTED: ArmCounts(canary=measurement.unattributed)}
    known = {subject: dispersion_for(subject, evidence) for subject in {**counted, **at_edges}}
    for planned in planned_tests(plan, window_seconds):
        name, test = planned.name, planned.test
        state = before.get(name)
        if planned.doubt is Doubt.SLOWER:
            state = _bet_by_pairs(planned, state, at_edges, known, window_seconds)
            if state is not None:
                tests[name] = state
            continue
        counts = counted.get(planned.subject)
        if counts is None:
            continue
        if planned.doubt is Doubt.STABLE_HEALTH:
            tests[name] = fold_alarm(test, state, ArmCounts(canary=counts.stable))
        elif not is_muted(planned, before):
            tests[name] = fold_window(test, state or fresh_state(test), counts, known[planned.subject])
    return tests


def counts_at_edges(measurement: Measurement, plan: Plan) -> dict[str, ArmCounts]:
    """Return what a window holds at the edges of latency objectives by name, at their bounds included."""
    found = {}
    for item in plan.objectives:
        beside = names_beside(item.name, item.bound_ms)
        by_name = {name: measurement.edges[name] for name in beside if name in measurement.edges}
        if by_name and item.name in measurement.counts:
            found.update(by_name)
            found[item.name] = measurement.counts[item.name]
    return found


def _bet_by_pairs(
    planned: PlannedTest,
    state: MixtureState | None,
    at_edges: Mapping[str, ArmCounts],
    known: Mapping[str, Dispersion],
    window_seconds: float,
) -> MixtureState | None:
    """Bet with every pair of edges; as it was where the window holds nothing of the canary at any."""
    counts = [counts_of(pair, at_edges) for pair in planned.pairs]
    if not any(seen is not None and seen.canary.requests for seen in counts):
        return state
    if not is_warm(state, window_seconds):
        counts = [None] * len(counts)
    dispersions = [
        # A pair that was not counted bets nothing, whatever is assumed.
        INDEPENDENT if seen is None else larger(known[pair.canary_counts], known[pair.stable_counts])
        for pair, seen in zip(planned.pairs, counts, strict=True)
    ]
    return fold_pairs(planned.test, state, counts, dispersions)

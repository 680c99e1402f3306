"""The record of decisions: what each step was left on can still be read when the release has ended."""

from dataclasses import replace

from canary.domain.record import MOST_RECORDS, kept
from canary.domain.release import Phase
from canary.domain.verdict import Outcome
from tests.app.simulation import Simulation, simulate
from tests.app.world import Behaviour


def ended(simulation: Simulation) -> Simulation:
    simulation.run(200, until=simulation.finished)
    return simulation


def test_each_step_of_a_promoted_release_is_kept_with_its_own_counts() -> None:
    release = ended(simulate()).release()
    assert release.phase is Phase.SUCCEEDED
    assert [record.step for record in release.records] == [0, 1, 2]
    assert {record.verdict.outcome for record in release.records} == {Outcome.PASS}
    first, second, _ = (record.verdict.findings[0] for record in release.records)
    assert first.canary.requests < first.stable.requests
    assert abs(second.canary.requests - second.stable.requests) < 0.2 * second.stable.requests
    assert release.records[0].verdict.at <= release.records[1].since


def test_a_rollback_is_kept_with_what_would_have_passed() -> None:
    simulation = simulate()
    simulation.world.behaviours["v2"] = Behaviour(errors=0.2)
    release = ended(simulation).release()
    assert release.phase is Phase.ROLLED_BACK
    (record,) = release.records
    assert record.verdict == release.verdict
    bound = record.limits["error-rate"].bound
    assert bound is not None
    assert 0.01 < bound < 0.2


def test_a_person_who_aborts_ends_it_on_what_was_known_then() -> None:
    simulation = simulate()
    simulation.run(60, until=lambda: simulation.world.percent() == 50)
    simulation.ask(abort="by hand")
    release = ended(simulation).release()
    assert release.phase is Phase.ROLLED_BACK
    assert [record.step for record in release.records] == [0, 1]
    assert release.records[-1].verdict.outcome is not Outcome.FAIL


def test_only_so_many_are_kept_and_the_latest_of_them() -> None:
    record = ended(simulate()).release().records[0]
    many = (record,) * MOST_RECORDS
    last = replace(record, step=7)
    assert kept(many, last) == (*many[1:], last)

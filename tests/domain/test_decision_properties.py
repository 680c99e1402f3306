"""Laws of the decision, for any release and any observation."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import Phase as Generating
from hypothesis import find, given, settings
from hypothesis import strategies as st

from canary.domain.decision import Decision, decide
from canary.domain.effects import PromoteTemplate, ScaleCanary, ShiftTraffic
from canary.domain.observation import Observation, Requests, Route, Routes, Workload
from canary.domain.release import TRANSITIONS, Phase, Release, Stage, canary_weight
from canary.domain.verdict import Outcome
from canary.domain.weight import Split, split_total
from tests.domain.strategies import NOW, WITHHELD, as_it_should_be, observations, releases


@st.composite
def situations(draw: st.DrawFn) -> tuple[Release, Observation, Decision]:
    release = draw(releases())
    observation = draw(observations(release))
    return release, observation, decide(release, observation, NOW)


def come_upon(what: Callable[[Release, Release], bool]) -> Release:
    """Return what is decided of the first of many releases of which it is as asked, all being well."""
    until_found = settings(max_examples=5000, phases=[Generating.generate], database=None)

    def is_it(release: Release) -> bool:
        return what(release, decide(release, as_it_should_be(release), NOW).release)

    found = find(releases(), is_it, settings=until_found)
    return decide(found, as_it_should_be(found), NOW).release


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Phase.PENDING, Phase.PROGRESSING),
        (Phase.HELD, Phase.PROGRESSING),
        (Phase.PROGRESSING, Phase.PROMOTING),
        (Phase.PROMOTING, Phase.SUCCEEDED),
        (Phase.ROLLING_BACK, Phase.ROLLED_BACK),
    ],
)
def test_laws_are_tried_on_releases_that_get_there(before: Phase, after: Phase) -> None:
    assert come_upon(lambda was, now: (was.phase, now.phase) == (before, after)).phase is after


def test_laws_are_tried_on_steps_that_are_passed() -> None:
    passed = come_upon(lambda was, now: now.step > was.step)
    assert passed.verdict is not None
    assert passed.verdict.outcome is Outcome.PASS


@given(situations())
def test_every_decision_follows_the_table(situation: tuple[Release, Observation, Decision]) -> None:
    release, _, decision = situation
    after = decision.release.phase
    assert after is release.phase or after in TRANSITIONS[release.phase]


@given(situations())
def test_wanted_weight_never_rises_without_a_passed_verdict(
    situation: tuple[Release, Observation, Decision],
) -> None:
    release, _, decision = situation
    if canary_weight(decision.release) > canary_weight(release):
        if release.phase is Phase.PENDING:
            assert canary_weight(decision.release) == release.plan.steps[0].weight
        else:
            assert decision.release.verdict is not None
            assert decision.release.verdict.outcome is Outcome.PASS
            assert decision.release.step == release.step + 1


@given(situations())
def test_traffic_is_shifted_only_towards_what_is_ready(
    situation: tuple[Release, Observation, Decision],
) -> None:
    _, observation, decision = situation
    for effect in decision.effects:
        if isinstance(effect, ShiftTraffic):
            for route in observation.routes.routes:
                wanted = split_total(route.split.total, effect.canary_percent).canary
                if wanted > route.split.canary:
                    assert observation.canary is not None
                    assert observation.canary.ready > 0
                if wanted < route.split.canary:
                    assert observation.stable is not None
                    assert observation.stable.ready > 0


@given(situations())
def test_no_weight_goes_up_and_no_pods_end_while_a_route_cannot_be_shifted_with_the_others(
    situation: tuple[Release, Observation, Decision],
) -> None:
    _, observation, decision = situation
    if not observation.routes.problems:
        return
    assert ScaleCanary(0) not in decision.effects
    for effect in decision.effects:
        if isinstance(effect, ShiftTraffic):
            for route in observation.routes.routes:
                assert (
                    split_total(max(1, route.split.total), effect.canary_percent).canary <= route.split.canary
                )


@given(situations())
def test_what_is_withheld_changes_no_ending_and_is_held_for(
    situation: tuple[Release, Observation, Decision],
) -> None:
    release, observation, _ = situation
    faultless = replace(observation, routes=replace(observation.routes, problems=(), withheld=()))
    withheld = replace(
        observation, routes=replace(observation.routes, problems=(WITHHELD,), withheld=(WITHHELD,))
    )
    before, after = (decide(release, seen, NOW).release for seen in (faultless, withheld))
    assert (after.phase is Phase.ROLLING_BACK) == (
        before.phase is Phase.ROLLING_BACK
    ) or release.phase is Phase.ROLLING_BACK
    if release.phase in {Phase.PENDING, Phase.PROGRESSING, Phase.HELD}:
        assert after.phase in {release.phase, Phase.HELD, Phase.ROLLING_BACK}
        assert canary_weight(after) <= canary_weight(release)


@given(situations())
def test_failed_verdict_always_begins_a_rollback(situation: tuple[Release, Observation, Decision]) -> None:
    release, _, decision = situation
    judged = release.phase in {Phase.PROGRESSING, Phase.HELD} or release.stage is Stage.COPYING
    verdict = decision.release.verdict
    if judged and verdict is not None and verdict.outcome is Outcome.FAIL:
        assert decision.release.phase is Phase.ROLLING_BACK


@given(situations())
def test_abort_begins_a_rollback_in_every_phase(situation: tuple[Release, Observation, Decision]) -> None:
    release, observation, _ = situation
    asked = replace(observation, requests=Requests(abort="aborted by ada"))
    after = decide(release, asked, NOW).release
    assert after.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.SUPERSEDED}


@given(situations())
def test_abort_needs_no_measurement(situation: tuple[Release, Observation, Decision]) -> None:
    release, observation, _ = situation
    blind = replace(observation, requests=Requests(abort="aborted by ada"), measurements=(), no_data=None)
    seeing = replace(observation, requests=Requests(abort="aborted by ada"))
    blind_after, seeing_after = (decide(release, seen, NOW).release for seen in (blind, seeing))
    assert (blind_after.phase, blind_after.stage) == (seeing_after.phase, seeing_after.stage)


@given(situations())
def test_same_observation_again_folds_nothing_twice(
    situation: tuple[Release, Observation, Decision],
) -> None:
    _, observation, decision = situation
    again = decide(decision.release, observation, NOW)
    if again.release.phase is decision.release.phase and again.release.step == decision.release.step:
        assert again.release.evidence == decision.release.evidence


@given(situations())
def test_only_what_was_judged_is_promoted(situation: tuple[Release, Observation, Decision]) -> None:
    release, _, decision = situation
    for effect in decision.effects:
        if isinstance(effect, PromoteTemplate):
            assert effect.revision == release.revision


@given(situations())
def test_canary_is_scaled_away_only_after_its_traffic_is_gone(
    situation: tuple[Release, Observation, Decision],
) -> None:
    _, _, decision = situation
    if ScaleCanary(0) in decision.effects:
        assert decision.release.stage is Stage.DRAINING


def ideal(release: Release, percent: int) -> Observation:
    stable = Workload("checkout", "1", "s", 2, 2, True)
    canary = Workload("checkout-canary", "1", release.revision, 2, 2, True)
    return Observation(
        plan=None,
        stable=stable,
        canary=canary,
        routes=Routes((Route("checkout", 0, "main", Split(100 - percent, percent)),)),
        stable_holds_previous=True,
        requests=Requests(abort="aborted by ada"),
    )


@given(releases())
def test_every_release_can_be_ended_with_all_traffic_on_stable(release: Release) -> None:
    percent, now = 50, NOW
    for _ in range(10):
        decision = decide(release, ideal(release, percent), now)
        release = decision.release
        for effect in decision.effects:
            if isinstance(effect, ShiftTraffic):
                percent = effect.canary_percent
        now += 61
        if release.phase.is_terminal:
            break
    assert release.phase in {Phase.ROLLED_BACK, Phase.SUPERSEDED}
    assert percent == 0


@given(releases(), st.integers(1, 10_000), st.integers(0, 100))
def test_weights_of_a_route_always_sum_to_what_they_summed_to(
    release: Release, total: int, percent: int
) -> None:
    assert split_total(total, percent).total == total
    assert 0 <= split_total(total, percent).canary <= total

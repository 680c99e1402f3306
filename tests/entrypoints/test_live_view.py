"""The live view says what is asked for, what is measured, how near a rollback is, and how old all that is."""

import math
from dataclasses import replace

import pytest
from rich.console import Console

from canary.adapters.kube.wire import to_wire
from canary.domain.measurement import ArmCounts, Counts
from canary.domain.release import Phase
from canary.domain.verdict import Outcome
from canary.entrypoints.live_panel import live_panel
from canary.entrypoints.live_view import live_view, percent_of_threshold, plain_line
from tests.entrypoints.examples import (
    AT_THE_GATE,
    BAKING,
    BREACHED,
    CONVICTED,
    EVERY_MOMENT,
    NOW,
    PAID,
    PENDING,
    PROMOTING,
    ROLLED_BACK,
    ROLLING_BACK,
    SUCCEEDED,
    SUSPECTED,
    WATCHED,
    paid,
)


def drawn(release, routes_percent=10, now=NOW, width=80):
    console = Console(width=width, no_color=True, force_terminal=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(live_panel(live_view(release, routes_percent, now)))
    return captured.get()


def in_one_line(text):
    return " ".join(text.replace("│", " ").split())


def test_weight_wanted_and_weight_in_the_routes_are_two_numbers():
    view = live_view(BAKING, 7, NOW)
    assert (view.wanted_weight, view.actual_weight) == (10, 7)


def test_weight_that_was_not_read_is_not_claimed():
    assert live_view(BAKING, None, NOW).actual_weight is None
    assert "routes" not in plain_line(live_view(BAKING, None, NOW))


def test_observed_share_is_the_canarys_part_of_the_counted_requests():
    counts = ArmCounts(canary=Counts(30, 0), stable=Counts(170, 0))
    release = replace(BAKING, evidence=replace(BAKING.evidence, step_counts={"errors": counts}))
    assert live_view(release, 10, NOW).observed_share == pytest.approx(15.0)


def test_observed_share_is_one_of_requests_however_many_events_a_template_counts():
    assert live_view(PAID, 10, NOW).observed_share == live_view(BAKING, 10, NOW).observed_share


def test_a_template_objective_reads_by_its_name_and_never_as_requests_or_an_error_rate():
    payments = live_view(PAID, 10, NOW).objectives[2]
    assert payments.subject == "payments"
    assert str(payments.canary) == "0.3 % [0.05, 0.9] (12 of 4000)"
    assert "payments: canary 0.3 %" in plain_line(live_view(PAID, 10, NOW))
    row = drawn(PAID).split("payments")[1]
    assert "at most 0.5 %" in row
    assert "request" not in row
    nothing = live_view(paid(BAKING, Counts(0, 0), Counts(0, 0)), 10, NOW).objectives[2]
    assert str(nothing.canary) == "nothing counted"


def test_an_objective_by_the_threshold_rule_is_marked_and_shows_values_instead_of_evidence():
    shown = in_one_line(drawn(WATCHED))
    assert "BY THE THRESHOLD RULE" in shown
    assert "queue-length, canary 812 2 of 7 checks failed" in shown
    assert "at most 500 stable 40" in shown
    line = plain_line(live_view(BREACHED, 10, NOW))
    assert "queue-length (threshold rule): canary 812, stable -, 3 of 7 checks failed" in line
    document = to_wire(live_view(WATCHED, 10, NOW))["thresholds"]
    assert [(item["rule"], item["bound"], item["isOver"]) for item in document] == [
        ("threshold rule", 500.0, True)
    ]


def test_observed_share_is_unknown_before_anything_is_counted():
    assert live_view(PENDING, 0, NOW).observed_share is None


def test_each_objective_has_both_arms_the_bound_and_the_way_to_a_rollback():
    errors, latency = live_view(SUSPECTED, 10, NOW).objectives
    assert (errors.subject, latency.subject) == ("error rate", "requests slower than 500 ms")
    assert errors.canary.counts == Counts(350, 7)
    assert errors.stable.counts == Counts(3150, 7)
    assert errors.max_bad_ratio == 0.01
    assert 0 < errors.stable_evidence_percent < 100
    assert latency.stable_evidence_percent == 0


def test_canary_over_its_bound_is_marked_before_the_evidence_suffices():
    errors, latency = live_view(SUSPECTED, 10, NOW).objectives
    assert errors.is_over
    assert not latency.is_over


@pytest.mark.parametrize(
    ("log_evidence", "expected"),
    [(-3.0, 0), (0.0, 0), (math.log(10), 50), (math.log(99.9), 99), (math.log(100), 100), (40.0, 100)],
)
def test_evidence_is_a_percentage_of_the_way_to_the_threshold_on_the_log_scale(log_evidence, expected):
    assert percent_of_threshold(log_evidence, math.log(100)) == expected


def test_evidence_of_no_threshold_is_none_at_all():
    assert percent_of_threshold(5.0, 0.0) == 0


def test_a_hundred_percent_is_reached_exactly_when_the_verdict_is_fail():
    for release in (BAKING, SUSPECTED, CONVICTED):
        view = live_view(release, 10, NOW)
        assert (view.evidence_percent == 100) == (view.outcome is Outcome.FAIL)


def test_countdown_is_what_is_left_of_the_bake_time():
    view = live_view(BAKING, 10, NOW + 10)
    assert view.next.in_seconds == pytest.approx(20.0)
    assert "step 2 of 3 (50 %), in 20s at the earliest" in plain_line(view)


def test_when_the_bake_time_is_over_the_verdict_decides():
    assert "as soon as the verdict is Pass" in plain_line(live_view(BAKING, 10, NOW + 31))


def test_a_gate_that_is_waited_for_comes_with_the_command_that_opens_it():
    assert "canaryctl approve checkout -n shop promotion" in plain_line(live_view(AT_THE_GATE, 100, NOW))


def test_a_rolled_back_release_tells_how_to_go_on():
    text = in_one_line(drawn(ROLLED_BACK, 0, NOW + 5))
    assert "deploy a corrected revision, or: canaryctl retry checkout -n shop" in text


def test_age_is_that_of_the_newest_window():
    view = live_view(BAKING, 10, NOW + 7)
    assert view.measured_seconds_ago == pytest.approx(7.0)
    assert not view.is_stale


def test_numbers_that_nobody_renews_are_called_stale():
    view = live_view(BAKING, 10, NOW + 120)
    assert view.is_stale
    assert "STALE" in plain_line(view)
    assert "STALE" in in_one_line(drawn(BAKING, now=NOW + 120))


@pytest.mark.parametrize("release", [PENDING, ROLLING_BACK, ROLLED_BACK, SUCCEEDED], ids=lambda r: r.phase)
def test_what_is_not_being_judged_is_never_stale(release):
    view = live_view(release, 0, NOW + 86_400)
    assert view.measured_seconds_ago is None
    assert not view.is_stale


def test_a_promotion_in_its_first_stage_is_still_judged():
    assert live_view(PROMOTING, 100, NOW + 120).is_stale


def test_pending_release_has_no_step_yet():
    view = live_view(PENDING, 0, NOW)
    assert (view.step, view.progress) == (None, "0/3")


@pytest.mark.parametrize("release", EVERY_MOMENT, ids=lambda r: r.phase)
def test_plain_line_is_one_line_without_control_characters(release):
    assert plain_line(live_view(release, 10, NOW + 1)).isprintable()


@pytest.mark.parametrize("release", EVERY_MOMENT, ids=lambda r: r.phase)
def test_panel_fits_80_columns_without_colour_and_names_the_phase(release):
    text = drawn(release)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    assert release.phase.value in text


def test_panel_shows_done_present_and_future_steps_without_colour():
    assert "10 % ✓ ─ [50 %] ─ 100 %" in drawn(replace(BAKING, step=1))


def test_a_verdict_from_the_users_words_cannot_style_the_panel():
    release = replace(BAKING, message="[red]pods[/red] say [bold")
    assert "[red]pods[/red] say [bold" in in_one_line(drawn(release))


def test_every_phase_has_an_outlook():
    for phase in Phase:
        release = replace(BAKING, phase=phase)
        assert live_view(release, 0, NOW).next.text

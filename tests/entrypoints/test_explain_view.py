"""An explanation has everything that a verdict rests on, and a way out that needs no controller."""

import json
import math
import shlex
from dataclasses import replace

import pytest

from canary.adapters.istio.objects import Home
from canary.app.ports import StoredRelease
from canary.domain.analysis import fold
from canary.domain.conviction import weigh
from canary.domain.counterfactual import Limits
from canary.domain.measurement import ArmCounts, Counts, Measurement, NoData, NoDataReason, Window
from canary.domain.observation import Requests
from canary.domain.plan import EvidenceRule, Gate
from canary.domain.record import Record
from canary.entrypoints.explain_view import Explanation, explain_text, kubectl_patches, requests_in_words
from canary.entrypoints.live_view import live_view
from canary.entrypoints.pairs_view import pairs_document
from tests.entrypoints.examples import (
    BAKING,
    CONVICTED,
    EVERY_MOMENT,
    NOW,
    PAID,
    ROLLED_BACK,
    SUSPECTED,
    WATCHED,
)

CHECKOUT = Home("shop", "checkout")
QUERY = 'istio_requests_total{destination_service="checkout.shop.svc.cluster.local"}[5000ms]'
PATCH = [
    {"op": "test", "path": "/metadata/resourceVersion", "value": "7"},
    {"op": "test", "path": "/spec/http/0/route/0/weight", "value": 90},
    {"op": "replace", "path": "/spec/http/0/route/0/weight", "value": 100},
]


def explained(release, requests=None, **changes):
    explanation = Explanation(
        stored=StoredRelease(release, "7", "u", requests or Requests()),
        view=live_view(release, 10, NOW),
        queries={"requests": QUERY},
        commands=kubectl_patches({CHECKOUT: PATCH}),
        routes=["checkout http[0]: stable 90, canary 10"],
    )
    return explain_text(replace(explanation, **changes))


def test_sentence_counts_intervals_and_bounds_are_all_there():
    text = explained(CONVICTED)
    assert CONVICTED.message in text
    assert "60 of 300" in text
    assert "6 of 2700" in text
    assert "1.0 %" in text


def test_what_a_template_calls_bad_is_said_by_its_counter():
    lines = [" ".join(line.split()) for line in explained(PAID).splitlines()]
    (row,) = (line for line in lines if line.startswith("payments ") and "of 4000" in line)
    assert row.startswith('payments payments_total{result="failed"} 0.3 % [')
    assert row.endswith("0.5 % 1.5")


def test_objectives_by_the_threshold_rule_are_listed_apart_and_marked_as_such():
    text = explained(WATCHED)
    assert "Objectives by the threshold rule, no statistics" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert (
        "queue-length max(queue_length) / max(queue_size) 812 40 at most 500 2 of 7 checks failed, "
        "2 failures are allowed"
    ) in lines
    assert not any(line.startswith("queue-length/") for line in lines)
    assert "of those by the threshold rule nothing is promised" in text
    assert "threshold rule" not in explained(BAKING)


def test_every_test_is_listed_with_its_share_of_the_threshold_and_its_windows():
    lines = [" ".join(line.split()) for line in explained(SUSPECTED).splitlines()]
    assert any(line.startswith("errors/stable 0.37 8% 7 counts") for line in lines)
    assert any(line.startswith("unattributed/slo") for line in lines)


def test_the_error_budget_is_stated_and_no_probability_of_being_good():
    text = explained(SUSPECTED)
    assert "in at most 1.0 % of releases, however often one looks" in text
    assert "probability" not in text


def test_window_and_time_of_evaluation_can_be_pasted_beside_the_query():
    text = explained(BAKING)
    assert "(2023-11-14T22:13:15Z, 2023-11-14T22:13:20Z]" in text
    assert "time 1700000000.000" in text
    assert QUERY in text


def test_a_look_that_brought_nothing_is_named():
    lost = NoData(NoDataReason.TIMEOUT, "no answer within 10 s", NOW)
    release = replace(BAKING, evidence=replace(BAKING.evidence, no_data=lost))
    assert "the latest look brought nothing: Timeout: no answer within 10 s" in explained(release)


def test_a_verdict_that_a_graver_message_hides_is_still_told():
    release = replace(BAKING, message="0 of 2 pods of checkout-canary are ready")
    text = explained(release)
    assert "0 of 2 pods of checkout-canary are ready\n" in text
    assert "Last verdict: HOLD baking" in text


def test_the_way_out_by_hand_does_not_depend_on_how_fast_a_person_types():
    (command,) = kubectl_patches({CHECKOUT: PATCH})
    words = shlex.split(command)
    assert words[:2] == ["kubectl", "patch"]
    assert words[3:6] == ["checkout", "-n", "shop"]
    assert json.loads(words[-1]) == PATCH[1:]


def test_nothing_to_do_by_hand_is_said():
    assert "nothing to do" in explained(ROLLED_BACK, commands=kubectl_patches({CHECKOUT: []}))


def test_who_asked_for_what_is_told_in_words():
    asked = Requests(
        abort="aborted by ada: errors", approved=frozenset({Gate.PROMOTION}), promote=True, retry=True
    )
    assert requests_in_words(asked) == (
        "aborted by ada: errors",
        "gate promotion approved",
        "promotion without waiting for the steps that are left",
        "another attempt at the revision",
    )
    assert "aborted by ada: errors" in explained(BAKING, asked)


def test_every_moment_of_a_release_can_be_explained():
    for release in EVERY_MOMENT:
        assert f"Phase {release.phase.value}" in explained(release)


def test_what_a_step_must_show_is_listed_where_the_plan_asks_for_it():
    plan = replace(SUSPECTED.plan, evidence=EvidenceRule.BUDGET)
    asked = " ".join(explained(replace(SUSPECTED, plan=plan)).split())
    assert "to go on to 50 %, the canary's share must be shown to exceed stable's by less than 1.0 %" in asked
    assert "OBJECTIVE LN(E) SHOWN errors 0.00 0% latency 0.00 0%" in asked
    assert "each step shows that the next costs less than 0.5 % of all requests" in asked
    assert "must be shown" not in explained(SUSPECTED)


def test_each_decision_is_listed_with_what_would_have_changed_it():
    limits = {"errors": Limits(0.01234, None), "latency": Limits(0.0, 0.0)}
    record = Record(0, NOW - 30, CONVICTED.verdict, limits, {"requests": QUERY})
    lines = [" ".join(line.split()) for line in explained(replace(CONVICTED, records=(record,))).splitlines()]
    (errors,) = (line for line in lines if line.startswith("1 of 3 (10 %)") and " errors " in line)
    assert "Fail: ObjectiveBreached errors 60 of 300 6 of 2700 1.0 % 1.3 %, no tolerance" in errors
    (latency,) = (line for line in lines if line.startswith("1 of 3 (10 %)") and " latency " in line)
    assert latency.endswith("1.0 % any")


def test_what_the_other_reporter_counted_is_told_beside_and_is_no_judge():
    verdict = CONVICTED.verdict
    first, *rest = verdict.findings
    seen = replace(first, beside=ArmCounts(Counts(400, 160), Counts(2700, 9)))
    release = replace(CONVICTED, verdict=replace(verdict, findings=(seen, *rest)))
    lines = [" ".join(line.split()) for line in explained(release).splitlines()]
    (row,) = (line for line in lines if line.startswith("errors as pods saw each attempt"))
    assert "(160 of 400)" in row
    assert row.endswith("(9 of 2700) shown only -")
    by_pods = replace(release, evidence=replace(release.evidence, reporter="destination"))
    assert "as clients saw it" in explained(by_pods)


def test_every_pair_of_latency_edges_is_listed_with_its_part_of_the_evidence():
    window = Window(NOW, NOW + 5.0)
    latency = ArmCounts(Counts(100, 2), Counts(900, 2))
    edges = {
        "latency@250": ArmCounts(Counts(100, 10), Counts(900, 9)),
        "latency@100": ArmCounts(Counts(100, 60), Counts(900, 90)),
    }
    evidence = fold(
        BAKING.evidence,
        Measurement(window, {"latency": latency}, edges=edges),
        BAKING.plan,
        window_seconds=5.0,
        step_index=0,
        step_since=BAKING.step_since,
    )
    release = replace(BAKING, evidence=evidence)
    lines = [" ".join(line.split()) for line in explained(release).splitlines()]
    at = next(number for number, line in enumerate(lines) if line.startswith("latency/slower "))
    rows = lines[at + 1 : at + 5]
    assert [row.partition(" ms vs ")[0] for row in rows] == ["1000", "500", "250", "100"]
    assert rows[0].endswith("no such edges were counted in this step")
    assert rows[1].endswith("canary 2.0 % above 500 ms, stable 1.0 % above 250 ms")
    weighed = weigh(evidence, release.plan, 5.0)
    (pairs,) = pairs_document(release, weighed, "latency/slower").values()
    parts = sum(math.exp(pair["logEvidence"]) for pair in pairs)
    assert math.log(parts) == pytest.approx(weighed.log_by_test["latency/slower"])
    assert pairs[2]["canary"] == {"requests": 100, "slower": 10}
    assert pairs[0]["stable"] is None

"""The list has one row for each service that is looked after, and says what stands in its way."""

from dataclasses import replace

from canary.app.ports import AnnotatedService, StoredRelease
from canary.domain.observation import Requests
from canary.domain.plan import ServiceKey
from canary.entrypoints.status_view import newest, status_rows, status_table
from tests.entrypoints.examples import BAKING, KEY, NOW, PENDING, ROLLED_BACK, SUCCEEDED, SUSPECTED, wishes_of

BOTH = {("shop", "checkout"), ("shop", "checkout-canary")}


def service(name="checkout", **annotations):
    named = {f"canaryctl.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return AnnotatedService(ServiceKey("shop", name), "u1", named)


def stored(release, requests=None):
    return StoredRelease(release, "7", "u2", requests or Requests())


def row_of(*, release=None, asked=None, workloads=BOTH, now=NOW, **annotations):
    releases = [stored(release, asked)] if release is not None else []
    (row,) = status_rows(releases, wishes_of(service(**annotations)), now, workloads)
    return row


def test_a_release_under_way_shows_step_weight_reason_and_evidence():
    row = row_of(release=SUSPECTED, enabled="true")
    assert (row.phase, row.step, row.weight, row.reason) == ("Progressing", "1/3", 10, "Baking")
    assert row.evidence_percent is not None
    assert 0 < row.evidence_percent < 100


def test_the_release_under_way_matters_more_than_a_newer_finished_one():
    finished = replace(SUCCEEDED, revision="later", created_at=NOW + 5)
    chosen = newest([stored(BAKING), stored(finished)])
    assert chosen is not None
    assert chosen.release == BAKING


def test_without_a_release_under_way_the_newest_one_is_shown():
    older, newer = replace(ROLLED_BACK, revision="older"), replace(SUCCEEDED, revision="newer")
    (row,) = status_rows([stored(older), stored(newer)], wishes_of(service(enabled="true")), NOW)
    assert (row.revision, row.phase) == ("newer", "Succeeded")


def test_an_invalid_plan_is_listed_with_its_problem():
    row = row_of(enabled="true", steps="10,5")
    assert (row.phase, row.reason) == ("Invalid", "InvalidPlan")
    assert "canaryctl.dev/steps" in row.message


def test_a_misspelt_annotation_is_listed_with_the_right_spelling():
    assert "did you mean canaryctl.dev/steps?" in row_of(enabled="true", stpes="10").message


def test_a_plan_that_became_invalid_is_shown_beside_its_release():
    row = row_of(release=BAKING, enabled="true", tolerance="a lot")
    assert (row.phase, row.reason) == ("Progressing", "InvalidPlan")
    assert "canaryctl.dev/tolerance" in row.message


def test_a_service_without_its_canary_says_what_to_deploy():
    row = row_of(enabled="true", workloads={("shop", "checkout")})
    assert (row.phase, row.reason) == ("Waiting", "CanaryMissing")
    assert row.message == "workload checkout-canary does not exist: deploy it"


def test_nothing_is_claimed_missing_when_workloads_are_not_known():
    assert row_of(enabled="true", workloads=None).reason == "NoRelease"


def test_a_paused_service_is_called_paused_whatever_its_release_does():
    assert row_of(release=BAKING, enabled="true", paused="true").reason == "Paused"
    assert row_of(enabled="true", paused="true").phase == "Paused"


def test_a_service_that_has_opted_out_is_not_listed():
    assert status_rows([], wishes_of(service(enabled="false")), NOW) == ()


def test_a_release_whose_service_is_gone_is_listed_all_the_same():
    (row,) = status_rows([stored(PENDING)], {}, NOW)
    assert (row.service, row.phase, row.step) == (KEY.name, "Pending", "0/3")


def test_an_abort_that_was_asked_for_is_shown_until_the_release_has_ended():
    asked = Requests(abort="aborted by ada")
    assert row_of(release=BAKING, asked=asked, enabled="true").message.startswith("asked for: aborted by ada")
    assert "asked for" not in row_of(release=ROLLED_BACK, asked=asked, enabled="true").message


def test_old_numbers_are_called_old_in_the_list_too():
    row = row_of(release=BAKING, enabled="true", now=NOW + 95)
    assert row.message.startswith("last measured 95s ago: STALE")


def test_rows_come_by_namespace_and_name():
    services = [service("b", enabled="true"), service("a", enabled="true")]
    assert [row.service for row in status_rows([], wishes_of(*services), NOW)] == ["a", "b"]


def test_the_table_reads_like_kubectls():
    rows = status_rows([stored(BAKING)], wishes_of(service("search", enabled="true", paused="true")), NOW)
    lines = status_table(rows, with_namespace=True, is_wide=False).splitlines()
    assert [line[:90].rstrip() for line in lines] == [
        "NAMESPACE   SERVICE    PHASE         STEP   WEIGHT   REASON   EVIDENCE   AGE   MESSAGE",
        "shop        checkout   Progressing   1/3    10%      Baking   0%         90s   HOLD baking",
        "shop        search     Paused        -      -        Paused   -          -     canaryctl.d",
    ]


def test_wide_has_the_whole_message_and_the_release():
    rows = status_rows([stored(BAKING)], wishes_of(service(enabled="true")), NOW)
    text = status_table(rows, with_namespace=False, is_wide=True)
    assert BAKING.message in text
    assert BAKING.name in text

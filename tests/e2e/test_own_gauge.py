"""A canary that answers every request well while its queue grows, which only a gauge of its own tells.

All the way, as for counters: a template in the settings, a policy that names it, and a real Prometheus.
"""

from collections.abc import Iterator

import pytest

from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.showcase import SERVICE
from tests.e2e.own_metrics import stage_of_templates
from tests.e2e.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SETTINGS = """
plans:
  metric_templates:
    waiting-orders:
      gauge: {metric: orders_waiting}
    misspelt:
      gauge: {metric: orders_wating}
"""
BOUND = {"name": "waiting", "template": "waiting-orders", "atMost": 20, "failures": 1, "every": "1s"}
POLICIES = {"watched": BOUND, "blind": {**BOUND, "template": "misspelt"}}


@pytest.fixture(scope="module")
def rested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_of_templates(tmp_path_factory.mktemp("settings"), SETTINGS, POLICIES) as made:
        yield made


def test_canary_whose_queue_grows_behind_good_answers_is_rolled_back_by_the_threshold_rule(
    rested: Stage,
) -> None:
    release = rested.release("v2", "waiting-orders=100%", seconds=90)
    assert (release.phase, release.reason) == (Phase.ROLLED_BACK, Reason.THRESHOLD_BREACHED), release.message
    assert release.message.startswith("FAIL waiting: ")
    assert "more than the 20 that are allowed, in 2 of " in release.message
    assert "threshold rule, no statistics). Stable was at 0, which decides nothing." in release.message
    assert rested.percent() == 0
    assert rested.version_of(SERVICE) == "v1"
    assert {status for _, status in rested.totals().requests} == {200}


def test_canary_whose_queue_stays_empty_is_promoted_with_a_good_check_at_its_last_step(
    rested: Stage,
) -> None:
    release = rested.release("v3", seconds=90)
    assert release.phase is Phase.SUCCEEDED, release.message
    checks = release.evidence.step_checks["waiting"]
    assert (checks.failed, checks.canary) == (0, 0.0)
    assert checks.taken >= 1


def test_a_gauge_that_nobody_exposes_holds_the_first_step_and_names_what_was_looked_for(
    rested: Stage,
) -> None:
    rested.annotate(policy="blind")
    known = len(rested.releases())
    rested.push("v4", "")
    rested.wait(
        lambda: len(rested.releases()) > known and rested.newest().phase is Phase.HELD,
        "the release to be held",
    )
    held = rested.newest()
    assert (held.step, held.reason) == (0, Reason.NO_DATA)
    assert "waiting: nothing of orders_wating was scraped of late" in held.message

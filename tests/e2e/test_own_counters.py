"""A canary that answers every request well, and fails what only the application's own counter tells.

All the way: a metric template in the controller's settings, a policy that names it, and a Service that names
the policy.
"""

import re
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
    failed-orders:
      total: {metric: orders_total}
      bad: {metric: orders_total, where: {result: [failed]}}
"""
OBJECTIVE = {"name": "orders", "template": "failed-orders", "maxBad": "1%"}


@pytest.fixture(scope="module")
def rested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_of_templates(tmp_path_factory.mktemp("settings"), SETTINGS, {"standard": OBJECTIVE}) as made:
        yield made


def test_canary_whose_orders_fail_behind_good_answers_is_rolled_back_and_the_verdict_names_them(
    rested: Stage,
) -> None:
    release = rested.release("v2", "failed-orders=40%", seconds=90)
    assert release.phase is Phase.ROLLED_BACK
    # Either test may be the first to have seen enough.
    assert release.reason in {Reason.OBJECTIVE_BREACHED, Reason.WORSE_THAN_STABLE}
    assert release.verdict is not None
    assert release.verdict.objective == "orders"
    # What the other objectives have seen may be what tips it, and then says so.
    assert re.match(r"FAIL orders(, with the other objectives)?: canary ", release.message), release.message
    assert " bad) vs stable 0 %" in release.message
    assert rested.percent() == 0
    assert rested.version_of(SERVICE) == "v1"
    # Nothing but the counter told: every request of both versions was answered with 200.
    assert {status for _, status in rested.totals().requests} == {200}


def test_canary_whose_orders_go_well_is_promoted_after_enough_of_them_were_counted(rested: Stage) -> None:
    release = rested.release("v3", seconds=90)
    assert release.phase is Phase.SUCCEEDED, release.message
    counted = release.evidence.release_counts["orders"]
    assert counted.canary.requests >= 20 * len(release.plan.steps)
    assert counted.stable.requests > 0
    assert counted.canary.bad == 0

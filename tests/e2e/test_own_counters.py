"""A canary that answers every request well, and fails what only the application's own counter tells."""

import json
from collections.abc import Iterator

import pytest

from canary.adapters.kube.wire import to_wire
from canary.domain.annotations import PREFIX, parse_plan
from canary.domain.metric_template import Counter, MetricTemplate
from canary.domain.plan import Objective
from canary.domain.policy import Policy, PolicyObjective, PolicySpec, Provided
from canary.domain.release import Phase, Release
from canary.domain.verdict import Reason
from canary.sandbox.showcase import SERVICE
from tests.e2e.stage import KEY, Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ORDERS = MetricTemplate(Counter("orders_total"), Counter("orders_total", {"result": ("failed",)}))
POLICY = Policy(
    PolicySpec(objectives=(PolicyObjective("orders", template="failed-orders", max_bad="1%"),)),
    "ReleasePolicy shop/standard: spec.",
)


@pytest.fixture(scope="module")
def rested() -> Iterator[Stage]:
    with stage(steps="10@5s,50@2s,100@2s") as made:
        made.start_controller()
        yield made


def objectives() -> tuple[Objective, ...]:
    """What a policy that names the template makes of a plan."""
    wishes = {f"{PREFIX}enabled": "true", f"{PREFIX}policy": "standard"}
    plan = parse_plan(KEY, wishes, POLICY, Provided(templates={"failed-orders": ORDERS}))
    assert plan is not None
    return plan.objectives


def release_with_orders(made: Stage, version: str, behaviour: str = "") -> Release:
    """Push a version, have its release judged by orders from its first step on, and see how it ends."""
    known = len(made.releases())
    made.push(version, behaviour)
    made.wait(lambda: len(made.releases()) > known and made.percent() == 10, "the first step")
    plan = json.dumps({"spec": {"plan": {"objectives": to_wire(objectives())}}})
    made.kubectl("patch", "release", made.newest().name, "--type=merge", "-p", plan)
    return made.wait_until_finished(known + 1, seconds=90)


def test_canary_whose_orders_fail_behind_good_answers_is_rolled_back_and_the_verdict_names_them(
    rested: Stage,
) -> None:
    release = release_with_orders(rested, "v2", "failed-orders=40%")
    assert release.phase is Phase.ROLLED_BACK
    assert release.reason is Reason.OBJECTIVE_BREACHED
    assert release.verdict is not None
    assert release.verdict.objective == "orders"
    assert release.message.startswith("FAIL orders: canary ")
    assert " bad) vs stable 0 %" in release.message
    assert rested.percent() == 0
    assert rested.version_of(SERVICE) == "v1"
    # Nothing but the counter told: every request of both versions was answered with 200.
    assert {status for _, status in rested.totals().requests} == {200}


def test_canary_whose_orders_go_well_is_promoted_after_enough_of_them_were_counted(rested: Stage) -> None:
    release = release_with_orders(rested, "v3")
    assert release.phase is Phase.SUCCEEDED, release.message
    counted = release.evidence.release_counts["orders"]
    assert counted.canary.requests >= 20 * len(release.plan.steps)
    assert counted.stable.requests > 0
    assert counted.canary.bad == 0

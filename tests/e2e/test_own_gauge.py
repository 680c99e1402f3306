"""A canary that answers every request well while its queue grows, which only a gauge of its own tells.

All the way, as for counters: a template in the settings, a policy that names it, and a real Prometheus.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.domain.release import Phase, Release
from canary.domain.verdict import Reason
from canary.sandbox.showcase import SERVICE
from tests.e2e.stage import NAMESPACE, Stage, create, stage

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


def policy(name: str, **bound: object) -> dict[str, object]:
    return {
        "apiVersion": "canaryctl.dev/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {"objectives": [{**BOUND, **bound}]},
    }


@pytest.fixture(scope="module")
def rested(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    settings: Path = tmp_path_factory.mktemp("settings") / "controller.yaml"
    settings.write_text(SETTINGS)
    with stage(steps="10@5s,50@2s,100@2s") as made:
        made.settings = settings
        create(made.transport, policy("watched"))
        create(made.transport, policy("blind", template="misspelt"))
        made.annotate(policy="watched")
        made.start_controller()
        yield made


def release_of(made: Stage, version: str, behaviour: str = "") -> Release:
    """Push a version and see how its release ends."""
    known = len(made.releases())
    made.push(version, behaviour)
    return made.wait_until_finished(known + 1, seconds=90)


def test_canary_whose_queue_grows_behind_good_answers_is_rolled_back_by_the_threshold_rule(
    rested: Stage,
) -> None:
    release = release_of(rested, "v2", "waiting-orders=100%")
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
    release = release_of(rested, "v3")
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

"""Scenario: a service's mesh route and a gateway's route in another namespace, on real parts."""

from collections.abc import Iterator

import pytest

from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.apiserver.seam import Fault, SeenRequest
from canary.sandbox.showcase import CANARY, NAMESPACE, SERVICE
from tests.e2e.gateway import (
    GATEWAY,
    GATEWAY_PATH,
    GATEWAYS,
    gateway,
    patched,
    share,
    share_a_gateway,
    weights,
)
from tests.e2e.stage import DEPLOYMENTS, Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

REFUSAL = f"{GATEWAY}.{GATEWAYS}, which is not shared with namespace {NAMESPACE}"


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with stage(steps="10@2s,50@2s") as made:
        share_a_gateway(made, consents=False)
        made.start_controller()
        yield made


@pytest.fixture
def made(shared: Stage) -> Iterator[Stage]:
    """The stage between releases, the gateway's consent given."""
    share(shared, NAMESPACE)
    shared.wait(lambda: weights(shared) == (0, 0), "rest")
    yield shared
    share(shared, NAMESPACE)
    shared.wait(lambda: all(item.release.phase.is_terminal for item in shared.releases()), "rest")


def warned(made: Stage) -> bool:
    lines = made.kubectl("describe", "service", SERVICE).splitlines()
    return any("Warning" in line and "RoutesWithheld" in line and REFUSAL in line for line in lines)


def begin(made: Stage, version: str, behaviour: str = "") -> int:
    """Push a version; how many releases there are when its own has begun."""
    known = len(made.releases())
    made.push(version, behaviour)
    made.wait(lambda: len(made.releases()) > known, f"the release of {version}")
    return known + 1


def test_without_consent_nothing_is_written_anywhere_and_an_event_names_the_remedy(shared: Stage) -> None:
    before = gateway(shared)
    shared.wait(lambda: warned(shared), "the warning, before any release")
    begin(shared, "v2")
    shared.wait(lambda: shared.newest().reason is Reason.ROUTES_INVALID, "the release to wait")
    assert shared.newest().phase is Phase.PENDING
    assert f"annotate it canaryctl.dev/shared-with={NAMESPACE}" in shared.newest().message
    shared.kubectl("rollout", "status", f"deployment/{CANARY}", "--timeout=30s")
    assert (gateway(shared), shared.percent(), patched(shared)) == (before, 0, [])
    share(shared, NAMESPACE)
    assert shared.wait_until_finished().phase is Phase.SUCCEEDED


def test_both_shift_together_each_step_tried_in_both_before_either_is_changed(made: Stage) -> None:
    before, mark = gateway(made), len(patched(made))
    count = begin(made, "v3")
    for percent in (10, 50):
        made.wait(lambda wanted=percent: weights(made) == (wanted, wanted), f"{percent} % in both")  # type: ignore[misc]
    assert made.wait_until_finished(count).phase is Phase.SUCCEEDED
    assert weights(made) == (0, 0)
    step = [(GATEWAYS, True), (NAMESPACE, True), (GATEWAYS, False), (NAMESPACE, False)]
    assert patched(made)[mark:] == [*step, *step, (GATEWAYS, False), (NAMESPACE, False)]
    assert gateway(made)["spec"] == before["spec"]


def test_denial_of_one_leaves_both_and_the_release_goes_on_when_it_is_lifted(made: Stage) -> None:
    denied: list[str] = []

    def deny(seen: SeenRequest) -> Fault | None:
        if seen.method == "PATCH" and seen.path == GATEWAY_PATH and seen.user_agent.startswith("canary/"):
            denied.append(seen.query)
            return Fault(status=403)
        return None

    made.api.seam.before_response = deny
    count = begin(made, "v4")
    made.wait(lambda: bool(denied), "the denial")
    made.wait(lambda: "Refused" in made.kubectl("describe", "service", SERVICE), "the Event")
    assert weights(made) == (0, 0)
    made.api.seam.before_response = None
    # Somebody has acted: what was put off is looked at anew.
    made.annotate(tolerance="1.3x")
    assert made.wait_until_finished(count).phase is Phase.SUCCEEDED


def test_consent_withdrawn_mid_release_holds_it_and_a_rollback_leaves_the_pods_behind_what_is_withheld(
    made: Stage,
) -> None:
    made.annotate(steps="10@60s,50@2s")
    count = begin(made, "v5")
    made.wait(lambda: weights(made) == (10, 10), "the first step")
    share(made, "pay")
    made.wait(lambda: made.newest().phase is Phase.HELD, "the hold")
    assert made.newest().reason is Reason.ROUTES_INVALID
    assert REFUSAL in made.newest().message
    made.wait(lambda: warned(made), "the warning")
    before = gateway(made)
    wish = '{"spec":{"abort":{"by":"ada","reason":"enough"}}}'
    made.kubectl("patch", "release", made.newest().name, "--type=merge", "-p", wish)
    made.wait(lambda: weights(made) == (0, 10), "our own traffic to return")
    assert gateway(made) == before
    assert made.get(f"{DEPLOYMENTS}/{CANARY}")["spec"]["replicas"] == 2
    share(made, NAMESPACE)
    release = made.wait_until_finished(count)
    assert (release.phase, release.reason) == (Phase.ROLLED_BACK, Reason.ABORTED)
    assert weights(made) == (0, 0)
    made.annotate(steps="10@2s,50@2s")

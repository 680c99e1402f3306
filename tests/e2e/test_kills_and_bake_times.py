"""A controller that dies after every write it makes neither hurries a release nor leaves a trace in it."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import pytest

from canary.domain.release import Phase
from canary.sandbox.apiserver.seam import Fault, RequestRecord, SeenRequest
from canary.sandbox.showcase import CANARY, NAMESPACE, SERVICE
from tests.e2e.records import Json, history, shifts, version_now, virtual_service, without_weights
from tests.e2e.stage import DEPLOYMENTS, VIRTUAL_SERVICES, Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BAKE_SECONDS = 4.0
STEPS = "10@4s,50@4s,100@4s"
KINDS = {
    f"POST /apis/canaryctl.dev/v1alpha1/namespaces/{NAMESPACE}/releases": "create release",
    f"PATCH {VIRTUAL_SERVICES}/{SERVICE}": "shift traffic",
    f"PATCH {DEPLOYMENTS}/{SERVICE}": "promote template",
    f"PATCH {DEPLOYMENTS}/{CANARY}": "scale canary",
}


@dataclass
class Killer:
    """Kills the controller when a write of its has been carried out and not yet been answered."""

    made: Stage
    kills: list[str] = field(default_factory=list)
    """The kinds of writes that the controller died of."""
    shifted_at: list[float] = field(default_factory=list)
    """When each change of the weights took effect, on the monotonic clock."""

    def __call__(self, record: RequestRecord) -> None:
        kind = kind_of(record)
        if kind is None:
            return
        if kind == "shift traffic":
            self.shifted_at.append(time.monotonic())
        self.kills.append(kind)
        self.made.kill_controller()


def kind_of(record: RequestRecord) -> str | None:
    """The kind of a write that the controller made and the server carried out."""
    is_done = record.user_agent.startswith("canary/") and 200 <= record.status < 300
    if not is_done or "dryRun" in record.query:
        return None
    if record.method == "PUT" and record.path.endswith("/status") and "/releases/" in record.path:
        return "save status"
    return KINDS.get(f"{record.method} {record.path}")


def looks(made: Stage) -> int:
    """How often the controller has looked at the canary."""
    path = f"{DEPLOYMENTS}/{CANARY}"
    return sum((each.method, each.path) == ("GET", path) for each in list(made.api.seam.requests))


def release_among_kills(made: Stage, version: str, behaviour: str) -> Killer:
    """Push a version and let it run to its end, the canary having no pods at first."""
    made.kubectl("scale", "deployment", CANARY, "--replicas=0")
    killer = Killer(made)
    made.api.seam.after_effect = killer
    made.start_controller()
    made.push(version, behaviour)
    made.wait_until_finished(seconds=200)
    # It died of writing the end, too. The one after it looks, twice, and has nothing left to do.
    written, looked = len(killer.kills), looks(made)
    made.wait(lambda: looks(made) > looked, "the last controller to look")
    looked = looks(made)
    made.annotate(interval="5s")
    made.wait(lambda: looks(made) > looked, "the last controller to look again")
    assert len(killer.kills) == written
    return killer


def assert_only_weights_were_changed(made: Stage, before: Json, since: int) -> None:
    for state in history(made, "virtualservices.networking.istio.io", since):
        assert without_weights(state) == without_weights(before)


def test_healthy_release_bakes_its_time_at_every_step_though_its_controller_dies_at_every_write() -> None:
    with stage(steps=STEPS) as made:
        before, since = virtual_service(made), version_now(made)
        killer = release_among_kills(made, "v2", "")
        (stored,) = made.releases()
        assert stored.release.phase is Phase.SUCCEEDED, stored.release.message
        assert set(killer.kills) == {*KINDS.values(), "save status"}
        assert len(killer.kills) >= 15
        assert shifts(made, since) == [10, 50, 100, 0]
        assert_only_weights_were_changed(made, before, since)
        baked = [later - earlier for earlier, later in pairwise(killer.shifted_at)]
        assert all(seconds >= BAKE_SECONDS for seconds in baked), baked
        stable, canary = (made.get(f"{DEPLOYMENTS}/{name}") for name in (SERVICE, CANARY))
        judged, promoted = (item["spec"]["template"] for item in (canary, stable))
        assert promoted["spec"] == judged["spec"]
        assert promoted["metadata"]["labels"] == {"app": SERVICE, "track": "stable"}
        assert (stable["spec"]["replicas"], canary["spec"]["replicas"]) == (2, 0)
        assert killer.kills.count("promote template") == 1
        assert len(history(made, "releases.canaryctl.dev", since)) >= killer.kills.count("save status")
        made.sandbox.stop_traffic()
        assert {key: n for key, n in made.totals().requests.items() if key[1] != 200} == {}


@dataclass
class Outage:
    """Kills the controller right before its second shift of traffic: that step is saved, and not acted on."""

    kill: Callable[[], None]
    shifts: int = 0
    shifted_at: list[float] = field(default_factory=list)

    def before(self, seen: SeenRequest) -> Fault | None:
        kind = KINDS.get(f"{seen.method} {seen.path}")
        if not seen.user_agent.startswith("canary/") or kind != "shift traffic":
            return None
        self.shifts += 1
        if self.shifts != 2:
            return None
        self.kill()
        return Fault()

    def after(self, record: RequestRecord) -> None:
        if kind_of(record) == "shift traffic":
            self.shifted_at.append(time.monotonic())


class Hurried(AssertionError):
    """A step was passed before it had its weight for its bake time."""


def test_step_bakes_its_time_although_the_controller_was_away_between_its_save_and_its_shift() -> None:
    with stage(steps="10@2s,50@6s,100@2s") as made:
        made.start_controller()
        assert made.controller is not None
        outage, since = Outage(partial(made.controller.signal, signal.SIGKILL)), version_now(made)
        made.api.seam.before_response, made.api.seam.after_effect = outage.before, outage.after
        made.push("v2")
        killed, made.controller = made.controller, None
        # Nobody restarts it: for longer than the second step takes, its weight is not in force.
        assert killed is not None
        assert killed.wait(40) == -signal.SIGKILL
        assert (made.newest().step, made.percent()) == (1, 10)
        time.sleep(8)
        made.start_controller()
        assert made.wait_until_finished().phase is Phase.SUCCEEDED
        written = dict(zip(shifts(made, since), outage.shifted_at, strict=True))
        if 50 not in written or written[100] - written[50] < 6:
            raise Hurried(f"weights, and when they were written: {written}")
        assert list(written) == [10, 50, 100, 0]


def test_bad_release_ends_at_its_first_step_though_its_controller_dies_at_every_write() -> None:
    with stage(steps="10@20s,100@20s") as made:
        before, since = virtual_service(made), version_now(made)
        template = made.get(f"{DEPLOYMENTS}/{SERVICE}")["spec"]["template"]
        killer = release_among_kills(made, "v2", "errors=20%")
        (stored,) = made.releases()
        assert stored.release.phase is Phase.ROLLED_BACK
        assert stored.release.verdict is not None
        assert stored.release.verdict.objective == "error-rate"
        assert set(killer.kills) == {*KINDS.values(), "save status"} - {"promote template"}
        assert shifts(made, since) == [10, 0]
        assert_only_weights_were_changed(made, before, since)
        assert made.get(f"{DEPLOYMENTS}/{SERVICE}")["spec"]["template"] == template
        assert made.get(f"{DEPLOYMENTS}/{CANARY}")["spec"]["replicas"] == 0
        made.sandbox.stop_traffic()
        # Nobody but the bad canary itself failed a request.
        assert {key for key in made.totals().requests if key[1] != 200} == {("v2", 500)}

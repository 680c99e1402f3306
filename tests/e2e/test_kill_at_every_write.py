"""kill -9 at every single write of the real controller: a release ends as it would have without."""

import pytest

from canary.domain.release import Phase
from canary.sandbox.showcase import CANARY, SERVICE
from tests.e2e.stage import DEPLOYMENTS, VIRTUAL_SERVICES, Stage, killing, stage
from tests.grounds import NewGround

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

EVERY_KIND = {"POST releases", "PUT releases/status", "PATCH virtualservices", "PATCH deployments"}
IN_WORDS = pytest.mark.parametrize("applied", [True, False], ids=["answer-lost", "write-lost"])


def rest_of_the_virtual_service(made: Stage) -> object:
    found = made.get(f"{VIRTUAL_SERVICES}/{SERVICE}")
    route = found["spec"]["http"][1]["route"]
    return {**found["spec"], "http": [found["spec"]["http"][0], [item["destination"] for item in route]]}


@IN_WORDS
def test_healthy_release_is_promoted_whatever_the_kills(control_plane: NewGround, applied: bool) -> None:
    with control_plane() as ground, stage(ground) as made:
        before = rest_of_the_virtual_service(made)
        kinds = killing(made, applied=applied)
        made.start_controller()
        made.push("v2")
        release = made.wait_until_finished(seconds=200)
        made.api.seam.before_response = None
        assert release.phase is Phase.SUCCEEDED, release.message
        assert set(kinds) == EVERY_KIND
        assert len(kinds) >= 12
        assert len(made.releases()) == 1
        assert made.weights == [0, 10, 50, 100, 0]
        assert made.version_of(SERVICE) == "v2"
        assert made.get(f"{DEPLOYMENTS}/{CANARY}")["spec"]["replicas"] == 0
        assert rest_of_the_virtual_service(made) == before
        made.sandbox.stop_traffic()
        assert {status for _, status in made.totals().requests} == {200}


@IN_WORDS
def test_bad_release_is_rolled_back_whatever_the_kills(control_plane: NewGround, applied: bool) -> None:
    with control_plane() as ground, stage(ground, steps="10@10s,100@10s") as made:
        kinds = killing(made, applied=applied)
        made.start_controller()
        made.push("v2", "errors=20%")
        release = made.wait_until_finished(seconds=200)
        made.api.seam.before_response = None
        assert release.phase is Phase.ROLLED_BACK
        assert set(kinds) == EVERY_KIND
        assert made.weights == [0, 10, 0]
        assert made.version_of(SERVICE) == "v1"
        assert made.get(f"{DEPLOYMENTS}/{CANARY}")["spec"]["replicas"] == 0

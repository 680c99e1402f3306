"""Two replicas: one leads. Whatever becomes of it, the other goes on where it was, and only one ever writes.

Everything is told by the order in which the API server answered, not by a clock.
"""

import signal
from collections.abc import Iterator

import pytest

from canary.domain.release import Phase
from canary.sandbox.apiserver.seam import Fault, RequestRecord, SeenRequest
from canary.sandbox.processes import Child
from tests.controllers import user_agent
from tests.grounds import NewGround
from tests.scenarios.shop import REPLICA, Shop
from tests.scenarios.world import World, running_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS = "10@3s,50@3s,100@3s"
EVERY_STEP = [(90, 10), (50, 50), (0, 100), (100, 0)]
FAST = {
    "LEADERSHIP__LEASE_DURATION": "8s",
    "LEADERSHIP__RENEW_DEADLINE": "7s",
    "LEADERSHIP__RETRY_PERIOD": "500ms",
}
EXIT_LOST_LEADERSHIP = 3
LATE_SECONDS = 19.0
"""So late does a write arrive: the other leader is steps ahead by then."""


@pytest.fixture(scope="module")
def world(control_plane: NewGround) -> Iterator[World]:
    """A world of this module's own: nobody else may hold the lease."""
    with running_world(control_plane) as made:
        yield made


@pytest.fixture
def pair(world: World, shop: Shop) -> Iterator[tuple[Child, Child]]:
    """Replica a, which leads, and replica b, which has seen that it does."""
    world.asked.clear()
    leader = start(world, "a")
    shop.until(lambda: has_led(world, "a"), "a to lead")
    follower = start(world, "b")
    shop.until(lambda: any(is_of_lease(item) for item in world.requests_of("b")), "b to look at the lease")
    yield leader, follower
    for child in (leader, follower):
        child.stop()


def start(world: World, letter: str) -> Child:
    return world.start_controller(letter, LEADERSHIP__IDENTITY=f"{REPLICA}{letter}", **FAST)


def is_of_lease(record: RequestRecord) -> bool:
    return "/leases" in record.path


def has_led(world: World, letter: str) -> bool:
    """Whether a replica has written the lease, and was let."""
    return any(is_of_lease(item) and item.status < 300 for item in world.writes_of(letter))


def places(world: World, letter: str, *, lease: bool, method: str = "") -> list[int]:
    """Where, among all that was asked, a replica's carried-out writes are; or what it asked by ``method``."""
    agent = user_agent(f"{REPLICA}{letter}")
    return [
        place
        for place, item in enumerate(tuple(world.asked))
        if item.user_agent == agent
        and is_of_lease(item) is lease
        and 200 <= item.status < 300
        and (item.method == method if method else item.method != "GET")
    ]


def arrived_late(world: World) -> bool:
    """Whether replica a's request without an answer has reached the server."""
    return any(item.method == "PATCH" and item.status == 0 for item in world.requests_of("a"))


def start_release(shop: Shop) -> str:
    """Bring a release to its first step; the version from which its weights can be told."""
    shop.open(STEPS)
    version = shop.version
    shop.push("v2")
    shop.wait_for_weights(90, 10)
    return version


def test_leader_that_is_ended_hands_over_and_no_step_is_lost_or_taken_twice(
    world: World, shop: Shop, pair: tuple[Child, Child]
) -> None:
    version = start_release(shop)
    assert pair[0].stop(deadline_seconds=20) == 0
    gave_up = places(world, "a", lease=True)[-1]
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == EVERY_STEP
    assert shop.count() == 1
    # Giving the lease up was the last that the old leader did, and the new one wrote nothing before.
    assert places(world, "a", lease=False)[-1] < gave_up
    took_over = places(world, "b", lease=True)[0]
    assert places(world, "a", lease=False)[-1] < took_over < places(world, "b", lease=False)[0]
    # It did not wait for the lease to expire: it was its own as soon as it looked.
    looks = places(world, "b", lease=True, method="GET")
    assert len([place for place in looks if gave_up < place < took_over]) <= 2


def test_leader_that_is_killed_is_followed_when_its_lease_has_expired(
    world: World, shop: Shop, pair: tuple[Child, Child]
) -> None:
    version = start_release(shop)
    pair[0].signal(signal.SIGKILL)
    assert pair[0].wait(10) == -signal.SIGKILL
    shop.wait_for(Phase.SUCCEEDED)
    assert shop.weights_since(version) == EVERY_STEP
    assert shop.count() == 1
    renewed, took_over = places(world, "a", lease=True)[-1], places(world, "b", lease=True)[0]
    assert places(world, "a", lease=False)[-1] < took_over < places(world, "b", lease=False)[0]
    # Only a lease that was seen more than once, and never renewed, is anybody's.
    looks = places(world, "b", lease=True, method="GET")
    assert len([place for place in looks if renewed < place < took_over]) >= 2


def test_leader_that_was_stopped_beyond_its_lease_writes_nothing_more_and_ends_with_status_3(
    world: World, shop: Shop, pair: tuple[Child, Child]
) -> None:
    """A shift of traffic is under way as it is stopped, and reaches the server when the other leads."""
    leader, _ = pair
    version = start_release(shop)
    stopped: list[SeenRequest] = []

    def stop_at_the_next_shift(seen: SeenRequest) -> Fault | None:
        is_shift = seen.method == "PATCH" and f"/namespaces/{shop.namespace}/virtualservices" in seen.path
        if stopped or not is_shift or seen.user_agent != user_agent(f"{REPLICA}a"):
            return None
        stopped.append(seen)
        leader.signal(signal.SIGSTOP)
        return Fault(status=0, after=True, delay_seconds=LATE_SECONDS)

    shop.seam.before_response = stop_at_the_next_shift
    shop.until(lambda: stopped, "the leader to be stopped")
    shop.until(lambda: has_led(world, "b"), "the other to lead")
    took_over = places(world, "b", lease=True)[0]
    shop.wait_for_weights(0, 100)
    leader.signal(signal.SIGCONT)
    assert leader.wait(20) == EXIT_LOST_LEADERSHIP
    shop.wait_for(Phase.SUCCEEDED)
    shop.until(lambda: arrived_late(world), "the shift that was under way to arrive")
    assert shop.weights_since(version) == EVERY_STEP
    assert shop.count() == 1
    assert [place for place in places(world, "a", lease=False) if place > took_over] == []
    assert [place for place in places(world, "a", lease=True) if place > took_over] == []

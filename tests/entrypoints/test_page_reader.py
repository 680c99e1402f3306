"""The page's picture: one look for any number of readers, none that waits for long, none that is lost."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from canary.app.errors import Retryable
from canary.entrypoints.page.reader import FRESH_SECONDS, Latest, Reader
from tests.clocks import HandClock
from tests.entrypoints.examples import NOW

PATIENCE_SECONDS = 10.0


class World:
    """What is looked at: counts the looks, and can be slow, broken, or both."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.looks = 0
        self.takes_seconds = 0.0
        self.failure: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()

    def look(self) -> int:
        self.looks += 1
        number = self.looks
        assert self.answers.wait(PATIENCE_SECONDS)
        self.clock.advance(self.takes_seconds)
        if self.failure is not None:
            raise self.failure
        return number


@pytest.fixture
def world() -> World:
    return World(HandClock(NOW))


@pytest.fixture
def reader(world: World) -> Reader[int]:
    return Reader(world.look, world.clock)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.entrypoints.page.reader.PATIENCE_SECONDS", 0.05)


@pytest.fixture
def hung(world: World) -> Iterator[Callable[[], None]]:
    """Looks begin and do not end until the test is over."""
    yield world.answers.clear
    world.answers.set()


def test_nobody_looks_before_somebody_asks(world: World, reader: Reader[int]) -> None:
    assert world.looks == 0
    assert reader.latest() == Latest(1)


def test_who_asks_soon_after_gets_the_same_picture(world: World, reader: Reader[int]) -> None:
    for _ in range(100):
        assert reader.latest().picture == 1
    world.clock.advance(FRESH_SECONDS - 0.01)
    assert reader.latest().picture == 1
    world.clock.advance(0.01)
    assert reader.latest().picture == 2


def test_crowd_that_asks_at_once_shares_one_look(world: World, reader: Reader[int]) -> None:
    world.answers.clear()
    with ThreadPoolExecutor(30) as crowd:
        asked = [crowd.submit(reader.latest) for _ in range(30)]
        world.answers.set()
        assert {each.result(PATIENCE_SECONDS).picture for each in asked} == {1}
    assert world.looks == 1


def test_what_takes_long_to_look_at_is_looked_at_less_often(world: World, reader: Reader[int]) -> None:
    world.takes_seconds = 5.0
    reader.latest()
    world.clock.advance(19.0)
    assert reader.latest().picture == 1
    world.clock.advance(1.0)
    assert reader.latest().picture == 2


def test_failure_keeps_the_picture_and_says_why(world: World, reader: Reader[int]) -> None:
    reader.latest()
    world.failure = Retryable("GET /releases: connection refused")
    world.clock.advance(FRESH_SECONDS)
    assert reader.latest() == Latest(1, "GET /releases: connection refused")


def test_failure_before_there_is_any_picture_is_told_too(world: World, reader: Reader[int]) -> None:
    world.failure = Retryable("no route to host")
    assert reader.latest() == Latest(None, "no route to host")


def test_trouble_is_forgotten_with_the_first_look_that_succeeds(world: World, reader: Reader[int]) -> None:
    world.failure = Retryable("gone")
    reader.latest()
    world.failure = None
    world.clock.advance(FRESH_SECONDS)
    assert reader.latest() == Latest(2)


@pytest.mark.parametrize(("asked", "rest"), [(30.0, 30.0), (0.5, FRESH_SECONDS), (86_400.0, 60.0)])
def test_wait_that_the_server_asks_for_is_kept_within_reason(
    world: World, reader: Reader[int], asked: float, rest: float
) -> None:
    world.failure = Retryable("429", retry_after_seconds=asked)
    reader.latest()
    world.clock.advance(rest - 0.01)
    reader.latest()
    assert world.looks == 1
    world.clock.advance(0.01)
    reader.latest()
    assert world.looks == 2


def test_defect_in_a_look_is_not_the_end_of_looking(world: World, reader: Reader[int]) -> None:
    world.failure = KeyError("secret")
    assert reader.latest().trouble == "a defect, KeyError: see the controller's log"
    world.failure = None
    world.clock.advance(FRESH_SECONDS)
    assert reader.latest() == Latest(2)


@pytest.mark.usefixtures("impatient")
def test_nobody_waits_for_a_look_that_hangs(
    world: World, reader: Reader[int], hung: Callable[[], None]
) -> None:
    reader.latest()
    world.clock.advance(FRESH_SECONDS)
    hung()
    assert reader.latest() == Latest(1)
    # The next one does not even begin to wait: that look has had its time.
    world.clock.advance(1.0)
    assert reader.latest() == Latest(1)
    assert world.looks == 2


@pytest.mark.usefixtures("impatient")
def test_first_look_that_hangs_leaves_nothing_known(reader: Reader[int], hung: Callable[[], None]) -> None:
    hung()
    assert reader.latest() == Latest(None)

"""The queue: one entry, one worker, no lost change."""

from canary.app.workqueue import WorkQueue
from canary.domain.plan import ServiceKey
from tests.app.world import World

A, B = ServiceKey("shop", "a"), ServiceKey("shop", "b")


def queue() -> tuple[WorkQueue, World]:
    world = World(None)
    return WorkQueue(world), world


def test_key_added_twice_is_worked_on_once() -> None:
    q, _ = queue()
    q.add(A)
    q.add(A)
    assert q.take(0) == A
    assert q.take(0) is None


def test_key_added_while_it_is_worked_on_comes_again_only_when_that_is_done() -> None:
    q, _ = queue()
    q.add(A)
    assert q.take(0) == A
    q.add(A)
    assert q.take(0) is None
    q.done(A)
    assert q.take(0) == A


def test_delayed_key_is_ready_when_due_and_not_before() -> None:
    q, world = queue()
    q.add_after(A, 5)
    world.advance(4)
    q.release_due()
    assert q.take(0) is None
    world.advance(1)
    q.release_due()
    assert q.take(0) == A


def test_earlier_of_two_dates_counts_and_fires_once() -> None:
    q, world = queue()
    q.add_after(A, 10)
    q.add_after(A, 3)
    q.add_after(A, 7)
    world.advance(3)
    q.release_due()
    assert q.take(0) == A
    q.done(A)
    world.advance(20)
    q.release_due()
    assert q.take(0) is None


def test_change_overrides_a_delay() -> None:
    q, world = queue()
    q.add_after(A, 10)
    q.add(A)
    assert q.take(0) == A
    q.done(A)
    world.advance(20)
    q.release_due()
    assert q.take(0) is None


def test_other_keys_go_on_while_one_is_worked_on() -> None:
    q, _ = queue()
    q.add(A)
    q.add(B)
    assert {q.take(0), q.take(0)} == {A, B}


def test_closed_queue_lets_its_workers_go() -> None:
    q, _ = queue()
    q.add(A)
    q.close()
    assert q.take(60) is None

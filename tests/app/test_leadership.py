"""Leadership: one leader at a time, judged by what each replica itself has seen."""

from dataclasses import dataclass

import pytest

from canary.app.errors import ConflictError, LeadershipLost, Retryable
from canary.app.leadership import Leadership
from canary.app.ports import LeaseRecord
from tests.app.world import World


@dataclass
class OneLease:
    record: LeaseRecord | None = None
    version: int = 0
    down: bool = False

    def read(self) -> tuple[LeaseRecord, str] | None:
        if self.down:
            raise Retryable("the API server is down")
        return None if self.record is None else (self.record, str(self.version))

    def create(self, record: LeaseRecord) -> str:
        if self.record is not None:
            raise ConflictError("exists")
        return self.update(record, str(self.version))

    def update(self, record: LeaseRecord, version: str) -> str:
        if self.down:
            raise Retryable("the API server is down")
        if version != str(self.version):
            raise ConflictError("stale")
        self.record, self.version = record, self.version + 1
        return str(self.version)


def replica(lease: OneLease, world: World, name: str) -> Leadership:
    return Leadership(lease, world, name, lease_seconds=15, renew_deadline_seconds=10)


def test_first_replica_leads_and_the_second_waits() -> None:
    lease, world = OneLease(), World(None)
    first, second = replica(lease, world, "first"), replica(lease, world, "second")
    first.step()
    second.step()
    assert (first.leads, second.leads) == (True, False)


def test_leader_that_cannot_renew_stops_writing_before_another_may_begin() -> None:
    lease, world = OneLease(), World(None)
    first, second = replica(lease, world, "first"), replica(lease, world, "second")
    first.step()
    second.step()
    lease.down = True
    world.advance(10)
    first.step()
    with pytest.raises(LeadershipLost):
        first.check()
    assert first.has_lost
    lease.down = False
    second.step()
    assert not second.leads
    world.advance(6)
    second.step()
    assert second.leads


def test_paused_leader_may_not_write_after_it_wakes() -> None:
    lease, world = OneLease(), World(None)
    first, second = replica(lease, world, "first"), replica(lease, world, "second")
    first.step()
    second.step()
    world.advance(16)
    second.step()
    assert second.leads
    with pytest.raises(LeadershipLost):
        first.check()
    first.step()
    assert first.has_lost
    assert not first.leads


def test_clean_exit_hands_the_lease_over_at_once() -> None:
    lease, world = OneLease(), World(None)
    first, second = replica(lease, world, "first"), replica(lease, world, "second")
    first.step()
    second.step()
    first.release()
    second.step()
    assert second.leads
    assert lease.record is not None
    assert lease.record.transitions == 1


def test_wrong_clock_of_another_machine_does_not_matter() -> None:
    lease, world = OneLease(), World(None)
    lease.record, lease.version = LeaseRecord("ahead", 15, world.now() + 9999, world.now() + 9999, 0), 3
    second = replica(lease, world, "second")
    second.step()
    world.advance(16)
    second.step()
    assert second.leads


def test_deadline_as_long_as_the_lease_is_refused() -> None:
    with pytest.raises(ValueError, match="must be shorter"):
        Leadership(OneLease(), World(None), "x", lease_seconds=10, renew_deadline_seconds=10)

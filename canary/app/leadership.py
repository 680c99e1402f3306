"""Leadership: at most one replica decides and writes, by a Lease that is renewed.

Whether another holder's lease has expired is judged by how long *this* process has seen the record
unchanged, never by comparing clocks of two machines. This replica's own right to write ends at a
deadline on its monotonic clock, counted from before the renewal was sent; ``check`` raises after it.
"""

import threading
from collections.abc import Callable

from canary.app.errors import ConflictError, LeadershipLost, WorldError
from canary.app.ports import Clock, LeaseRecord, LeaseStore

__all__ = ["Leadership", "NoFence"]


class NoFence:
    """For a single replica, or a command that a person runs: leads always."""

    def check(self) -> None:
        """Never raise."""


class Leadership:
    """One replica's part in the election. ``step`` is called every ``retry_seconds`` by one thread."""

    def __init__(
        self,
        store: LeaseStore,
        clock: Clock,
        identity: str,
        *,
        lease_seconds: float,
        renew_deadline_seconds: float,
    ) -> None:
        if not 0 < renew_deadline_seconds < lease_seconds:
            raise ValueError(
                f"the renew deadline ({renew_deadline_seconds} s) must be shorter than the lease"
                f" ({lease_seconds} s)"
            )
        self._store = store
        self._clock = clock
        self._identity = identity
        self._lease_seconds = lease_seconds
        self._renew_deadline_seconds = renew_deadline_seconds
        self._may_write_until: float | None = None
        self._seen: tuple[str, float] | None = None
        """The version of another's record, and since when we have seen it unchanged."""

    @property
    def leads(self) -> bool:
        """Whether this replica may write now."""
        until = self._may_write_until
        return until is not None and self._clock.monotonic() < until

    @property
    def has_lost(self) -> bool:
        """Whether this replica led and no longer may: the process must end."""
        return self._may_write_until is not None and not self.leads

    def check(self) -> None:
        """Raise ``LeadershipLost`` unless this replica may write now."""
        if not self.leads:
            raise LeadershipLost(f"{self._identity} does not hold the lease")

    def step(self) -> None:
        """Try to acquire or to renew once. Errors of the world leave things as they are."""
        asked_at = self._clock.monotonic()
        try:
            current = self._store.read()
            if current is None:
                self._store.create(self._record(None))
            elif self._is_ours_to_take(*current):
                self._store.update(self._record(current[0]), current[1])
            else:
                return
        except (ConflictError, WorldError):
            return
        self._may_write_until = asked_at + self._renew_deadline_seconds

    def release(self) -> None:
        """Give the lease up on a clean exit, so that another replica takes over at once."""
        if not self.leads:
            return
        self._may_write_until = None
        try:
            current = self._store.read()
            if current is not None and current[0].holder == self._identity:
                record = self._record(current[0])
                freed = LeaseRecord("", 1.0, record.acquired_at, record.renewed_at, record.transitions)
                self._store.update(freed, current[1])
        except WorldError:
            return  # It expires by itself.

    def run(self, stop: threading.Event, retry_seconds: float, on_change: Callable[[bool], None]) -> None:
        """Take part until ``stop`` is set or leadership is lost; report each change."""
        led = False
        while not stop.is_set():
            self.step()
            if self.leads != led:
                led = self.leads
                on_change(led)
            if self.has_lost:
                return
            stop.wait(retry_seconds)

    def _is_ours_to_take(self, record: LeaseRecord, version: str) -> bool:
        if record.holder in {self._identity, ""}:
            return True
        now = self._clock.monotonic()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, now)
            return False
        return now - self._seen[1] > max(record.duration_seconds, self._lease_seconds)

    def _record(self, current: LeaseRecord | None) -> LeaseRecord:
        now = self._clock.now()
        if current is not None and current.holder == self._identity:
            return LeaseRecord(
                self._identity, self._lease_seconds, current.acquired_at, now, current.transitions
            )
        transitions = current.transitions + 1 if current is not None else 0
        return LeaseRecord(self._identity, self._lease_seconds, now, now, transitions)

"""A queue of keys: each at most once in it, each with at most one worker, each perhaps due later.

A key that is added while a worker has it is worked on again afterwards, so no change is ever missed
and no two passes over one key overlap. The queue holds at most about two entries for each key.
"""

import heapq
import threading
from collections import deque

from canary.app.ports import Clock
from canary.domain.plan import ServiceKey

__all__ = ["WorkQueue"]


class WorkQueue:
    """Thread-safe. Delayed keys wait until ``release_due`` is called, which the scheduler does each tick."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: deque[ServiceKey] = deque()
        self._queued: set[ServiceKey] = set()
        self._working: set[ServiceKey] = set()
        self._again: set[ServiceKey] = set()
        self._due_at: dict[ServiceKey, float] = {}
        self._heap: list[tuple[float, ServiceKey]] = []
        self._closed = False

    def __len__(self) -> int:
        """How many keys are ready for a worker."""
        with self._changed:
            return len(self._ready)

    def add(self, key: ServiceKey) -> None:
        """Have a worker look at ``key`` as soon as one is free; a later date set for it is dropped."""
        with self._changed:
            self._due_at.pop(key, None)
            self._put(key)

    def add_after(self, key: ServiceKey, seconds: float) -> None:
        """Have a worker look at ``key`` in ``seconds``, or earlier if it is due earlier already."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        with self._changed:
            if key in self._queued or self._due_at.get(key, due + 1) <= due:
                return
            self._due_at[key] = due
            heapq.heappush(self._heap, (due, key))
            if len(self._heap) > 2 * len(self._due_at) + 16:
                # Entries whose key was given another date since pile up: keep only those that count.
                self._heap = [(at, waiting) for waiting, at in self._due_at.items()]
                heapq.heapify(self._heap)

    def release_due(self) -> None:
        """Make ready every delayed key whose time has come."""
        now = self._clock.monotonic()
        with self._changed:
            while self._heap and self._heap[0][0] <= now:
                due, key = heapq.heappop(self._heap)
                # An entry whose key has been given another date since, or none, is stale.
                if self._due_at.get(key) == due:
                    del self._due_at[key]
                    self._put(key)

    def take(self, timeout_seconds: float) -> ServiceKey | None:
        """Wait for a key; None when there is none in time or the queue is closed. Call ``done`` after."""
        with self._changed:
            if not self._ready and not self._closed:
                self._changed.wait(timeout_seconds)
            if self._closed or not self._ready:
                return None
            key = self._ready.popleft()
            self._queued.discard(key)
            self._working.add(key)
            return key

    def done(self, key: ServiceKey) -> None:
        """Say that the pass over ``key`` has ended."""
        with self._changed:
            self._working.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._put(key)

    def close(self) -> None:
        """Let every waiting worker go; what is queued is dropped, since it is derived from the world."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put(self, key: ServiceKey) -> None:
        if key in self._working:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.append(key)
            self._changed.notify()

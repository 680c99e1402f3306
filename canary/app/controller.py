"""The controller: leads or waits, and while it leads runs the scheduler, the workers and the watches."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from canary.app.leadership import Leadership
from canary.app.loop import Loop
from canary.app.scheduler import Scheduler
from canary.app.workqueue import WorkQueue

__all__ = ["Controller", "Watch"]

STOP_PATIENCE_SECONDS = 10.0


class Watch(Protocol):
    """A list+watch that runs in threads of its own."""

    def start(self) -> None:
        """Begin to list and watch."""
        ...

    def stop(self) -> None:
        """End soon."""
        ...


@dataclass(slots=True)
class Controller:
    """Everything that runs. ``run`` returns when ``stop`` is set or leadership is lost."""

    queue: WorkQueue
    loop: Loop
    scheduler: Scheduler
    watches: Sequence[Watch]
    leadership: Leadership | None
    workers: int
    retry_seconds: float
    stop: threading.Event
    on_leading: Callable[[bool], None]
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def leads(self) -> bool:
        """Whether this replica decides and writes."""
        return bool(self._threads)

    def run(self) -> bool:
        """Run to the end; return whether it was a clean one (False: leadership was lost)."""
        for watch in self.watches:
            watch.start()
        try:
            if self.leadership is None:
                self._lead(True)
                self.stop.wait()
                return True
            self.leadership.run(self.stop, self.retry_seconds, self._lead)
            return not self.leadership.has_lost
        finally:
            self._end()

    def _lead(self, leads: bool) -> None:
        self.on_leading(leads)
        if not leads:
            self.stop.set()
            return
        self.scheduler.start()
        for number in range(self.workers):
            work = self.loop.work
            thread = threading.Thread(target=work, args=(self.stop,), name=f"worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _end(self) -> None:
        self.stop.set()
        self.queue.close()
        if self._threads:
            self.scheduler.stop()
        for watch in self.watches:
            watch.stop()
        for thread in self._threads:
            thread.join(STOP_PATIENCE_SECONDS)
        # Only when no worker can write any more may another replica take over at once.
        if self.leadership is not None and not any(thread.is_alive() for thread in self._threads):
            self.leadership.release()

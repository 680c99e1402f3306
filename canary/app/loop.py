"""The loop: workers that take keys, make passes, and know what to do after each way a pass can end.

done: look again when the decision says. conflict: the world moved, look again at once. retry: back
off. terminal: a person has to act, so look again rarely. defect: a bug of ours; the key is
quarantined, loudly, until its service changes, and the others go on.
"""

import logging
import threading
from collections.abc import Callable

from canary.app.backoff import Backoff
from canary.app.errors import ConflictError, LeadershipLost, NotFound, Retryable, TerminalError
from canary.app.ports import Announcement
from canary.app.reconciler import Reconciler, ReconcilerPorts
from canary.app.workqueue import WorkQueue
from canary.domain.plan import ServiceKey

__all__ = ["Loop"]

CONFLICT_SECONDS = 0.2
TERMINAL_SECONDS = 30.0
UNKNOWN_SECONDS = 1.0
"""How soon to ask again whether a namespace is known by now."""


class Loop:
    """Ties a queue to a reconciler; ``ports`` are those of the reconciler.

    ``is_known`` says whether everything that is watched in a namespace has been seen: a cache that is not
    complete would make opted-in services look opted out. Other namespaces do not wait for it.
    """

    def __init__(
        self,
        queue: WorkQueue,
        reconciler: Reconciler,
        ports: ReconcilerPorts,
        backoff: Backoff,
        on_leadership_lost: Callable[[], None],
        is_known: Callable[[str], bool],
    ) -> None:
        self._is_known = is_known
        self._queue = queue
        self._reconciler = reconciler
        self._announcer = ports.announcer
        self._telemetry = ports.telemetry
        self._clock = ports.clock
        self._backoff = backoff
        self._on_leadership_lost = on_leadership_lost
        self._quarantined: set[ServiceKey] = set()
        self._not_before: dict[ServiceKey, float] = {}
        self._lock = threading.Lock()

    def changed(self, key: ServiceKey) -> None:
        """Something about ``key`` changed: look at it, even if a defect had put it aside."""
        with self._lock:
            self._quarantined.discard(key)
            self._not_before.pop(key, None)
        self._queue.add(key)

    def data_came(self, key: ServiceKey) -> None:
        """There may be new measurements for ``key``: look at it, unless it is backing off."""
        with self._lock:
            backing_off = self._not_before.get(key, 0.0) > self._clock.monotonic()
        if not backing_off:
            self._queue.add(key)

    def work(self, stop: threading.Event) -> None:
        """Be one worker until ``stop`` is set."""
        while not stop.is_set():
            key = self._queue.take(timeout_seconds=1.0)
            if key is not None:
                try:
                    self.work_on(key)
                finally:
                    self._queue.done(key)

    def work_on(self, key: ServiceKey) -> None:
        """Make one pass over ``key`` and arrange for the next one."""
        with self._lock:
            if key in self._quarantined:
                return
        if not self._is_known(key.namespace):
            self._queue.add_after(key, UNKNOWN_SECONDS)
            return
        started = self._clock.monotonic()
        outcome = self._pass(key)
        self._telemetry.pass_finished(key, outcome, self._clock.monotonic() - started)

    def _pass(self, key: ServiceKey) -> str:
        try:
            wake_after = self._reconciler.reconcile(key)
        except ConflictError:
            self._reconciler.forget(key)
            self._queue.add_after(key, max(CONFLICT_SECONDS, self._backoff.failed(key) / 4))
            return "conflict"
        except (Retryable, NotFound) as error:
            asked = error.retry_after_seconds if isinstance(error, Retryable) else None
            self._back_off(key, self._backoff.failed(key, asked))
            self._tell(key, "Retrying", str(error))
            return "retry"
        except TerminalError as error:
            self._back_off(key, TERMINAL_SECONDS)
            self._tell(key, "Refused", str(error))
            return "terminal"
        except LeadershipLost:
            self._on_leadership_lost()
            return "leadership-lost"
        except Exception as defect:
            # Whatever it is, it must not stop the other keys.
            with self._lock:
                self._quarantined.add(key)
            self._reconciler.forget(key)
            logging.getLogger(__name__).exception("defect while working on %s", key)
            self._tell(
                key, "Quarantined", f"a defect of the controller, nothing is done any more: {defect!r}"
            )
            return "defect"
        self._backoff.succeeded(key)
        with self._lock:
            self._not_before.pop(key, None)
        if wake_after is not None:
            self._queue.add_after(key, wake_after)
        return "done"

    def _back_off(self, key: ServiceKey, seconds: float) -> None:
        with self._lock:
            self._not_before[key] = self._clock.monotonic() + seconds
        self._queue.add_after(key, seconds)

    def _tell(self, key: ServiceKey, reason: str, message: str) -> None:
        self._announcer.announce(key, None, Announcement(reason, message, warning=True))

"""The scheduler: one tick that makes due keys ready, and one per metrics provider that measures.

A provider that hangs delays only its own measuring: every release is also looked at by the queue's
own clock, so aborts, readiness and deadlines never wait for Prometheus.
"""

from collections.abc import Callable, Sequence

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from canary.app.ports import MetricTarget
from canary.app.workqueue import WorkQueue
from canary.domain.plan import ServiceKey

__all__ = ["Measuring", "Scheduler"]

DUE_TICK_SECONDS = 0.5

Measuring = Callable[[Sequence[MetricTarget]], None]
"""A collector's tick."""


class Scheduler:
    """Runs until ``stop``. ``targets`` says which releases are to be measured now.

    ``on_data`` is called for each service about which there may be news, ``on_tick`` at each tick.
    """

    def __init__(
        self,
        queue: WorkQueue,
        targets: Callable[[], tuple[MetricTarget, ...]],
        measure: Measuring,
        tick_seconds: float,
        on_data: Callable[[ServiceKey], None],
        on_tick: Callable[[], None],
    ) -> None:
        self._queue = queue
        self._targets = targets
        self._measure = measure
        self._on_data = on_data
        self._on_tick = on_tick
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        self._scheduler.add_job(self._release_due, "interval", seconds=DUE_TICK_SECONDS, id="due")
        self._scheduler.add_job(self.measure_once, "interval", seconds=tick_seconds, id="measure")

    def start(self) -> None:
        """Begin to tick, in threads of its own."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking; a tick under way is bounded by its own timeouts and is not waited for."""
        self._scheduler.shutdown(wait=False)

    def measure_once(self) -> None:
        """Measure every release that is being judged, and have each looked at."""
        targets = self._targets()
        if not targets:
            return
        self._measure(targets)
        # Who asked for an interval of their own is looked at by it; so is who is backing off.
        for key in {target.key for target in targets if target.interval_seconds is None}:
            self._on_data(key)

    def _release_due(self) -> None:
        self._queue.release_due()
        self._on_tick()

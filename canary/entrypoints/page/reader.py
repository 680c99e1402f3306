"""The last known picture of something that takes a while to look at, for many readers at once.

However many ask, one look at a time is taken, and the next not before a while has passed, which is longer
where looks take long. Nobody waits longer than a moment: who is answered before a look has ended gets the
picture of the one before. When looking fails, that picture stays, with the reason.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

import structlog

from canary.app.errors import Retryable, WorldError
from canary.app.ports import Clock

__all__ = ["FRESH_SECONDS", "PATIENCE_SECONDS", "Latest", "Reader"]

T = TypeVar("T")

FRESH_SECONDS: Final = 2.0
"""The least time between the end of a look and the next."""
REST_FACTOR: Final = 4.0
"""Looks are taken at most a fifth of the time, whatever they cost."""
LONGEST_REST_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 3.0
"""The longest that a reader waits for a look, counted from when that began."""


@dataclass(frozen=True, slots=True)
class Latest(Generic[T]):
    """The newest picture, and why there is no newer one; each is None when there is none."""

    picture: T | None = None
    trouble: str | None = None


class Reader(Generic[T]):
    """Looks when somebody asks, and at no other time. ``look`` may raise ``WorldError``."""

    def __init__(self, look: Callable[[], T], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._latest: Latest[T] = Latest()
        self._changed = threading.Condition()
        self._began_at: float | None = None
        """When the look that is being taken began; None while there is none."""
        self._rest_until = clock.monotonic()

    def latest(self) -> Latest[T]:
        """Return what is known, after a look where one is due and ends in time."""
        with self._changed:
            now = self._clock.monotonic()
            if self._began_at is None and now >= self._rest_until:
                threading.Thread(target=self._take_a_look, name="page look", daemon=True).start()
                self._began_at = now
            if self._began_at is not None:
                left = max(0.0, self._began_at + PATIENCE_SECONDS - now)
                self._changed.wait_for(lambda: self._began_at is None, left)
            return self._latest

    def _take_a_look(self) -> None:
        began = self._clock.monotonic()
        rest, found = FRESH_SECONDS, replace(self._latest, trouble=None)
        try:
            found = Latest(self._look())
            rest = max(rest, REST_FACTOR * (self._clock.monotonic() - began))
        except WorldError as error:
            found = replace(found, trouble=str(error))
            if isinstance(error, Retryable):
                rest = max(rest, error.retry_after_seconds or 0.0)
        except Exception as defect:  # noqa: BLE001 - whatever it is, the next look may succeed
            structlog.get_logger("canary").exception("a defect in a look for the page")
            found = replace(found, trouble=f"a defect, {type(defect).__name__}: see the controller's log")
        if found.trouble is not None and self._latest.trouble is None:
            structlog.get_logger("canary").warning("the page shows what was known", error=found.trouble)
        with self._changed:
            self._latest = found
            self._rest_until = self._clock.monotonic() + min(rest, LONGEST_REST_SECONDS)
            self._began_at = None
            self._changed.notify_all()

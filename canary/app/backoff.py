"""Back-off per key: how long to wait after a failed pass, longer each time, with jitter."""

from collections.abc import Callable

from canary.domain.plan import ServiceKey

__all__ = ["Backoff"]

BASE_SECONDS = 0.5
MAX_SECONDS = 30.0


class Backoff:
    """Counts failures in a row. ``jitter`` returns a number in [0, 1); given, so that tests can fix it."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._failures: dict[ServiceKey, int] = {}

    def failed(self, key: ServiceKey, retry_after_seconds: float | None = None) -> float:
        """Return the seconds to wait now; never less than the server asked for."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        ceiling = min(MAX_SECONDS, BASE_SECONDS * 2.0 ** min(failures, 10))
        wait = ceiling * (0.5 + self._jitter() / 2)
        return max(wait, retry_after_seconds or 0.0)

    def succeeded(self, key: ServiceKey) -> None:
        """Start from the beginning at the next failure; also what forgets a key."""
        self._failures.pop(key, None)

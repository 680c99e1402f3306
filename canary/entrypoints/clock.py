"""The real clock; the only place that reads it for the controller."""

import time

__all__ = ["SystemClock"]


class SystemClock:
    """Implements ``Clock``."""

    def now(self) -> float:
        """Wall time, Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

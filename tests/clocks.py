"""Time for tests: by hand where a test says what time it is."""

from dataclasses import dataclass

__all__ = ["HandClock"]


@dataclass
class HandClock:
    """A clock that a test moves by hand."""

    wall: float = 1_700_000_000.25
    elapsed: float = 1000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.elapsed

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.elapsed += seconds

"""The tests' seam: what was asked of the server, and faults on demand.

This is the only way in which a test reaches into a running server. ``before_response`` is called in the
server's thread for each authenticated request, ``after_effect`` when it has been carried out and its answer
has not been sent; both must be quick and must not raise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it arrived."""

    method: str
    path: str
    query: str
    user_agent: str

    @property
    def is_write(self) -> bool:
        """True for the methods that may change something."""
        return self.method in {"POST", "PUT", "PATCH", "DELETE"}


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request and how it was answered; status 0 is a dropped connection."""

    method: str
    path: str
    query: str
    user_agent: str
    status: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of the answer.

    ``status`` is the HTTP status (0 drops the connection); ``after`` says that the request takes effect
    first, as when an answer is lost on its way. ``delay_seconds`` passes before either.
    """

    status: int = 0
    after: bool = False
    retry_after_seconds: int | None = None
    delay_seconds: float = 0.0


Hook = Callable[[SeenRequest], Fault | None]
Witness = Callable[[RequestRecord], None]


@dataclass(slots=True)
class Seam:
    """What a test may look at and set; the log holds the last 10,000 requests."""

    requests: deque[RequestRecord] = field(default_factory=lambda: deque(maxlen=10_000))
    before_response: Hook | None = None
    after_effect: Witness | None = None
    writes: int = 0
    """Writes that clients sent and the server carried out (dry runs are none)."""

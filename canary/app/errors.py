"""Errors of the world, named by what the loop does next."""

__all__ = ["ConflictError", "LeadershipLost", "NotFound", "Retryable", "TerminalError", "WorldError"]


class WorldError(Exception):
    """Something outside this process did not do as asked. ``str`` says what, where, and what was answered."""


class Retryable(WorldError):
    """Try again later, with back-off.

    ``retry_after_seconds`` is what the server asked for, when it did (429, 503 with Retry-After).
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ConflictError(WorldError):
    """The world changed since it was observed (409, or a failed ``test``): observe and decide again."""


class NotFound(WorldError):
    """What was asked for does not exist."""


class TerminalError(WorldError):
    """The world says no and will go on saying so until a person acts (403, 422, a webhook's denial).

    The release stays where it was; the words of the refusal are shown.
    """


class LeadershipLost(Exception):
    """Another replica may lead by now: nothing more may be written, and the process must end."""

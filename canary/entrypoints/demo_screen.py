"""What the demo shows while it runs: a live panel on a terminal, plain lines anywhere else."""

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from canary.entrypoints.live_view import LiveView, plain_line

__all__ = ["Screen", "screen_for"]

PLAIN_EVERY_SECONDS = 2.0


class Screen(Protocol):
    """Where the demo says what it does and shows how a release stands."""

    def say(self, message: str) -> None:
        """Say that something happened."""
        ...

    def show(self, view: LiveView) -> None:
        """Show how the release stands now."""
        ...

    def close(self) -> None:
        """Stop showing; what was said stays readable."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def screen_for(*, plain: bool) -> Screen:
    """Return a live screen when there is a terminal and nobody asked for plain lines."""
    return PlainScreen() if plain or not sys.stdout.isatty() else LiveScreen()


class PlainScreen:
    """One line each time that something changed, and every two seconds in between."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._shown_at = 0.0
        self._position: tuple[object, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, message: str) -> None:
        """Print the message with the seconds since the beginning."""
        print(f"{time.monotonic() - self._began:6.1f}s  {message}", flush=True)

    def show(self, view: LiveView) -> None:
        """Print the view when its position changed or two seconds have passed."""
        now = time.monotonic()
        position = (view.release, view.phase, view.stage, view.step)
        if position != self._position or now - self._shown_at >= PLAIN_EVERY_SECONDS:
            self._position, self._shown_at = position, now
            self.say(plain_line(view))

    def close(self) -> None:
        """Nothing to do: lines stay."""


class LiveScreen:
    """A panel that is drawn anew in place, with what happened above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console()
        self._position = ""
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def say(self, message: str) -> None:
        """Print the message above the panel."""
        self._console.print(f"{time.monotonic() - self._began:6.1f}s  {message}", highlight=False)

    def show(self, view: LiveView) -> None:
        """Draw the panel anew, and leave a line above it for each transition."""
        from canary.entrypoints.live_panel import live_panel

        stage = f" ({view.stage})" if view.stage is not None else ""
        position = f"{view.phase}{stage} {view.progress}"
        if position != self._position:
            self._position = position
            self.say(f"  {position}")
        self._live.update(live_panel(view))

    def close(self) -> None:
        """Remove the panel and leave the cursor where it belongs."""
        self._live.stop()

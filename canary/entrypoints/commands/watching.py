"""Following one release: a panel that is drawn anew on a terminal, a line per change anywhere else.

When the cluster cannot be asked, that is said, what was known stays on the screen, and its age grows.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from canary.app.errors import WorldError
from canary.entrypoints.commands.detail import Detail
from canary.entrypoints.live_panel import live_panel
from canary.entrypoints.live_view import LiveView, plain_line
from canary.entrypoints.rendering import last_known, printable

__all__ = ["follow_one"]

POLL_SECONDS: Final = 2.0

Sleep = Callable[[float], None]


def follow_one(read: Callable[[], Detail], sleep: Sleep, console: Console) -> None:
    """Show what ``read`` returns, again and again, until Ctrl-C. The first failure to read is raised."""
    detail = read()
    if console.is_terminal:
        _on_a_screen(console, detail, read, sleep)
    else:
        _in_lines(detail, read, sleep)


def _on_a_screen(console: Console, detail: Detail, read: Callable[[], Detail], sleep: Sleep) -> None:
    trouble = ""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            notes = [*detail.problems, *detail.requests, *([trouble] if trouble else [])]
            live.update(Group(_panel(detail), *(Text(printable(note)) for note in notes)), refresh=True)
            sleep(POLL_SECONDS)
            try:
                detail, trouble = read(), ""
            except WorldError as error:
                trouble = last_known(str(error))
                detail = _older(detail)


def _panel(detail: Detail) -> RenderableType:
    if detail.view is not None:
        return live_panel(detail.view)
    return Text(_line(detail))


def _older(detail: Detail) -> Detail:
    view = detail.view
    if view is None or view.measured_seconds_ago is None:
        return detail
    aged = replace(view, measured_seconds_ago=view.measured_seconds_ago + POLL_SECONDS, is_stale=True)
    return replace(detail, view=aged)


def _in_lines(detail: Detail, read: Callable[[], Detail], sleep: Sleep) -> None:
    shown: tuple[object, ...] = ()
    while True:
        position = _position(detail.view, detail)
        if position != shown:
            shown = position
            click.echo(_line(detail))
        sleep(POLL_SECONDS)
        try:
            detail = read()
        except WorldError as error:
            click.echo(f"canaryctl: {error}", err=True)


def _position(view: LiveView | None, detail: Detail) -> tuple[object, ...]:
    """What a line is printed for: not ages and countdowns, which change all the time."""
    if view is None:
        return (detail.row.phase, detail.row.message)
    counts = tuple((item.canary.counts, item.stable.counts) for item in view.objectives)
    checks = tuple((item.canary, item.taken, item.failed) for item in view.thresholds)
    place = (view.release, view.phase, view.stage, view.step, view.actual_weight)
    return (*place, view.evidence_percent, view.outcome, counts, checks, view.is_stale, detail.requests)


def _line(detail: Detail) -> str:
    if detail.view is not None:
        return plain_line(detail.view)
    row = detail.row
    return printable(f"{row.namespace}/{row.service} {row.phase} | {row.message}")

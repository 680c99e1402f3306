"""One service in detail: its release as a person follows it, what is wrong, what was asked, what happened."""

from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from canary.adapters.kube.wire import to_wire
from canary.app.errors import WorldError
from canary.app.ports import StoredRelease
from canary.entrypoints.cluster import Cluster, EventView
from canary.entrypoints.commands.finding import Subject
from canary.entrypoints.explain_view import requests_in_words
from canary.entrypoints.live_panel import live_body
from canary.entrypoints.live_view import LiveView, live_view
from canary.entrypoints.rendering import duration, printable, shortened, table
from canary.entrypoints.status_view import Row, status_rows

__all__ = ["Detail", "detail_document", "print_detail", "read_detail", "routes_percent"]

MOST_EVENTS: Final = 8
MOST_HISTORY: Final = 5
NARROWEST: Final = 100
"""Output that is no terminal has no width; lines are folded here."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything that ``canaryctl status NAME`` shows, as of ``now``."""

    row: Row
    view: LiveView | None
    problems: tuple[str, ...]
    requests: tuple[str, ...]
    events: tuple[EventView, ...]
    history: tuple[StoredRelease, ...]
    now: float


def read_detail(cluster: Cluster, subject: Subject) -> Detail:
    """Read what there is to show; what cannot be read of lesser things is reported as a problem."""
    now = cluster.clock.now()
    chosen = subject.chosen
    wishes = cluster.wishes([subject.service] if subject.service is not None else [])
    problems = [str(problem) for item in wishes.values() for problem in item.problems]
    if chosen is not None and subject.service is None and not chosen.release.phase.is_terminal:
        problems.append(f"service {subject.key} does not exist any more")
    view = None
    if chosen is not None:
        percent, trouble = routes_percent(cluster, chosen)
        problems += trouble
        view = live_view(chosen.release, percent, now)
    workloads = cluster.workloads(subject.key.namespace) if chosen is None else None
    rows = status_rows([chosen] if chosen is not None else [], wishes, now, workloads)
    if not rows:
        rows = (_opted_out(subject),)
    try:
        events = cluster.events(subject.key, MOST_EVENTS)
    except WorldError as error:
        events = ()
        problems.append(f"events could not be read: {error}")
    requests = requests_in_words(chosen.requests) if chosen is not None else ()
    return Detail(rows[0], view, tuple(problems), requests, events, subject.history, now)


def _opted_out(subject: Subject) -> Row:
    message = "canaryctl.dev/enabled is not true: nothing is done"
    return Row(subject.key.namespace, subject.key.name, "OptedOut", "OptedOut", message)


def routes_percent(cluster: Cluster, stored: StoredRelease) -> tuple[int | None, list[str]]:
    """Return the canary's weight as the routes have it, None when it cannot be told, and why."""
    release = stored.release
    if release.phase.is_terminal:
        return None, []
    try:
        routes = cluster.routes(release.key, release.plan)
    except WorldError as error:
        return None, [f"routes could not be read: {error}"]
    problems = [str(problem) for problem in routes.problems]
    return (routes.max_canary_percent if routes.routes else None), problems


def print_detail(detail: Detail) -> None:
    """Print to standard output: in colours on a terminal, unless NO_COLOR is set, and plainly elsewhere."""
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=NARROWEST, no_color=True)
    row, view = detail.row, detail.view
    name = f"  {view.release}  (revision {view.revision})" if view is not None else ""
    console.print(f"[bold]{row.namespace}/{row.service}[/bold]{name}")
    if view is None:
        console.print(printable(f"{row.phase}: {row.message}"), markup=False)
    else:
        console.print(live_body(view))
    for title, text in _sections(detail):
        console.print(f"\n[bold]{title}[/bold]")
        console.print(printable(text), markup=False, soft_wrap=True)


def _sections(detail: Detail) -> list[tuple[str, str]]:
    sections = [
        ("Problems", "\n".join(detail.problems)),
        ("Asked for", "\n".join(detail.requests)),
        ("Events", _events(detail)),
        ("Releases", _history(detail)),
    ]
    return [(title, text) for title, text in sections if text]


def _events(detail: Detail) -> str:
    rows = [
        (duration(detail.now - each.last_at), each.type, each.reason, shortened(each.message, NARROWEST))
        for each in detail.events
    ]
    return table(("AGE", "TYPE", "REASON", "MESSAGE"), rows) if rows else ""


def _history(detail: Detail) -> str:
    rows = [
        (
            item.release.name,
            item.release.phase.value,
            item.release.reason.value,
            duration(detail.now - item.release.created_at),
        )
        for item in reversed(detail.history[-MOST_HISTORY:])
    ]
    return table(("RELEASE", "PHASE", "REASON", "AGE"), rows) if rows else ""


def detail_document(detail: Detail) -> Json:
    """Return the detail for scripts; times are RFC 3339, shares fractions unless named percent."""
    document: Json = to_wire(detail.row)
    if detail.view is not None:
        document["live"] = to_wire(detail.view)
    document["problems"] = list(detail.problems)
    document["requests"] = list(detail.requests)
    document["events"] = [to_wire(each) for each in detail.events]
    document["history"] = [
        {
            "release": item.release.name,
            "phase": item.release.phase.value,
            "reason": item.release.reason.value,
            "message": item.release.message,
        }
        for item in reversed(detail.history)
    ]
    return document

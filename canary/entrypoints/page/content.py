"""What the page shows, made of a survey and of what the watches know. Pure.

Services with a release under way come first, then those in trouble, then the others; each part by namespace
and name, so that lines stay where they are while a person reads.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from canary.adapters.kube.release_survey import ReleasesOfService, Survey
from canary.adapters.kube.wire import format_time, to_wire
from canary.app.ports import StoredRelease
from canary.domain.plan import ServiceKey
from canary.domain.release import Phase
from canary.entrypoints.live_view import LiveView, last_verdict, live_view
from canary.entrypoints.status_view import Row, Wishes, status_rows

__all__ = [
    "Line",
    "Overview",
    "Part",
    "ServicePage",
    "lines_of",
    "overview",
    "overview_document",
    "service_page",
]

UNREADABLE: Final = "Unreadable"
UNDER_WAY: Final = frozenset(phase.value for phase in Phase if not phase.is_terminal)
TROUBLE: Final = frozenset({Phase.ROLLED_BACK.value, "Invalid", UNREADABLE})

Json = dict[str, Any]


class Part(StrEnum):
    """The parts of the list, in their order."""

    UNDER_WAY = "under way"
    TROUBLE = "in trouble"
    OTHERS = "others"


@dataclass(frozen=True, slots=True)
class Line:
    """One service in the list."""

    part: Part
    row: Row
    last_verdict: str
    """The newest verdict's sentence, where the row's message says something else; or empty."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that was known ``as_of`` a moment, Unix seconds."""

    as_of: float
    lines: tuple[Line, ...]
    left_out: int
    """How many services with releases are not among them."""
    unseen: tuple[str, ...]
    """Why releases of a namespace are not among them, a sentence each."""
    releases: Mapping[ServiceKey, ReleasesOfService]
    wishes: Mapping[ServiceKey, Wishes]


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One service in detail."""

    line: Line
    stored: StoredRelease | None
    view: LiveView | None
    problems: tuple[str, ...]
    """What is wrong with its annotations."""
    releases: ReleasesOfService | None


def overview(
    survey: Survey,
    wishes: Mapping[ServiceKey, Wishes],
    workloads: Collection[tuple[str, str]] | None,
    as_of: float,
) -> Overview:
    """Put the list together; ``wishes`` and ``workloads`` as for ``status_rows``."""
    by_key = {item.key: item for item in survey.services}
    unreadable = {key: item.problem for key, item in by_key.items() if item.newest is None}
    newest = [item.newest for item in survey.services if item.newest is not None]
    readable = {key: wished for key, wished in wishes.items() if key not in unreadable}
    rows = list(status_rows(newest, readable, as_of, workloads))
    rows += [
        Row(key.namespace, key.name, UNREADABLE, UNREADABLE, problem) for key, problem in unreadable.items()
    ]
    lines = [_line(row, by_key.get(ServiceKey(row.namespace, row.service)), as_of) for row in rows]
    order = list(Part)
    lines.sort(key=lambda line: (order.index(line.part), line.row.namespace, line.row.service))
    return Overview(as_of, tuple(lines), survey.left_out, survey.unseen, by_key, wishes)


def _line(row: Row, releases: ReleasesOfService | None, as_of: float) -> Line:
    stored = releases.newest if releases is not None else None
    verdict = ""
    if stored is not None:
        verdict = last_verdict(stored.release, live_view(stored.release, None, as_of))
    return Line(_part_of(row), row, verdict)


def _part_of(row: Row) -> Part:
    if row.phase in UNDER_WAY:
        return Part.UNDER_WAY
    return Part.TROUBLE if row.phase in TROUBLE else Part.OTHERS


def lines_of(known: Overview, namespace: str | None) -> tuple[Line, ...]:
    """Return the lines of one namespace, or of all of them."""
    return tuple(line for line in known.lines if namespace in {None, line.row.namespace})


def service_page(known: Overview, key: ServiceKey) -> ServicePage | None:
    """Return what is known of one service; None when it is not in the list."""
    line = next((each for each in lines_of(known, key.namespace) if each.row.service == key.name), None)
    if line is None:
        return None
    releases = known.releases.get(key)
    stored = releases.newest if releases is not None else None
    return ServicePage(
        line=line,
        stored=stored,
        view=live_view(stored.release, None, known.as_of) if stored is not None else None,
        problems=tuple(str(problem) for problem in known.wishes.get(key, Wishes()).problems),
        releases=releases,
    )


def overview_document(known: Overview, lines: Iterable[Line], trouble: str | None) -> Json:
    """Return lines for scripts: rows as in ``canaryctl status -o json``, and how old they are."""
    items = [
        to_wire(line.row) | {"part": line.part.value, "lastVerdict": line.last_verdict} for line in lines
    ]
    return {
        "asOf": format_time(known.as_of),
        "trouble": trouble or "",
        "unseen": list(known.unseen),
        "items": items,
    }

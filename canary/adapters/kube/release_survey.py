"""All services that have releases, looked at again and again at little cost, to be shown.

A look lists page by page and keeps no page. Of each service the newest release is decoded whole, and only
when it has changed since the look before; of the others a line is kept. What cannot be read spoils nothing
but the picture of its own service.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from canary.adapters.kube.objects import Metadata, path_of
from canary.adapters.kube.release_codec import API_VERSION, PLURAL, decode_release
from canary.adapters.kube.transport import Transport, decode
from canary.adapters.kube.wire import parse_time
from canary.app.errors import TerminalError, WorldError
from canary.app.ports import StoredRelease
from canary.domain.plan import ServiceKey
from canary.domain.release import Phase

__all__ = ["MOST_HISTORY", "PastRelease", "ReleaseSurvey", "ReleasesOfService", "Survey"]

MOST_SERVICES: Final = 2000
"""A release takes a millisecond to decode and ten kilobytes to keep."""
MOST_HISTORY: Final = 10
FINISHED: Final = frozenset(phase.value for phase in Phase if phase.is_terminal)


@dataclass(frozen=True, slots=True, order=True)
class PastRelease:
    """What a list of releases says of one; they are ordered by age."""

    created_at: float
    name: str
    revision: str
    phase: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReleasesOfService:
    """One service with its releases."""

    key: ServiceKey
    newest: StoredRelease | None
    """The release under way, or the latest; None when that one cannot be read."""
    problem: str
    """Why it cannot be read; empty when it can."""
    history: tuple[PastRelease, ...]
    """All of them, newest first; at most ``MOST_HISTORY``."""
    count: int
    """How many there are."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look saw: services with releases under way come first, each part by namespace and name."""

    services: tuple[ReleasesOfService, ...]
    left_out: int
    """How many more services there are than a survey keeps."""
    unseen: tuple[str, ...] = ()
    """Why nothing is known of a namespace, a sentence for each that could not be read while others could."""


class _Spec(msgspec.Struct, rename="camel"):
    service: str = ""
    revision: str = ""
    created_at: str = ""


class _Status(msgspec.Struct):
    phase: str = Phase.PENDING.value
    reason: str = ""


class _Object(msgspec.Struct):
    metadata: Metadata
    spec: _Spec
    status: _Status | None = None


@dataclass(slots=True)
class _Found:
    """What has been seen of one service so far."""

    history: list[PastRelease] = field(default_factory=list)
    count: int = 0
    newest: tuple[bool, PastRelease] | None = None
    uid: str = ""
    version: str = ""
    body: bytes | None = None
    """Of the newest release, unless it is known already."""


class ReleaseSurvey:
    """Looks at the releases of ``namespaces``, or of all when none are given. For one thread at a time."""

    def __init__(self, transport: Transport, namespaces: Sequence[str] = ()) -> None:
        self._transport = transport
        self._namespaces = namespaces or ("",)
        self._known: dict[str, StoredRelease] = {}
        """By uid: what the last look decoded."""

    def look(self) -> Survey:
        """Look once, live; raises ``WorldError`` when no namespace can be read."""
        found: dict[ServiceKey, _Found] = {}
        refusals: list[WorldError] = []
        for namespace in self._namespaces:
            try:
                found |= self._found_in(namespace)
            except WorldError as refused:
                # One namespace whose permissions lack must not hide the others.
                refusals.append(refused)
        if len(refusals) == len(self._namespaces):
            raise refusals[0]
        keys = sorted(found, key=lambda key: (not _is_under_way(found[key]), key))
        services = tuple(self._service(key, found[key]) for key in keys[:MOST_SERVICES])
        self._known = {item.newest.uid: item.newest for item in services if item.newest is not None}
        return Survey(services, len(keys) - len(services), tuple(map(str, refusals)))

    def _found_in(self, namespace: str) -> dict[ServiceKey, _Found]:
        found: dict[ServiceKey, _Found] = {}
        for items, _ in self._transport.pages(path_of(API_VERSION, namespace, PLURAL)):
            for item in items:
                self._take(item, found)
        return found

    def _take(self, item: msgspec.Raw, found: dict[ServiceKey, _Found]) -> None:
        seen = decode(item, _Object, "Release")
        status, metadata = seen.status or _Status(), seen.metadata
        release = PastRelease(
            created_at=_moment(seen.spec.created_at),
            name=metadata.name,
            revision=seen.spec.revision,
            phase=status.phase,
            reason=status.reason,
        )
        service = found.setdefault(ServiceKey(metadata.namespace, seen.spec.service), _Found())
        service.count += 1
        heapq.heappush(service.history, release)
        if len(service.history) > MOST_HISTORY:
            heapq.heappop(service.history)
        rank = (release.phase not in FINISHED, release)
        if service.newest is None or rank > service.newest:
            service.newest, service.uid, service.version = rank, metadata.uid, metadata.resource_version
            service.body = bytes(item) if self._known_still(service) is None else None

    def _service(self, key: ServiceKey, found: _Found) -> ReleasesOfService:
        newest, problem = self._known_still(found), ""
        if found.body is not None:
            try:
                newest = decode_release(decode(found.body, dict[str, Any], "Release"))
            except TerminalError as error:
                problem = str(error)
        history = tuple(sorted(found.history, reverse=True))
        return ReleasesOfService(key, newest, problem, history, found.count)

    def _known_still(self, found: _Found) -> StoredRelease | None:
        known = self._known.get(found.uid)
        return known if known is not None and known.version == found.version else None


def _is_under_way(found: _Found) -> bool:
    return found.newest is not None and found.newest[0]


def _moment(text: str) -> float:
    """A time that cannot be read counts as the oldest: decoding says what is wrong with it."""
    try:
        return parse_time(text)
    except ValueError:
        return 0.0

"""Kubernetes Events on the Service: best effort, off the caller's path, repeats counted instead of repeated.

``announce`` only puts into a bounded queue; one background thread writes. When the API server is slow the
oldest waiting announcement is dropped, and counted in ``dropped``. Nothing here ever raises to the caller.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from canary.adapters.kube.bounded import BoundedMap
from canary.adapters.kube.objects import path_of
from canary.adapters.kube.release_codec import API_VERSION, KIND
from canary.adapters.kube.transport import MERGE_PATCH, Transport
from canary.adapters.kube.wire import format_time
from canary.app.errors import NotFound, WorldError
from canary.app.ports import Announcement, Clock
from canary.domain.plan import ServiceKey
from canary.domain.release import Release

__all__ = ["KubeEvents"]

QUEUE_SIZE = 1000
REMEMBERED = 2000
REPEAT_SECONDS = 600.0
LONGEST_MESSAGE = 1024
"""The API server refuses longer ones."""
COMPONENT = "canary"

Json = dict[str, Any]
_Identity = tuple[ServiceKey, str, str, str]


@dataclass(frozen=True, slots=True)
class _Item:
    key: ServiceKey
    release: str | None
    announcement: Announcement
    at: float

    @property
    def identity(self) -> _Identity:
        return self.key, self.release or "", self.announcement.reason, self.announcement.message


@dataclass(frozen=True, slots=True)
class _Told:
    name: str
    count: int
    at: float


class KubeEvents:
    """Implements ``Announcer``.

    ``uid_of`` finds a Service's uid, by which ``kubectl describe`` finds its Events; ``instance`` names
    this replica. Call ``start`` once, and ``stop`` to write what is queued and end.
    """

    def __init__(
        self, transport: Transport, clock: Clock, uid_of: Callable[[ServiceKey], str | None], instance: str
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._uid_of = uid_of
        self._instance = instance
        self._queue: queue.Queue[_Item | None] = queue.Queue(QUEUE_SIZE)
        self._told: BoundedMap[_Identity, _Told] = BoundedMap(REMEMBERED)
        self._written = 0
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self.dropped = 0
        """Announcements that never became an Event, since the start."""

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Write what is queued, as far as the time allows, and end."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(timeout_seconds)

    def announce(self, key: ServiceKey, release: Release | None, announcement: Announcement) -> None:
        """Queue an Event; when too many wait, the oldest is dropped."""
        item = _Item(key, release.name if release is not None else None, announcement, self._clock.now())
        while True:
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                self._drop_oldest()
            else:
                return

    def _drop_oldest(self) -> None:
        try:
            self._queue.get_nowait()
        except queue.Empty:
            return
        self.dropped += 1

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(item)
            except WorldError:
                self.dropped += 1

    def _write(self, item: _Item) -> None:
        told = self._told.get(item.identity)
        if told is not None and item.at - told.at <= REPEAT_SECONDS and self._repeat(item, told):
            return
        self._written += 1
        name = f"{item.key.name[:200]}.{int(item.at * 1e6):x}{self._written:x}"
        self._transport.request(
            "POST", path_of("v1", item.key.namespace, "events"), body=self._event(item, name)
        )
        self._told.put(item.identity, _Told(name, 1, item.at))

    def _repeat(self, item: _Item, told: _Told) -> bool:
        """Count the Event once more; False when the server has forgotten it."""
        path = path_of("v1", item.key.namespace, "events", told.name)
        body = {"count": told.count + 1, "lastTimestamp": _seconds(item.at)}
        try:
            self._transport.request("PATCH", path, body=body, content_type=MERGE_PATCH)
        except NotFound:
            return False
        self._told.put(item.identity, _Told(told.name, told.count + 1, item.at))
        return True

    def _event(self, item: _Item, name: str) -> Json:
        namespace = item.key.namespace
        service = {"apiVersion": "v1", "kind": "Service", "namespace": namespace, "name": item.key.name}
        uid = self._uid_of(item.key)
        event: Json = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": namespace, "name": name},
            "involvedObject": service | ({"uid": uid} if uid else {}),
            "reason": item.announcement.reason,
            "message": item.announcement.message[:LONGEST_MESSAGE],
            "type": "Warning" if item.announcement.warning else "Normal",
            "firstTimestamp": _seconds(item.at),
            "lastTimestamp": _seconds(item.at),
            "count": 1,
            "source": {"component": COMPONENT},
            "reportingComponent": f"canaryctl.dev/{COMPONENT}",
            "reportingInstance": self._instance,
        }
        if item.release is not None:
            related = {"apiVersion": API_VERSION, "kind": KIND, "namespace": namespace, "name": item.release}
            event["related"] = related
        return event


def _seconds(at: float) -> str:
    return format_time(float(int(at))).replace(".000Z", "Z")

"""List and watch: a cache of small values that follows a collection, and a callback for each change.

What it promises: after ``wait_synced`` the cache holds every object that ``decode`` wants; each later change,
a deletion missed while disconnected included, is reported once it is known; a stream that ends, stalls or
expires is taken up again from the last version, or by listing again; failures are retried with back-off
and jitter for ever, and ``age_seconds`` says since when nothing has been heard.

Callbacks run in the watch's thread: they must be quick and must not raise.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from canary.adapters.kube.objects import MetadataOnly
from canary.adapters.kube.transport import METADATA_LIST, METADATA_ONE, Expired, Stream, Transport, decode
from canary.app.errors import NotFound, Retryable, WorldError
from canary.app.ports import Clock

__all__ = ["Collection", "ObjectWatch"]

V = TypeVar("V")
Name = tuple[str, str]

QUIET_SECONDS = 75.0
"""Bookmarks come about once a minute; a stream without a word for longer is dead."""
MIN_WATCH_SECONDS = 240
SPREAD_WATCH_SECONDS = 60
BASE_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0
SHORT_STREAM_SECONDS = 1.0


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Failure(msgspec.Struct):
    code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Collection(Generic[V]):
    """What to watch: a path, how to make the cached value, and whom to tell.

    ``decode`` returns None for objects that are not to be kept. ``on_change`` is called with an object's
    namespace and name and its last known value whenever that value appears, differs or goes.
    """

    path: str
    decode: Callable[[msgspec.Raw], V | None]
    on_change: Callable[[Name, V], None]
    query: Mapping[str, str]
    metadata_only: bool
    may_be_unknown: bool = False
    """The cluster need not know the resource: it is empty then."""


class ObjectWatch(Generic[V]):
    """Follows one collection in a thread of its own. ``random`` returns a number in [0, 1)."""

    def __init__(
        self, transport: Transport, collection: Collection[V], clock: Clock, random: Callable[[], float]
    ) -> None:
        self._transport = transport
        self._collection = collection
        self._clock = clock
        self._random = random
        self._objects: dict[Name, V] = {}
        self._synced = threading.Event()
        self._stopping = threading.Event()
        self._stream: Stream | None = None
        self._failures = 0
        self._heard_at = clock.monotonic()
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"watch {collection.path}", daemon=True)

    @property
    def name(self) -> str:
        """The path that is watched, for metrics and messages."""
        return self._collection.path

    @property
    def failure(self) -> str | None:
        """Why the latest attempt failed; None while it is connected."""
        return self._failure

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; what was cached stays readable."""
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread to end; False when it has not in time."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def wait_synced(self, timeout_seconds: float) -> bool:
        """Wait until the first list has arrived; False when it did not in time."""
        return self._synced.wait(timeout_seconds)

    def age_seconds(self) -> float:
        """Seconds since the server was last heard."""
        return self._clock.monotonic() - self._heard_at

    def get(self, namespace: str, name: str) -> V | None:
        """The cached value; None when there is none."""
        return self._objects.get((namespace, name))

    def all(self) -> dict[Name, V]:
        """Everything that is cached at this moment, by namespace and name."""
        return self._objects.copy()

    def _run(self) -> None:
        version: str | None = None
        while not self._stopping.is_set():
            try:
                if version is None:
                    version = self._list()
                version = self._watch(version)
            except Expired as expired:
                version = None
                self._back_off(expired)
            except NotFound as error:
                if not self._collection.may_be_unknown:
                    self._back_off(error)
                    continue
                version = None
                self._replace([])
                self._heard()
                self._stopping.wait(MAX_BACKOFF_SECONDS * (0.5 + self._random() / 2))
            except WorldError as error:
                self._back_off(error)
            except Exception as defect:
                # A watch that ended silently would leave the controller with a frozen view: begin anew.
                logging.getLogger(__name__).exception("defect in the watch of %s", self.name)
                version = None
                self._back_off(defect)

    def _back_off(self, error: Exception) -> None:
        self._failure = str(error)
        self._failures += 1
        # Ever more rarely, lest a long outage fill the log; to begin anew now and then is no failure.
        if self._failures & (self._failures - 1) == 0 and not isinstance(error, Expired):
            logging.getLogger(__name__).warning(
                "%s is not followed (attempt %d): %s", self.name, self._failures, self._failure
            )
        ceiling = min(MAX_BACKOFF_SECONDS, BASE_BACKOFF_SECONDS * 2.0 ** min(self._failures - 1, 10))
        asked = error.retry_after_seconds if isinstance(error, Retryable) else None
        self._stopping.wait(max(ceiling * (0.5 + self._random() / 2), asked or 0.0))

    def _list(self) -> str:
        items, version = self._transport.list_raw(
            self._collection.path,
            self._collection.query,
            accept=METADATA_LIST if self._collection.metadata_only else "application/json",
        )
        self._heard()
        self._replace(items)
        return version

    def _replace(self, items: Iterable[msgspec.Raw]) -> None:
        """Take ``items`` for all that there is."""
        missing = set(self._objects)
        for item in items:
            name, _ = self._identity(item)
            missing.discard(name)
            self._store(name, self._collection.decode(item))
        for name in missing:
            self._store(name, None)
        self._synced.set()

    def _watch(self, version: str) -> str:
        """Follow the stream and return the version to resume from."""
        began = self._clock.monotonic()
        seconds = MIN_WATCH_SECONDS + int(self._random() * SPREAD_WATCH_SECONDS)
        query = {
            **self._collection.query,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        accept = METADATA_ONE if self._collection.metadata_only else "application/json"
        stream = self._transport.stream(
            self._collection.path, query, accept=accept, quiet_seconds=QUIET_SECONDS
        )
        self._stream = stream
        if self._stopping.is_set():
            stream.close()
        self._heard()
        heard_anything = False
        for line in stream:
            if self._stopping.is_set():
                stream.close()
                break
            version = self._take(line)
            heard_anything = True
            self._heard()
            self._failures = 0
        if not heard_anything and self._clock.monotonic() - began < SHORT_STREAM_SECONDS:
            raise Retryable(f"GET {self._collection.path}: the watch ended at once")
        return version

    def _take(self, line: bytes) -> str:
        """Take one event in and return its version."""
        event = decode(line, _Event, f"watch {self._collection.path}")
        if event.type == "ERROR":
            failure = decode(event.object, _Failure, "watch")
            words = f"watch {self._collection.path}: {failure.code} {failure.message}"
            raise Expired(words) if failure.code == 410 else Retryable(words)
        name, version = self._identity(event.object)
        if event.type == "DELETED":
            self._store(name, None)
        elif event.type != "BOOKMARK":
            self._store(name, self._collection.decode(event.object))
        return version

    def _identity(self, item: msgspec.Raw) -> tuple[Name, str]:
        metadata = decode(item, MetadataOnly, f"GET {self._collection.path}").metadata
        return (metadata.namespace, metadata.name), metadata.resource_version

    def _store(self, name: Name, value: V | None) -> None:
        before = self._objects.get(name)
        if value is None:
            if self._objects.pop(name, None) is not None and before is not None:
                self._collection.on_change(name, before)
        elif value != before:
            self._objects[name] = value
            self._collection.on_change(name, value)

    def _heard(self) -> None:
        self._heard_at = self._clock.monotonic()
        self._failure = None

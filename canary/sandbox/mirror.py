"""A copy of one API resource as plain objects, kept by the controller's own list and watch."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from canary.adapters.kube.transport import Transport
from canary.adapters.kube.watch import Collection, ObjectWatch

Json = dict[str, Any]


class SystemClock:
    """The time of this machine."""

    def now(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class Mirror:
    """All objects of one resource; a thread keeps them and calls `on_change` after each change."""

    def __init__(self, transport: Transport, path: str, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._objects: dict[tuple[str, str], Json] = {}
        self._lock = threading.Lock()
        collection = Collection(path, _decoded, self._take, query={}, metadata_only=False)
        self._watch = ObjectWatch(transport, collection, SystemClock(), random.random)

    def start(self) -> None:
        """Begin to list and watch."""
        self._watch.start()

    def stop(self) -> None:
        """End soon; what was seen stays readable."""
        self._watch.stop()

    def wait_synced(self, timeout_seconds: float) -> bool:
        """Whether the first list has arrived; waits for it that long."""
        return self._watch.wait_synced(timeout_seconds)

    def objects(self) -> tuple[Json, ...]:
        """The objects as last seen."""
        with self._lock:
            return tuple(self._objects.values())

    def _take(self, name: tuple[str, str], _: Json) -> None:
        current = self._watch.get(*name)
        with self._lock:
            if current is None:
                self._objects.pop(name, None)
            else:
                self._objects[name] = current
        self._on_change()


def _decoded(item: msgspec.Raw) -> Json | None:
    result: Json = msgspec.json.decode(item)
    return result

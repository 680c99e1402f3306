"""The store: every object in memory, one global version, and a bounded history of changes.

Promises: versions grow by exactly one with each change; objects handed in or out are never mutated
afterwards (writers copy); a reader that follows the history sees each change once, in order, or learns that
it is too late. All access is from one event loop; nothing here waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from canary.sandbox.apiserver.objects import Json, name_of, namespace_of, uid_of

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class HistoryGone(Exception):
    """The changes since this version are no longer (or not yet) in the history."""


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the global version; ``previous`` is what was there before (None for ADDED)."""

    type: ChangeType
    resource: str
    version: int
    object: Json
    previous: Json | None


class Store:
    """Objects by resource (``plural.group``), namespace ("" when cluster-scoped) and name."""

    def __init__(self, history: int = 5000) -> None:
        self._objects: dict[str, dict[str, dict[str, Json]]] = {}
        self._uids: set[str] = set()
        self._history: deque[Change] = deque(maxlen=history)
        # Not from zero: "0" has a meaning of its own in the API.
        self._version = 1
        self._wakers: set[asyncio.Event] = set()

    @property
    def version(self) -> int:
        """The version of the last change."""
        return self._version

    @property
    def oldest(self) -> int:
        """The oldest version from which the history is complete."""
        return self._version - len(self._history)

    def has_uid(self, uid: str) -> bool:
        """Tell whether an object with this uid exists."""
        return uid in self._uids

    def get(self, resource: str, namespace: str, name: str) -> Json | None:
        """Return the object, or None."""
        return self._objects.get(resource, {}).get(namespace, {}).get(name)

    def items(self, resource: str, namespace: str | None = None) -> list[Json]:
        """Return the objects of one namespace or (None) of all, ordered by namespace and name."""
        spaces = self._objects.get(resource, {})
        names = sorted(spaces) if namespace is None else [namespace]
        return [
            obj
            for space in names
            for _, obj in sorted(spaces.get(space, {}).items(), key=lambda item: item[0])
        ]

    def snapshot(self, resource: str, namespace: str | None, version: int) -> list[Json]:
        """Return what ``items`` returned when the store was at ``version``; raises ``HistoryGone``."""
        if version == self._version:
            return self.items(resource, namespace)
        found: dict[tuple[str, str], Json] = {
            (namespace_of(obj), name_of(obj)): obj for obj in self.items(resource, namespace)
        }
        for change in reversed(self.changes_since(version)):
            space = namespace_of(change.object)
            if change.resource != resource or (namespace is not None and space != namespace):
                continue
            key = (space, name_of(change.object))
            if change.previous is None:
                found.pop(key, None)
            else:
                found[key] = change.previous
        return [found[key] for key in sorted(found)]

    def put(self, resource: str, obj: Json) -> Json:
        """Add or replace an object; returns it with its new ``resourceVersion``."""
        namespace, name = namespace_of(obj), name_of(obj)
        previous = self.get(resource, namespace, name)
        stored = self._stamped(obj)
        self._objects.setdefault(resource, {}).setdefault(namespace, {})[name] = stored
        self._uids.add(uid_of(stored))
        self._record("ADDED" if previous is None else "MODIFIED", resource, stored, previous)
        return stored

    def remove(self, resource: str, obj: Json) -> Json:
        """Remove an object; returns its last state with the version of the deletion."""
        namespace, name = namespace_of(obj), name_of(obj)
        previous = self._objects[resource][namespace].pop(name)
        if not self._objects[resource][namespace]:
            del self._objects[resource][namespace]
        self._uids.discard(uid_of(previous))
        last = self._stamped(obj)
        self._record("DELETED", resource, last, previous)
        return last

    def changes_since(self, version: int) -> list[Change]:
        """Return the changes after ``version``, oldest first; raises ``HistoryGone``."""
        behind = self._version - version
        if behind < 0 or behind > len(self._history):
            raise HistoryGone(f"{version} is not within {self.oldest} and {self._version}")
        # From the right: a follower is nearly always close to the end.
        return list(islice(reversed(self._history), behind))[::-1]

    def compact(self) -> None:
        """Forget the history, as etcd does now and then: versions before now are too old from here on."""
        self._history.clear()

    @contextmanager
    def waker(self) -> Iterator[asyncio.Event]:
        """Give an event that is set with every change while the context lasts; the reader clears it."""
        event = asyncio.Event()
        self._wakers.add(event)
        try:
            yield event
        finally:
            self._wakers.discard(event)

    def wake(self) -> None:
        """Wake every reader without a change."""
        for event in self._wakers:
            event.set()

    def _stamped(self, obj: Json) -> Json:
        self._version += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}

    def _record(self, kind: ChangeType, resource: str, obj: Json, previous: Json | None) -> None:
        self._history.append(Change(kind, resource, self._version, obj, previous))
        self.wake()

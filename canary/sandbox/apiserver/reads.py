"""Lists in consistent pages, and watches that follow the store's history."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from canary.sandbox.apiserver.api import Api
from canary.sandbox.apiserver.errors import (
    Cause,
    bad_request,
    expired,
    invalid,
    version_too_large,
)
from canary.sandbox.apiserver.objects import Json, name_of, namespace_of
from canary.sandbox.apiserver.representations import View
from canary.sandbox.apiserver.selectors import Selector, parse_selector
from canary.sandbox.apiserver.store import Change, HistoryGone
from canary.sandbox.apiserver.writes import Target

MAX_WATCH_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The parameters of a list or watch."""

    selector: Selector
    limit: int = 0
    continue_token: str = ""
    version: str = ""
    match: str = ""
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout_seconds: float = MAX_WATCH_SECONDS

    @classmethod
    def parse(cls, target: Target, query: Mapping[str, str]) -> ReadOptions:
        """Read the query; raises 400. A name in the path of a watch selects that object."""
        custom = target.resource.custom.get(target.version)
        fields = query.get("fieldSelector", "")
        if target.name:
            fields = ",".join(filter(None, (fields, f"metadata.name={target.name}")))
        selectable = custom.selectable if custom else None
        selector = parse_selector(target.resource.key, selectable, query.get("labelSelector", ""), fields)
        initial = query.get("sendInitialEvents")
        seconds = _integer(query, "timeoutSeconds")
        return cls(
            selector=selector,
            limit=_integer(query, "limit"),
            continue_token=query.get("continue", ""),
            version=query.get("resourceVersion", ""),
            match=query.get("resourceVersionMatch", ""),
            bookmarks=query.get("allowWatchBookmarks") in {"true", "1"},
            initial_events=None if initial is None else initial in {"true", "1"},
            timeout_seconds=min(float(seconds), MAX_WATCH_SECONDS) if seconds > 0 else MAX_WATCH_SECONDS,
        )


def _integer(query: Mapping[str, str], name: str) -> int:
    try:
        return int(query.get(name) or 0)
    except ValueError as exc:
        raise bad_request(f"{name} must be an integer, found {query[name]!r}") from exc


def list_page(api: Api, target: Target, options: ReadOptions) -> tuple[list[Json], Json]:
    """Return the objects of one page and the list's metadata; raises 400, 410 and 504."""
    store = api.store
    version, after = store.version, None
    if options.continue_token:
        version, after = _decode(options.continue_token)
    elif options.version not in {"", "0"}:
        asked = parse_version(options.version)
        if asked > store.version:
            raise version_too_large(asked, store.version)
        version = asked if options.match == "Exact" else store.version
    namespace = target.namespace or None if target.resource.namespaced else ""
    try:
        objects = store.snapshot(target.resource.key, namespace, version)
    except HistoryGone as exc:
        message = "The provided continue parameter is too old to display a consistent list result."
        fresh = _encode(store.version, after) if after else ""
        raise expired(message, fresh) from exc
    found = [obj for obj in objects if options.selector.matches(obj)]
    if after is not None:
        found = [obj for obj in found if _place(obj) > after]
    metadata: Json = {"resourceVersion": str(version)}
    if options.limit and len(found) > options.limit:
        rest = len(found) - options.limit
        found = found[: options.limit]
        metadata["continue"] = _encode(version, _place(found[-1]))
        if options.selector.is_empty:
            metadata["remainingItemCount"] = rest
    return found, metadata


def parse_version(text: str) -> int:
    """Read a resourceVersion; raises 400."""
    if not text.isdigit():
        raise bad_request(f'resourceVersion: Invalid value: "{text}": must be an unsigned integer')
    return int(text)


def _place(obj: Json) -> tuple[str, str]:
    return namespace_of(obj), name_of(obj)


def _encode(version: int, after: tuple[str, str]) -> str:
    raw = msgspec.json.encode({"v": "meta.k8s.io/v1", "rv": version, "start": list(after)})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(token: str) -> tuple[int, tuple[str, str]]:
    try:
        raw = msgspec.json.decode(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, name = raw["start"]
        return int(raw["rv"]), (str(namespace), str(name))
    except (binascii.Error, ValueError, TypeError, KeyError) as exc:
        raise bad_request("continue key is not valid: it is none that this server has given out") from exc


class Watch:
    """One watch: first what exists (when asked for), then every change, in order, until time is up."""

    def __init__(self, api: Api, view: View, options: ReadOptions, bookmark_seconds: float) -> None:
        self._api = api
        self._view = view
        self._options = options
        self._bookmark_seconds = bookmark_seconds
        self._cursor, self._initial = self._start()

    async def frames(self, stopping: asyncio.Event) -> AsyncIterator[bytes]:
        """Yield the stream's lines; ends at the timeout, when the server stops, or after an ERROR event."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._options.timeout_seconds
        yield self._initial_frames()
        with self._api.store.waker() as waker:
            while not stopping.is_set():
                waker.clear()
                try:
                    changes = self._api.store.changes_since(self._cursor)
                except HistoryGone:
                    yield _frame("ERROR", expired(f"too old resource version: {self._cursor}").status())
                    return
                self._cursor = self._api.store.version
                if frames := b"".join(filter(None, map(self._change, changes))):
                    yield frames
                left = deadline - loop.time()
                try:
                    await asyncio.wait_for(waker.wait(), max(0.0, min(left, self._bookmark_seconds)))
                except TimeoutError:
                    if self._options.bookmarks:
                        yield self._bookmark(initial_end=False)
                    if left <= self._bookmark_seconds:
                        return

    def _start(self) -> tuple[int, list[Json]]:
        """Decide where to start, and with which objects; raises 400, 410 and 422."""
        store, options, target = self._api.store, self._options, self._view.target
        _check_initial_events(target, options)
        asked = parse_version(options.version) if options.version else 0
        wants_all = options.initial_events if options.initial_events is not None else asked == 0
        if wants_all:
            if asked > store.version:
                raise version_too_large(asked, store.version)
            namespace = target.namespace or None if target.resource.namespaced else ""
            objects = store.items(target.resource.key, namespace)
            return store.version, [obj for obj in objects if options.selector.matches(obj)]
        cursor = asked or store.version
        # A version from the future is from another life of this server: its client must list again.
        if cursor < store.oldest or cursor > store.version:
            raise expired(f"too old resource version: {cursor} ({store.oldest})")
        return cursor, []

    def _initial_frames(self) -> bytes:
        frames = [_frame("ADDED", self._view.one(obj)) for obj in self._initial]
        self._initial = []
        if self._options.initial_events and self._options.bookmarks:
            frames.append(self._bookmark(initial_end=True))
        return b"".join(frames)

    def _bookmark(self, *, initial_end: bool) -> bytes:
        return _frame("BOOKMARK", self._view.bookmark(self._cursor, initial_end=initial_end))

    def _change(self, change: Change) -> bytes | None:
        """Return the event that this watcher sees of a change: its selector decides what exists for it."""
        target = self._view.target
        if change.resource != target.resource.key:
            return None
        if target.namespace and namespace_of(change.object) != target.namespace:
            return None
        matches = self._options.selector.matches
        before = change.previous is not None and matches(change.previous)
        after = change.type != "DELETED" and matches(change.object)
        if after:
            return _frame("MODIFIED" if before else "ADDED", self._view.one(change.object))
        if not before:
            return None
        gone = change.object
        if change.type == "MODIFIED" and change.previous is not None:
            version = change.object["metadata"]["resourceVersion"]
            gone = {
                **change.previous,
                "metadata": {**change.previous["metadata"], "resourceVersion": version},
            }
        return _frame("DELETED", self._view.one(gone))


def _check_initial_events(target: Target, options: ReadOptions) -> None:
    if options.initial_events is None:
        if options.match:
            why = (
                "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            )
            cause = Cause("resourceVersionMatch", "FieldValueForbidden", why)
            raise invalid("meta.k8s.io", "ListOptions", "", [cause])
        return
    if options.match != "NotOlderThan":
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        cause = Cause("resourceVersionMatch", "FieldValueForbidden", why)
        raise invalid("meta.k8s.io", "ListOptions", target.name, [cause])


def _frame(kind: str, obj: Any) -> bytes:
    return msgspec.json.encode({"type": kind, "object": obj}) + b"\n"

"""Runs the controllers beside the API, as its clients: changes become keys, keys are reconciled singly.

Each controller is level-triggered; a key that fails is tried again later and never stops the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Protocol

from canary.sandbox.apiserver.api import Api
from canary.sandbox.apiserver.deployments import DeploymentController
from canary.sandbox.apiserver.endpointslices import EndpointSliceController
from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.garbage import GarbageCollector, NamespaceController
from canary.sandbox.apiserver.replicasets import ReplicaSetController
from canary.sandbox.apiserver.store import Change, HistoryGone

logger = logging.getLogger(__name__)

Key = tuple[str, ...]

RETRY_SECONDS = 1.0
# So many keys between two looks at the loop: requests are answered in between.
BATCH = 50


class Controller(Protocol):
    """What the runner asks of a controller."""

    def keys(self, change: Change) -> Iterable[Key]:
        """Return the keys that a change concerns."""

    def reconcile(self, key: Key) -> float | None:
        """Make the world match for one key; returns seconds after which to look again, or None."""


class Controllers:
    """All controllers of the sandbox, in one task."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._controllers: tuple[Controller, ...] = (
            DeploymentController(api),
            ReplicaSetController(api),
            EndpointSliceController(api),
            GarbageCollector(api),
            NamespaceController(api),
        )
        # A dict is an ordered set: each key waits at most once.
        self._queue: dict[tuple[int, Key], None] = {}

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow the store until the server stops."""
        store = self._api.store
        with store.waker() as waker:
            cursor = store.version
            while not stopping.is_set():
                waker.clear()
                try:
                    changes = store.changes_since(cursor)
                except HistoryGone:
                    changes = self._everything()
                cursor = store.version
                self._enqueue(changes)
                self._drain(waker)
                if self._queue or store.version != cursor:
                    await asyncio.sleep(0)
                else:
                    await waker.wait()

    def _everything(self) -> list[Change]:
        """Return every object as if it had just appeared: when changes were missed, look at all."""
        store = self._api.store
        return [
            Change("ADDED", resource.key, store.version, obj, None)
            for resource in self._api.registry.types()
            for obj in store.items(resource.key)
        ]

    def _enqueue(self, changes: Iterable[Change]) -> None:
        for change in changes:
            for place, controller in enumerate(self._controllers):
                try:
                    found = list(controller.keys(change))
                except Exception:
                    # An object that one controller cannot read must not stop the others.
                    logger.exception("%s cannot read %s", type(controller).__name__, change.resource)
                    continue
                self._queue.update(dict.fromkeys((place, key) for key in found))

    def _drain(self, waker: asyncio.Event) -> None:
        for _ in range(min(BATCH, len(self._queue))):
            place, key = item = next(iter(self._queue))
            del self._queue[item]
            delay = self._reconcile(place, key)
            if delay is not None:
                asyncio.get_running_loop().call_later(delay, self._again, item, waker)

    def _again(self, item: tuple[int, Key], waker: asyncio.Event) -> None:
        self._queue[item] = None
        waker.set()

    def _reconcile(self, place: int, key: Key) -> float | None:
        controller = self._controllers[place]
        try:
            return controller.reconcile(key)
        except ApiError as error:
            # Such as a namespace that is going away under us.
            logger.info("%s %s: %s", type(controller).__name__, "/".join(key), error.message)
            return RETRY_SECONDS if error.code != 403 else None
        except Exception:
            logger.exception("%s failed for %s", type(controller).__name__, "/".join(key))
            return RETRY_SECONDS

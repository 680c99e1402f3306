"""Watches that the loop follows besides Services: Deployments and Releases, each change as a key."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from canary.adapters.kube.objects import MetadataOnly, path_of
from canary.adapters.kube.release_codec import API_VERSION, PLURAL, SERVICE_LABEL
from canary.adapters.kube.transport import Transport, decode
from canary.adapters.kube.watch import Collection, ObjectWatch
from canary.app.ports import Clock
from canary.domain.plan import ServiceKey

__all__ = ["WatchGroup", "watch_deployments", "watch_releases"]


class WatchGroup:
    """Several watches that start, stop and count as one: the same collection in several namespaces."""

    def __init__(self, watches: Sequence[ObjectWatch[Any]]) -> None:
        self._watches = tuple(watches)

    def start(self) -> None:
        """Begin to list and watch."""
        for watch in self._watches:
            watch.start()

    def stop(self) -> None:
        """End soon."""
        for watch in self._watches:
            watch.stop()

    def wait_synced(self, timeout_seconds: float) -> bool:
        """Wait until every first list has arrived; False when one did not in time (each has its own)."""
        return all(watch.wait_synced(timeout_seconds) for watch in self._watches)

    def names(self) -> frozenset[tuple[str, str]] | None:
        """Namespace and name of everything that is kept; None before the first lists have all arrived."""
        if not self.wait_synced(0.0):
            return None
        return frozenset(name for watch in self._watches for name in watch.all())

    def ages(self) -> dict[str, float]:
        """By path: seconds since the server was last heard."""
        return {watch.name: watch.age_seconds() for watch in self._watches}

    def failures(self) -> dict[str, str]:
        """By path: why the latest attempt failed, for those that are not connected."""
        return {watch.name: watch.failure for watch in self._watches if watch.failure is not None}


def watch_deployments(
    transport: Transport,
    clock: Clock,
    random: Callable[[], float],
    on_change: Callable[[str, str], None],
    namespaces: Sequence[str] = (),
) -> WatchGroup:
    """Report each change of a Deployment, its status included, as (namespace, name)."""
    collections = (
        Collection(
            path=path_of("apps/v1", namespace, "deployments"),
            decode=_version,
            on_change=lambda name, _: on_change(*name),
            query={},
            metadata_only=True,
        )
        for namespace in namespaces or ("",)
    )
    return WatchGroup([ObjectWatch(transport, item, clock, random) for item in collections])


def watch_releases(
    transport: Transport,
    clock: Clock,
    random: Callable[[], float],
    on_change: Callable[[ServiceKey], None],
    namespaces: Sequence[str] = (),
) -> WatchGroup:
    """Report the service of each Release whose spec a person changed, and of those that come and go."""
    collections = (
        Collection(
            path=path_of(API_VERSION, namespace, PLURAL),
            decode=_wish,
            on_change=lambda _, wish: on_change(wish[0]),
            query={"labelSelector": SERVICE_LABEL},
            metadata_only=True,
        )
        for namespace in namespaces or ("",)
    )
    return WatchGroup([ObjectWatch(transport, item, clock, random) for item in collections])


def _version(item: msgspec.Raw) -> str:
    return decode(item, MetadataOnly, "Deployment").metadata.resource_version


def _wish(item: msgspec.Raw) -> tuple[ServiceKey, int] | None:
    """Keep the generation, which changes with the spec only: what we save ourselves is no news."""
    metadata = decode(item, MetadataOnly, "Release").metadata
    service = metadata.labels.get(SERVICE_LABEL)
    return (ServiceKey(metadata.namespace, service), metadata.generation) if service else None

"""Groups of watches, one for each namespace that is looked after; and those of Deployments and Releases."""

from collections.abc import Callable, Sequence, ValuesView
from typing import Generic, TypeVar

import msgspec

from canary.adapters.kube.objects import MetadataOnly, path_of
from canary.adapters.kube.release_codec import API_VERSION, PLURAL, SERVICE_LABEL
from canary.adapters.kube.transport import Transport, decode
from canary.adapters.kube.watch import Collection, ObjectWatch
from canary.app.ports import Clock
from canary.domain.plan import ServiceKey

__all__ = ["WatchGroup", "watch_deployments", "watch_releases"]

V = TypeVar("V")
_Wish = tuple[ServiceKey, int]
"""Whose release it is, and the generation of its spec."""


class WatchGroup(Generic[V]):
    """The same collection in several namespaces, or once in all of them when none are given.

    Its watches start, stop and count as one. ``collection_in`` says what to watch in a namespace, empty for
    all of them; ``random`` returns a number in [0, 1).
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        random: Callable[[], float],
        collection_in: Callable[[str], Collection[V]],
        namespaces: Sequence[str] = (),
    ) -> None:
        self._by_namespace = {
            namespace: ObjectWatch(transport, collection_in(namespace), clock, random)
            for namespace in namespaces or ("",)
        }

    @property
    def _watches(self) -> ValuesView[ObjectWatch[V]]:
        return self._by_namespace.values()

    @property
    def namespaces(self) -> dict[str, str]:
        """The namespaces that are followed, each with the path that is watched for it; empty: all of them."""
        return {namespace: watch.name for namespace, watch in self._by_namespace.items()}

    def looks_after(self, namespace: str) -> bool:
        """Whether objects of ``namespace`` are followed."""
        return not self._by_namespace.keys().isdisjoint({namespace, ""})

    def is_synced(self, namespace: str) -> bool:
        """Whether the first list of ``namespace`` has arrived; never where it is not looked after."""
        watch = self._watch_of(namespace)
        return watch is not None and watch.wait_synced(0.0)

    def kept(self, namespace: str, name: str) -> V | None:
        """What is kept of one object; None when there is none, or its namespace is not looked after."""
        watch = self._watch_of(namespace)
        return watch.get(namespace, name) if watch is not None else None

    def _watch_of(self, namespace: str) -> ObjectWatch[V] | None:
        return self._by_namespace.get(namespace, self._by_namespace.get(""))

    def all(self) -> tuple[V, ...]:
        """What is kept of every object."""
        return tuple(item for watch in self._watches for item in watch.all().values())

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
) -> WatchGroup[str]:
    """Report each change of a Deployment, its status included, as (namespace, name)."""

    def collection_in(namespace: str) -> Collection[str]:
        return Collection(
            path=path_of("apps/v1", namespace, "deployments"),
            decode=_version,
            on_change=lambda name, _: on_change(*name),
            query={},
            metadata_only=True,
        )

    return WatchGroup(transport, clock, random, collection_in, namespaces)


def watch_releases(
    transport: Transport,
    clock: Clock,
    random: Callable[[], float],
    on_change: Callable[[ServiceKey], None],
    namespaces: Sequence[str] = (),
) -> WatchGroup[_Wish]:
    """Report the service of each Release whose spec a person changed, and of those that come and go."""

    def collection_in(namespace: str) -> Collection[_Wish]:
        return Collection(
            path=path_of(API_VERSION, namespace, PLURAL),
            decode=_wish,
            on_change=lambda _, wish: on_change(wish[0]),
            query={"labelSelector": SERVICE_LABEL},
            metadata_only=True,
        )

    return WatchGroup(transport, clock, random, collection_in, namespaces)


def _version(item: msgspec.Raw) -> str:
    return decode(item, MetadataOnly, "Deployment").metadata.resource_version


def _wish(item: msgspec.Raw) -> _Wish | None:
    """Keep the generation, which changes with the spec only: what we save ourselves is no news."""
    metadata = decode(item, MetadataOnly, "Release").metadata
    service = metadata.labels.get(SERVICE_LABEL)
    return (ServiceKey(metadata.namespace, service), metadata.generation) if service else None

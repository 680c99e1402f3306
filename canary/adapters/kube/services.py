"""Annotated Services from a metadata-only list+watch: a few hundred bytes for each that concerns us.

A Service without ``canaryctl.dev/`` annotations is neither kept nor reported. One that gains, changes or
loses them, or is deleted, is reported by its key and nothing else.
"""

from collections.abc import Callable, Sequence

import msgspec

from canary.adapters.kube.follow import WatchGroup
from canary.adapters.kube.objects import MetadataOnly, path_of
from canary.adapters.kube.transport import METADATA_ONE, Transport, decode
from canary.adapters.kube.watch import Collection
from canary.app.errors import NotFound
from canary.app.ports import AnnotatedService, Clock
from canary.domain.plan import ServiceKey

__all__ = ["ServiceWatch"]

PREFIX = "canaryctl.dev/"


class ServiceWatch(WatchGroup[AnnotatedService]):
    """Implements ``ServiceCatalogue``. Watches ``namespaces``, or all of them when there are none given."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        random: Callable[[], float],
        on_change: Callable[[ServiceKey], None],
        namespaces: Sequence[str] = (),
    ) -> None:
        def collection_in(namespace: str) -> Collection[AnnotatedService]:
            return Collection(
                path=path_of("v1", namespace, "services"),
                decode=_decode,
                on_change=lambda _, service: on_change(service.key),
                query={},
                metadata_only=True,
            )

        super().__init__(transport, clock, random, collection_in, namespaces)
        self._transport = transport

    def get(self, key: ServiceKey) -> AnnotatedService | None:
        """The Service, or None when it does not exist or carries none of our annotations."""
        return self.kept(key.namespace, key.name)

    def read(self, key: ServiceKey) -> AnnotatedService | None:
        """The same, read live."""
        path = path_of("v1", key.namespace, "services", key.name)
        try:
            return _decode(self._transport.get(path, msgspec.Raw, accept=METADATA_ONE))
        except NotFound:
            return None


def _decode(item: msgspec.Raw) -> AnnotatedService | None:
    metadata = decode(item, MetadataOnly, "Service").metadata
    ours = {name: value for name, value in metadata.annotations.items() if name.startswith(PREFIX)}
    if not ours:
        return None
    return AnnotatedService(ServiceKey(metadata.namespace, metadata.name), metadata.uid, ours)

"""ReleasePolicies from a list+watch: each is read once when it changes, and reported by its name.

One that cannot be understood is kept with what is wrong, so that whoever names it is told. A cluster that
does not know the kind, because its definitions are a version older, has none.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from canary.adapters.kube.follow import WatchGroup
from canary.adapters.kube.objects import Metadata, path_of
from canary.adapters.kube.release_codec import API_VERSION
from canary.adapters.kube.strict import problems_in
from canary.adapters.kube.transport import Transport, decode
from canary.adapters.kube.watch import Collection
from canary.adapters.kube.wire import from_wire
from canary.app.errors import NotFound
from canary.app.ports import Clock, StoredPolicy
from canary.domain.consent import SHARED_WITH
from canary.domain.policy import PolicySpec

__all__ = ["POLICY_KIND", "POLICY_PLURAL", "PolicyWatch", "decode_policy", "read_policy", "understand"]

POLICY_KIND = "ReleasePolicy"
POLICY_PLURAL = "releasepolicies"


class _Policy(msgspec.Struct):
    metadata: Metadata
    spec: msgspec.Raw = msgspec.Raw(b"null")


class PolicyWatch(WatchGroup[StoredPolicy]):
    """Implements ``PolicyCatalogue``. Watches ``namespaces``, or all of them when there are none given."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        random: Callable[[], float],
        on_change: Callable[[str, str], None],
        namespaces: Sequence[str] = (),
    ) -> None:
        def collection_in(namespace: str) -> Collection[StoredPolicy]:
            return Collection(
                path=path_of(API_VERSION, namespace, POLICY_PLURAL),
                decode=decode_policy,
                on_change=lambda name, _: on_change(*name),
                query={},
                metadata_only=False,
                may_be_unknown=True,
            )

        super().__init__(transport, clock, random, collection_in, namespaces)
        self._transport = transport

    def get(self, namespace: str, name: str) -> StoredPolicy | None:
        """The policy, or None when there is none, or in no namespace that is looked after."""
        return self.kept(namespace, name)

    def read(self, namespace: str, name: str) -> StoredPolicy | None:
        """The same, read live."""
        return read_policy(self._transport, namespace, name) if self.looks_after(namespace) else None


def read_policy(transport: Transport, namespace: str, name: str) -> StoredPolicy | None:
    """Read one policy live; None when there is none."""
    path = path_of(API_VERSION, namespace, POLICY_PLURAL, name)
    try:
        return decode_policy(transport.get(path, msgspec.Raw))
    except NotFound:
        return None


def decode_policy(item: msgspec.Raw) -> StoredPolicy:
    """Return a stored object as a policy, with every problem of a spec that cannot be understood."""
    found = decode(item, _Policy, POLICY_KIND)
    metadata, spec = found.metadata, msgspec.json.decode(found.spec)
    return understand(metadata.namespace, metadata.name, metadata.annotations, spec)


def understand(namespace: str, name: str, annotations: Mapping[str, str], spec: object) -> StoredPolicy:
    """Return a policy by its parts as they are stored, with every problem that its spec has."""
    problems = problems_in(PolicySpec, spec, "spec")
    return StoredPolicy(
        namespace=namespace,
        name=name,
        spec=None if problems else from_wire(PolicySpec, spec, "spec"),
        problems=problems,
        consent={key: text for key, text in annotations.items() if key == SHARED_WITH},
    )

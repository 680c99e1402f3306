"""One named Lease, read and written with its version; the timing of leadership is not decided here."""

from typing import Any

import msgspec

from canary.adapters.kube.objects import Metadata, path_of
from canary.adapters.kube.transport import Transport, decode
from canary.adapters.kube.wire import format_time, parse_time
from canary.app.errors import NotFound, TerminalError
from canary.app.ports import LeaseRecord

__all__ = ["KubeLeases"]

GROUP_VERSION = "coordination.k8s.io/v1"


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: float | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct):
    metadata: Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)


class KubeLeases:
    """Implements ``LeaseStore`` for the Lease ``namespace/name``."""

    def __init__(self, transport: Transport, namespace: str, name: str) -> None:
        self._transport = transport
        self._namespace = namespace
        self._name = name
        self._collection = path_of(GROUP_VERSION, namespace, "leases")
        self._path = path_of(GROUP_VERSION, namespace, "leases", name)

    def read(self) -> tuple[LeaseRecord, str] | None:
        """Return the record and its version, or None when there is no such Lease yet."""
        try:
            lease = self._transport.get(self._path, _Lease)
        except NotFound:
            return None
        return _record(lease.spec, self._path), lease.metadata.resource_version

    def create(self, record: LeaseRecord) -> str:
        """Create the Lease and return its version; ``ConflictError`` when somebody was faster."""
        return self._version(self._transport.request("POST", self._collection, body=self._body(record, "")))

    def update(self, record: LeaseRecord, version: str) -> str:
        """Write the record, guarded by ``version``, and return the new version."""
        return self._version(self._transport.request("PUT", self._path, body=self._body(record, version)))

    def _body(self, record: LeaseRecord, version: str) -> dict[str, Any]:
        metadata = {"namespace": self._namespace, "name": self._name}
        # Servers differ on an empty holder; a Lease that nobody holds has none.
        holder = {"holderIdentity": record.holder} if record.holder else {}
        return {
            "apiVersion": GROUP_VERSION,
            "kind": "Lease",
            "metadata": metadata | ({"resourceVersion": version} if version else {}),
            "spec": holder
            | {
                "leaseDurationSeconds": max(1, round(record.duration_seconds)),
                "acquireTime": _micro_time(record.acquired_at),
                "renewTime": _micro_time(record.renewed_at),
                "leaseTransitions": record.transitions,
            },
        }

    def _version(self, answer: bytes) -> str:
        return decode(answer, _Lease, self._path).metadata.resource_version


def _micro_time(seconds: float) -> str:
    """Kubernetes' MicroTime has exactly six digits."""
    text = format_time(round(seconds, 6))
    whole, fraction = text[:-1].split(".")
    return f"{whole}.{fraction[:6].ljust(6, '0')}Z"


def _record(spec: _Spec, where: str) -> LeaseRecord:
    try:
        acquired = parse_time(spec.acquire_time) if spec.acquire_time else 0.0
        renewed = parse_time(spec.renew_time) if spec.renew_time else 0.0
    except ValueError as exc:
        raise TerminalError(f"Lease {where}: {exc}; delete the Lease") from exc
    return LeaseRecord(
        holder=spec.holder_identity or "",
        duration_seconds=spec.lease_duration_seconds or 0.0,
        acquired_at=acquired,
        renewed_at=renewed,
        transitions=spec.lease_transitions or 0,
    )

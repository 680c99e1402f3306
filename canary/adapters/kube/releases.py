"""Release objects: the store of the loop, and the handful of wishes that people write into their spec.

Every status is written with the version that it was decided on, so a person's abort, which changes the
version, can never be overwritten by a decision that did not see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from canary.adapters.kube.objects import path_of
from canary.adapters.kube.release_codec import (
    API_VERSION,
    PLURAL,
    SERVICE_LABEL,
    Abort,
    decode_release,
    encode_object,
    encode_status,
)
from canary.adapters.kube.transport import MERGE_PATCH, Transport, decode
from canary.adapters.kube.wire import to_wire
from canary.app.errors import ConflictError, NotFound, TerminalError
from canary.app.ports import StoredRelease
from canary.domain.plan import Gate, ServiceKey
from canary.domain.release import Release

__all__ = ["KubeReleases", "Wish"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks of one release; what is left out stays as it was."""

    abort: Abort | None = None
    retry: bool = False
    promote: bool = False
    approve: frozenset[Gate] = frozenset()


class KubeReleases:
    """Implements ``ReleaseStore``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, key: ServiceKey) -> tuple[StoredRelease, ...]:
        """All releases of a service, read live, oldest first."""
        return self._list(key.namespace, {"labelSelector": f"{SERVICE_LABEL}={key.name}"})

    def list_all(self, namespace: str | None = None) -> tuple[StoredRelease, ...]:
        """All releases of a namespace, or of all of them, oldest first."""
        return self._list(namespace or "", {})

    def get(self, namespace: str, name: str) -> StoredRelease:
        """One release by its own name; ``NotFound`` when there is none."""
        return _decoded(self._transport.get(_path(namespace, name), msgspec.Raw))

    def create(self, release: Release) -> StoredRelease:
        """Create the object and save its first status; one that exists already is returned as it is."""
        path = _path(release.key.namespace)
        try:
            answer = self._transport.request("POST", path, body=encode_object(release))
        except ConflictError:
            answer = self._transport.request("GET", _path(release.key.namespace, release.name))
            found = _object(answer, path)
            if found["metadata"].get("labels", {}).get(SERVICE_LABEL) != release.key.name:
                # It would be made, and not found, for ever; and nobody would judge it meanwhile.
                raise TerminalError(
                    f"release {release.key.namespace}/{release.name} has lost its label "
                    f"{SERVICE_LABEL}={release.key.name}, by which it is found: put it back"
                ) from None
            if found.get("status"):
                return _decoded(answer)
        # Left without a status by the creation just now, or by a crash right after an earlier one.
        return self.save(_decoded(answer), release)

    def save(self, stored: StoredRelease, release: Release) -> StoredRelease:
        """Write ``release`` as the status of the object, guarded by ``stored.version``."""
        key, name = release.key, stored.release.name
        if release.name != name:
            raise AssertionError(f"the status of {release.name} is not that of {name}")
        metadata = {"namespace": key.namespace, "name": name, "resourceVersion": stored.version}
        body = encode_object(release) | {
            "metadata": metadata | {"uid": stored.uid},
            "status": encode_status(release),
        }
        answer = self._transport.request("PUT", _path(key.namespace, name) + "/status", body=body)
        return _decoded(answer)

    def delete(self, stored: StoredRelease) -> None:
        """Remove a finished release from history; one that is gone already is fine."""
        path = _path(stored.release.key.namespace, stored.release.name)
        try:
            self._transport.request("DELETE", path, body={"preconditions": {"uid": stored.uid}})
        except (NotFound, ConflictError):
            return  # Gone, or another object has taken its name.

    def ask(self, stored: StoredRelease, wish: Wish) -> StoredRelease:
        """Write a person's wish into the spec and return the release as it is then.

        An abort goes through whatever else has changed; approvals raise ``ConflictError`` when somebody
        has written since ``stored`` was read.
        """
        spec: Json = {}
        if wish.abort is not None:
            spec["abort"] = to_wire(wish.abort)
        if wish.retry:
            spec["retry"] = True
        if wish.promote:
            spec["promote"] = True
        body: Json = {"spec": spec}
        if wish.approve:
            spec["approvals"] = to_wire(stored.requests.approved | wish.approve)
            body["metadata"] = {"resourceVersion": stored.version}
        path = _path(stored.release.key.namespace, stored.release.name)
        return _decoded(self._transport.request("PATCH", path, body=body, content_type=MERGE_PATCH))

    def _list(self, namespace: str, query: Json) -> tuple[StoredRelease, ...]:
        items: Sequence[msgspec.Raw] = self._transport.list(_path(namespace), msgspec.Raw, query)
        found = [_decoded(item) for item in items]
        return tuple(sorted(found, key=lambda item: (item.release.created_at, item.release.name)))


def _path(namespace: str, name: str = "") -> str:
    return path_of(API_VERSION, namespace, PLURAL, quote(name))


def _object(body: bytes | msgspec.Raw, what: str) -> Json:
    return decode(body, Json, what)


def _decoded(body: bytes | msgspec.Raw) -> StoredRelease:
    found = _object(body, "Release")
    if not isinstance(found.get("metadata"), dict):
        raise TerminalError("Release: metadata: is missing; the server's answer is no object")
    return decode_release(found)

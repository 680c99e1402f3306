"""What goes when something else has gone: dependents without owners, contents of deleted namespaces."""

from __future__ import annotations

from collections.abc import Iterable

from canary.sandbox.apiserver.api import Api
from canary.sandbox.apiserver.deletion import DeleteOptions, delete, target_of
from canary.sandbox.apiserver.objects import Json, name_of, namespace_of, uid_of
from canary.sandbox.apiserver.store import Change

_DEPENDENT, _OWNER = "dependent", "owner"


class GarbageCollector:
    """Deletes an object when none of the owners that it names exists any more."""

    def __init__(self, api: Api) -> None:
        self._api = api
        # uid of an owner -> places of those that name it.
        self._dependents: dict[str, set[tuple[str, str, str]]] = {}

    def keys(self, change: Change) -> Iterable[tuple[str, ...]]:
        """Note who depends on whom; return what may have lost its owner."""
        place = (change.resource, namespace_of(change.object), name_of(change.object))
        owners = [str(reference["uid"]) for reference in _owners(change.object)]
        if change.type == "DELETED":
            for uid in owners:
                self._forget(uid, place)
            uid = uid_of(change.object)
            if uid in self._dependents:
                yield _OWNER, uid
            return
        for uid in owners:
            self._dependents.setdefault(uid, set()).add(place)
        if owners and (change.previous is None or _owners(change.previous) != _owners(change.object)):
            yield _DEPENDENT, *place

    def reconcile(self, key: tuple[str, ...]) -> float | None:
        """Delete what has lost its last owner."""
        if key[0] == _DEPENDENT:
            self._collect((key[1], key[2], key[3]))
            return None
        for place in sorted(self._dependents.pop(key[1], ())):
            self._collect(place)
        return None

    def _collect(self, place: tuple[str, str, str]) -> None:
        resource, namespace, name = place
        found = self._api.store.get(resource, namespace, name)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return
        owners = _owners(found)
        if owners and not any(self._api.store.has_uid(str(owner["uid"])) for owner in owners):
            delete(self._api, target_of(self._api, resource, found), DeleteOptions(uid=uid_of(found)))

    def _forget(self, uid: str, place: tuple[str, str, str]) -> None:
        places = self._dependents.get(uid)
        if places is not None:
            places.discard(place)
            if not places:
                del self._dependents[uid]


class NamespaceController:
    """Empties a namespace that is being deleted, then lets it go."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def keys(self, change: Change) -> Iterable[tuple[str]]:
        """Return the namespace when it is going and something in it, or it itself, changed."""
        if change.resource == "namespaces":
            if change.object["metadata"].get("deletionTimestamp"):
                yield (name_of(change.object),)
            return
        name = namespace_of(change.object)
        space = self._api.store.get("namespaces", "", name) if name else None
        if space is not None and space["metadata"].get("deletionTimestamp"):
            yield (name,)

    def reconcile(self, key: tuple[str, ...]) -> float | None:
        """Delete what is left; the namespace goes with the last of it."""
        (name,) = key
        space = self._api.store.get("namespaces", "", name)
        if space is None or not space["metadata"].get("deletionTimestamp"):
            return None
        left = 0
        for resource in {r.key: r for r in self._api.registry.types() if r.namespaced}.values():
            for obj in self._api.store.items(resource.key, name):
                if not obj["metadata"].get("deletionTimestamp"):
                    delete(self._api, target_of(self._api, resource.key, obj), DeleteOptions())
                left += self._api.store.get(resource.key, name, name_of(obj)) is not None
        if not left and not space["metadata"].get("finalizers"):
            self._api.store.remove("namespaces", space)
        return None


def _owners(obj: Json) -> list[Json]:
    return list(obj["metadata"].get("ownerReferences") or ())

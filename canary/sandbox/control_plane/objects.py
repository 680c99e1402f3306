"""Objects as a person would apply them: each to its own collection, definitions until they are served."""

import time
from collections.abc import Iterable
from typing import Any

from canary.adapters.kube.transport import Transport
from canary.app.errors import ConflictError, NotFound, Retryable, TerminalError

__all__ = ["collection_of", "create", "install_crds"]

Json = dict[str, Any]

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SERVED_SECONDS = 30.0
_POLL_SECONDS = 0.05


def install_crds(transport: Transport, definitions: Iterable[Json]) -> None:
    """Create definitions that are not there yet, and wait until their resources can be listed."""
    wanted = list(definitions)
    for definition in wanted:
        try:
            transport.request("POST", _DEFINITIONS, body=definition)
        except ConflictError:
            continue
    deadline = time.monotonic() + _SERVED_SECONDS
    for definition in wanted:
        spec = definition["spec"]
        for version in (item["name"] for item in spec["versions"] if item["served"]):
            path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
            while not _is_served(transport, path):
                if time.monotonic() > deadline:
                    raise TerminalError(f"{path} is not served {_SERVED_SECONDS:g} s after its definition")
                time.sleep(_POLL_SECONDS)


def create(transport: Transport, item: Json) -> None:
    """Create one object. Raises ``WorldError``."""
    transport.request("POST", collection_of(item), body=item)


def collection_of(item: Json) -> str:
    """The path that an object is created at, for kinds whose plural is as in English."""
    version, kind = item["apiVersion"], item["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("cy") else f"{kind}s"
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    namespace = item["metadata"].get("namespace")
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{plural}"


def _is_served(transport: Transport, path: str) -> bool:
    try:
        transport.request("GET", path, query={"limit": "1"})
    except (NotFound, Retryable):
        return False
    return True

"""Plain JSON objects over the controller's transport, for the sandbox's node. Raises `WorldError`s."""

import json
from typing import Any

from canary.adapters.kube.transport import MERGE_PATCH, Transport

Json = dict[str, Any]


class JsonApi:
    """The few calls of a kubelet."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, path: str) -> Json:
        """The object at `path`."""
        return _object(self._transport.request("GET", path))

    def patch(self, path: str, change: Json) -> Json:
        """Apply a merge patch; the object as it is then."""
        return _object(self._transport.request("PATCH", path, body=change, content_type=MERGE_PATCH))

    def create(self, path: str, item: Json) -> Json:
        """POST an object to a collection or subresource."""
        return _object(self._transport.request("POST", path, body=item))

    def delete(self, path: str, options: Json) -> Json:
        """DELETE with a DeleteOptions body."""
        return _object(self._transport.request("DELETE", path, body=options))


def _object(answer: bytes) -> Json:
    item: Json = json.loads(answer)
    return item

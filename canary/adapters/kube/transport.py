"""The way to the API server: one bounded request at a time, raw bytes, errors named by what to do next.

It uses the ``kubernetes`` package for configuration, credentials and connections only. What it promises:
every call has a connect and a read timeout; there is one layer of retries, for reads only; a write is
never repeated here, because its answer may have been lost after it was applied; and whatever the world
does is raised as a ``WorldError``. Safe for many threads. TLS trusts what the kubeconfig or the service
account says; REQUESTS_CA_BUNDLE is not looked at.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import urllib3
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, stop_before_delay
from tenacity import wait_random_exponential as random_exponential
from tenacity.nap import sleep_using_event

from canary import __version__
from canary.adapters import decoding
from canary.adapters.kube.failures import Expired, failure_of
from canary.adapters.kube.streams import Stream
from canary.app.errors import Retryable, TerminalError

__all__ = [
    "JSON_PATCH",
    "MERGE_PATCH",
    "METADATA_LIST",
    "METADATA_ONE",
    "Expired",
    "Stream",
    "Transport",
    "decode",
]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

CONNECT_TIMEOUT_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0
READ_ATTEMPTS = 3
READ_BUDGET_SECONDS = 5.0
PAGE_SIZE = 500
MAX_PAGES = 200

T = TypeVar("T")


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMeta
    # A real server writes null when it has only been asked for metadata and there is nothing.
    items: list[msgspec.Raw] | None = None


class _Group(msgspec.Struct):
    class Version(msgspec.Struct):
        version: str

    versions: list[Version]


class _Resources(msgspec.Struct):
    class Resource(msgspec.Struct):
        name: str

    resources: list[Resource] = []


def decode(body: bytes | msgspec.Raw, kind: type[T], what: str) -> T:
    """Decode an answer; ``Retryable`` when it is not what the Kubernetes API says, such as a proxy's page."""
    try:
        return decoding.decode(body, kind)
    except msgspec.MsgspecError as exc:
        raise Retryable(f"{what}: the answer is not the Kubernetes API's: {exc}") from exc


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    query: Mapping[str, str]
    accept: str
    body: object = None
    content_type: str = ""
    guarded: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Transport:
    """A cluster's API. ``stop`` cuts the waits between retries short when the process ends.

    ``origin`` says where the address comes from, for whoever has to correct it.
    """

    def __init__(
        self,
        client: ApiClient,
        stop: threading.Event | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        origin: str = "",
    ) -> None:
        self._origin = f" of {origin}" if origin else ""
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._stop = stop or threading.Event()
        # Credentials may be refreshed by a plugin that must not be run twice at once.
        self._credentials = threading.Lock()

    @property
    def server(self) -> str:
        """The API server's address; without credentials that a kubeconfig may have put into it."""
        scheme, _, rest = str(self._client.configuration.host).partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        guarded: bool = False,
    ) -> bytes:
        """Send one request and return the body of its answer; GET is tried again within bounds.

        ``body`` is made of what JSON has, a list for a JSON Patch. ``guarded`` marks a JSON Patch with
        ``test`` operations: when it does not apply, ``ConflictError``.
        """
        accept = "application/json"
        return self._answer(_Call(method, path, query or {}, accept, body, content_type, guarded))

    def get(
        self,
        path: str,
        kind: type[T],
        query: Mapping[str, str] | None = None,
        *,
        accept: str = "application/json",
    ) -> T:
        """Read ``path`` and decode the answer as ``kind``."""
        return decode(self._answer(_Call("GET", path, query or {}, accept)), kind, f"GET {path}")

    def pages(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "application/json"
    ) -> Iterator[tuple[Sequence[msgspec.Raw], str]]:
        """List in pages: the undecoded items of each, and the list's version; ``Expired`` between pages."""
        asked = {**(query or {}), "limit": str(PAGE_SIZE)}
        for _ in range(MAX_PAGES):
            page = self.get(path, _Page, asked, accept=accept)
            yield page.items or (), page.metadata.resource_version
            if not page.metadata.continue_:
                return
            asked["continue"] = page.metadata.continue_
        raise TerminalError(f"GET {path}: more than {MAX_PAGES * PAGE_SIZE} objects; restrict the namespaces")

    def list_raw(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str = "application/json"
    ) -> tuple[list[msgspec.Raw], str]:
        """Return what is on all ``pages`` together."""
        pages = list(self.pages(path, query, accept=accept))
        return [item for items, _ in pages for item in items], pages[-1][1]

    def list(
        self,
        path: str,
        kind: type[T],
        query: Mapping[str, str] | None = None,
        *,
        accept: str = "application/json",
    ) -> list[T]:
        """List everything under ``path``, each item decoded as ``kind``."""
        items, _ = self.list_raw(path, query, accept=accept)
        return [decode(item, kind, f"GET {path}") for item in items]

    def stream(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        accept: str = "application/json",
        quiet_seconds: float = 75.0,
    ) -> Stream:
        """Open a watch: its lines, until the server ends it or nothing comes for ``quiet_seconds``."""
        call = _Call("GET", path, query, accept)
        response = self._send(call, quiet_seconds)
        if response.status != 200:
            body: bytes = response.data
            raise failure_of(response.status, body, response.headers, str(call), guarded=False)
        return Stream(response)

    def served_versions(self, group: str) -> tuple[str, ...]:
        """Return the versions of an API group, the preferred first; ``NotFound`` when there is none."""
        return tuple(item.version for item in self.get(f"/apis/{group}", _Group).versions)

    def served_resources(self, group: str, version: str) -> frozenset[str]:
        """Return the plural names that a group serves in one version."""
        found = self.get(f"/apis/{group}/{version}", _Resources).resources
        return frozenset(item.name for item in found)

    def _answer(self, call: "_Call") -> bytes:
        return self._retrying()(self._once, call) if call.method == "GET" else self._once(call)

    def _once(self, call: "_Call") -> bytes:
        response = self._send(call, self._timeout_seconds)
        try:
            answer: bytes = response.data
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            response.close()
            raise Retryable(f"{call}: the answer broke off: {exc}") from exc
        if not 200 <= response.status < 300:
            raise failure_of(response.status, answer, response.headers, str(call), guarded=call.guarded)
        return answer

    def _send(self, call: "_Call", quiet_seconds: float) -> Any:
        # Whoever may create Releases may make one up, and such a name in it would lead to another namespace.
        if not {".", ".."}.isdisjoint(call.path.split("/")):
            raise TerminalError(f"{call}: a name in this path is . or .., which no object has; correct it")
        headers = {"Accept": call.accept, "User-Agent": f"canary/{__version__}"}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        try:
            with self._credentials:
                self._client.update_params_for_auth(
                    headers, [], ["BearerToken"], call.path, call.method, call.body
                )
            url = self.server + call.path + ("?" + urlencode(call.query) if call.query else "")
            answer = self._client.call_api(
                call.method,
                url,
                header_params=headers,
                body=call.body,
                _request_timeout=(min(CONNECT_TIMEOUT_SECONDS, quiet_seconds), quiet_seconds),
            )
        except ApiException as exc:
            # Status 0: TLS could not be agreed on, which may be a server in the middle of its restart.
            raise Retryable(f"{call}: {self.server}{self._origin}: {exc.reason}") from exc
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise Retryable(f"{call}: {self.server}{self._origin}: {_reason(exc)}") from exc
        return answer.response

    def _retrying(self) -> Retrying:
        return Retrying(
            reraise=True,
            retry=retry_if_exception(lambda exc: isinstance(exc, Retryable) and not isinstance(exc, Expired)),
            stop=stop_after_attempt(READ_ATTEMPTS) | stop_before_delay(READ_BUDGET_SECONDS),
            wait=_wait,
            sleep=sleep_using_event(self._stop),
        )


def _reason(exc: Exception) -> str:
    """What the library says, without its name for the connection: ours is before it."""
    return _CONNECTION.sub("", str(exc))


_CONNECTION = re.compile(r"^HTTPS?Connection(Pool)?\(.*?\): ")
_jittered = random_exponential(multiplier=0.2, max=2.0)


def _wait(state: RetryCallState) -> float:
    """Wait a random while, but never less than the server asked for."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.retry_after_seconds if isinstance(failure, Retryable) else None
    return max(_jittered(state), asked or 0.0)

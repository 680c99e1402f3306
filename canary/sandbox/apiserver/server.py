"""The server as something to start and stop: an ASGI application on loopback, controllers beside it."""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from canary.sandbox.apiserver.api import Api
from canary.sandbox.apiserver.bodies import error_response
from canary.sandbox.apiserver.builtin import BUILTIN
from canary.sandbox.apiserver.controllers import Controllers
from canary.sandbox.apiserver.crds import CRD, shipped_crds
from canary.sandbox.apiserver.errors import ApiError, unauthorized
from canary.sandbox.apiserver.http import PUBLIC, Frontend
from canary.sandbox.apiserver.kubeconfig import authorizations, write_kubeconfig
from canary.sandbox.apiserver.resources import Registry
from canary.sandbox.apiserver.seam import Fault, RequestRecord, Seam, SeenRequest
from canary.sandbox.apiserver.store import Store
from canary.sandbox.apiserver.writes import WriteOptions

logger = logging.getLogger(__name__)

STARTUP_SECONDS = 10.0
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server runs. ``bookmark_seconds``: how often a quiet watch hears a BOOKMARK."""

    port: int = 0
    history: int = 5000
    bookmark_seconds: float = 10.0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))


class Application:
    """The ASGI application: authentication, the tests' seam, and the front end behind them."""

    def __init__(self, settings: Settings, seam: Seam | None = None) -> None:
        self.seam = seam or Seam()
        self.api = Api(Store(settings.history), Registry(BUILTIN))
        self.stopping = asyncio.Event()
        self._authorizations = authorizations(settings.token)
        self._frontend = Frontend(self.api, self.stopping, settings.bookmark_seconds)
        self._populate()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        seen = SeenRequest(
            request.method, request.url.path, request.url.query, request.headers.get("user-agent", "")
        )
        hook = self.seam.before_response
        fault = hook(seen) if hook else None
        if fault and fault.delay_seconds:
            # What has arrived stays under way, whatever becomes of its client meanwhile.
            await request.body()
            await asyncio.sleep(fault.delay_seconds)
        response = None
        if fault is None or fault.after:
            response = await self._answer(request, seen)
        if fault is not None:
            response = faulty_response(fault)
        record = RequestRecord(
            seen.method, seen.path, seen.query, seen.user_agent, response.status_code if response else 0
        )
        self.seam.requests.append(record)
        if self.seam.after_effect:
            self.seam.after_effect(record)
        if response is None:
            await _drop(receive, send)
        else:
            await response(scope, receive, send)

    async def _answer(self, request: Request, seen: SeenRequest) -> Response:
        if not self._authenticated(request):
            return error_response(unauthorized())
        try:
            response = await self._frontend.answer(request)
        except ApiError as error:
            return error_response(error)
        except Exception as exc:
            logger.exception("%s %s failed", seen.method, seen.path)
            return error_response(ApiError(500, "InternalError", f"Internal error occurred: {exc!r}"))
        if seen.is_write and "dryRun=All" not in seen.query:
            self.seam.writes += 1
        return response

    def _authenticated(self, request: Request) -> bool:
        if request.url.path in PUBLIC:
            return True
        given = request.headers.get("authorization", "").encode()
        return any(hmac.compare_digest(given, wanted) for wanted in self._authorizations)

    def _populate(self) -> None:
        options = WriteOptions("kube-apiserver")
        for name in NAMESPACES:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.api.create(self.api.target("namespaces", ""), body, options)
        for crd in shipped_crds():
            self.api.create(self.api.target(CRD, ""), crd, options)
        # Nobody can have seen a version from before the start.
        self.api.store.compact()


def faulty_response(fault: Fault) -> Response | None:
    """Return what a client gets instead of the answer; None when its connection is cut."""
    if fault.status == 0:
        return None
    reasons = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
    headers = {} if fault.retry_after_seconds is None else {"Retry-After": str(fault.retry_after_seconds)}
    reason = reasons.get(fault.status, "Unknown")
    return error_response(ApiError(fault.status, reason, "a fault that the test asked for", {}, headers))


async def _drop(receive: Receive, send: Send) -> None:
    """Cut the connection without an answer: ASGI has no word for it, uvicorn's transport does."""
    cycle: Any = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise RuntimeError("cannot drop a connection: the ASGI server is not uvicorn")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def serve(settings: Settings, kubeconfig: Path, stop: asyncio.Event, ready: Any = None) -> None:
    """Serve until ``stop`` is set; the kubeconfig appears when the server answers.

    ``ready`` is called with the application and the URL at that moment. Raises ``TimeoutError`` when the
    server does not come up.
    """
    application = Application(settings)
    # The protocol is named: asyncio sets TCP_NODELAY only then, and without it each answer takes 40 ms more.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", settings.port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        application,
        log_level="error",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
        ws="none",
    )
    server = _Server(config)
    controllers = asyncio.create_task(Controllers(application.api).run(application.stopping))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(STARTUP_SECONDS):
            while not server.started:
                await asyncio.sleep(0.005)
        write_kubeconfig(kubeconfig, url, settings.token)
        if ready is not None:
            ready(application, url)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({stopped, serving, controllers}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
    finally:
        application.stopping.set()
        application.api.store.wake()
        server.should_exit = True
        await asyncio.gather(serving, controllers)
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whoever starts us decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

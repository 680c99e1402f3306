"""The server in a background thread of this process: for tests, and for whoever wants it close at hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from canary.sandbox.apiserver.seam import Seam
from canary.sandbox.apiserver.server import STARTUP_SECONDS, Application, Settings, serve


@dataclass(frozen=True, slots=True)
class RunningApiServer:
    """A server in a thread of this process: where it is, and the tests' seam into it."""

    url: str
    token: str
    kubeconfig: Path
    seam: Seam
    call: Any
    """Runs ``function(api)`` in the server's thread and returns its result, for tests of the inside."""


@contextmanager
def running_api_server(settings: Settings | None = None) -> Iterator[RunningApiServer]:
    """Run a server in a background thread while the context lasts."""
    settings = settings or Settings()
    with TemporaryDirectory(prefix="canary-api-") as directory:
        kubeconfig = Path(directory) / "kubeconfig"
        thread = _Thread(settings, kubeconfig)
        thread.start()
        try:
            yield thread.wait_until_ready()
        finally:
            thread.stop()


class _Thread(threading.Thread):
    def __init__(self, settings: Settings, kubeconfig: Path) -> None:
        super().__init__(name="canary-api-server", daemon=True)
        self._settings = settings
        self._kubeconfig = kubeconfig
        self._is_ready = threading.Event()
        self._running: RunningApiServer | None = None
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._halt: asyncio.Event | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as exc:  # noqa: BLE001 - handed to the thread that waits
            self._failure = exc
        finally:
            self._is_ready.set()

    async def _main(self) -> None:
        self._loop, self._halt = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._settings, self._kubeconfig, self._halt, self._announce)

    def _announce(self, application: Application, url: str) -> None:
        loop = asyncio.get_running_loop()

        def call(function: Any) -> Any:
            async def inside() -> Any:
                return function(application.api)

            return asyncio.run_coroutine_threadsafe(inside(), loop).result(STARTUP_SECONDS)

        self._running = RunningApiServer(url, self._settings.token, self._kubeconfig, application.seam, call)
        self._is_ready.set()

    def wait_until_ready(self) -> RunningApiServer:
        self._is_ready.wait(STARTUP_SECONDS + 1)
        if self._running is None:
            raise RuntimeError(f"the API server did not start: {self._failure!r}") from self._failure
        return self._running

    def stop(self) -> None:
        if self._loop is not None and self._halt is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._halt.set)
        self.join(STARTUP_SECONDS)

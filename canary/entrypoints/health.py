"""/livez, /readyz and /metrics over HTTP: whether the process works, may be asked, and what it measured.

Each endpoint answers 200 or 503 and names the checks that fail; ``?verbose`` names them all. A check is a
callable that returns None, or what is wrong in words. Requests cannot slow the loop down: each has a timeout,
answers are small, and at most a few are handled at once.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

__all__ = ["Check", "HealthServer", "Heartbeat"]

REQUEST_SECONDS: Final = 10.0
MOST_AT_ONCE: Final = 16
STOP_LOOK_SECONDS: Final = 0.1
"""How often to see whether to stop."""

Check = Callable[[], str | None]
"""None when all is well; otherwise what is not, in words."""


class Heartbeat:
    """A check that fails when ``beat`` was not called for ``longest_seconds``; it begins with a beat."""

    def __init__(self, longest_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._longest_seconds = longest_seconds
        self._monotonic = monotonic
        self._beat_at = monotonic()

    def beat(self) -> None:
        """Say that the loop goes on."""
        self._beat_at = self._monotonic()

    def __call__(self) -> str | None:
        """Return None, or since when nothing was heard."""
        silence = self._monotonic() - self._beat_at
        if silence <= self._longest_seconds:
            return None
        return f"no tick for {silence:.0f} s; at most {self._longest_seconds:g} s are expected"


class HealthServer:
    """Serves from ``start`` to ``stop``, in threads of its own.

    Raises ``OSError`` when the address cannot be had.
    """

    def __init__(
        self,
        address: tuple[str, int],
        registry: CollectorRegistry,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
    ) -> None:
        self._server = _Server(address, registry, {"/livez": live, "/readyz": ready})
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(STOP_LOOK_SECONDS,), name="http", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that is listened on, also when 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> int:
        """Begin to answer; return the port."""
        self._thread.start()
        return self.port

    def stop(self) -> None:
        """Stop answering and free the port."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(REQUEST_SECONDS)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 4 * MOST_AT_ONCE

    def __init__(
        self,
        address: tuple[str, int],
        registry: CollectorRegistry,
        checks: Mapping[str, Mapping[str, Check]],
    ) -> None:
        self.registry = registry
        self.checks = checks
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the DNS for this machine's name, which can take long and serves nobody here."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)  # Better no answer than threads without end.
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up; that is not worth a traceback in the log."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_SECONDS
    server_version = "canary"
    sys_version = ""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, encode(self.server.registry), content_type)
        elif parts.path in self.server.checks:
            is_verbose = "verbose" in parse_qs(parts.query, keep_blank_values=True)
            status, text = _report(parts.path, self.server.checks[parts.path], is_verbose)
            self._answer(status, text.encode(), "text/plain; charset=utf-8")
        else:
            known = ", ".join(["/metrics", *self.server.checks])
            self._answer(404, f"nothing here; there are {known}\n".encode(), "text/plain; charset=utf-8")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Probes come every few seconds; they are not logged."""


def _report(path: str, checks: Mapping[str, Check], is_verbose: bool) -> tuple[int, str]:
    found = {name: _asked(check) for name, check in checks.items()}
    failing = {name: problem for name, problem in found.items() if problem is not None}
    lines = [f"[-] {name}: {problem}" for name, problem in failing.items()]
    if is_verbose:
        lines += [f"[+] {name}" for name in found if name not in failing]
    lines.append(f"{path.lstrip('/')} {'failed' if failing else 'ok'}")
    return (503 if failing else 200), "\n".join(lines) + "\n"


def _asked(check: Check) -> str | None:
    try:
        return check()
    except Exception as exc:  # noqa: BLE001 - a check that cannot be made has failed
        return f"could not be checked: {type(exc).__name__}"

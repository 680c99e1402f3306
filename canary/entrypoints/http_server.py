"""A small HTTP server that cannot slow the loop down.

It has threads of its own, a timeout for each request, and handles at most a few at once. It serves GET and
HEAD, and answers are complete before they are sent. Browsers are told of every answer to keep no copy, to
take it for what it says it is, and to load nothing for it, unless the answer itself allows more.
"""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import structlog

__all__ = ["MOST_AT_ONCE", "Answer", "HttpServer", "Request"]

REQUEST_SECONDS: Final = 10.0
MOST_AT_ONCE: Final = 16
STOP_LOOK_SECONDS: Final = 0.1
"""How often to see whether to stop."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: a path as it was sent, the query's values by name, and the formats accepted."""

    path: str
    query: Mapping[str, Sequence[str]]
    accept: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said; ``headers`` are further ones, or other values of those that every answer has."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpServer:
    """Serves what ``answer`` returns, from ``start`` to ``stop``; ``answer`` is called by many threads.

    Raises ``OSError`` when the address cannot be had.
    """

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Answer]) -> None:
        self._server = _Server(address, answer)
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

    def __init__(self, address: tuple[str, int], answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
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
    # Whoever cannot even say a version gets headers all the same.
    default_request_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._send(self._found())

    def do_HEAD(self) -> None:
        self._send(self._found())

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002 - the library's signature
        """Say in our way what the library finds wrong with a request."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            allowed = "GET, HEAD"
            text = f"only {allowed} are served here\n"
            self._send(Answer(405, text.encode(), headers={"Allow": allowed}))
        else:
            self._send(Answer(code, f"{HTTPStatus(code).phrase}\n".encode()))

    def _found(self) -> Answer:
        try:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query, keep_blank_values=True)
        except ValueError:
            return Answer(400, b"this address cannot be read\n")
        try:
            return self.server.answer(Request(parts.path, query, self.headers.get("Accept", "")))
        except Exception:  # noqa: BLE001 - whatever it is, the next request may be answered
            structlog.get_logger("canary").exception("a request could not be answered", path=parts.path)
            return Answer(500, b"a defect: see the controller's log\n")

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in {**HEADERS, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        """Probes come every few seconds; they are not logged."""

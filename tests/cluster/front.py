"""The tests' seam in front of a real API server: what was asked of it, and faults on demand.

A proxy on loopback that passes everything on, watches and whoever asks as they come. With it the adapters'
tests and whole releases, faults included, run against the real server without a change.
"""

import http.client
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import urlsplit

from canary.sandbox.apiserver import Fault, RequestRecord, RunningApiServer, SeenRequest
from canary.sandbox.apiserver.kubeconfig import write_kubeconfig
from canary.sandbox.apiserver.seam import Seam
from canary.sandbox.apiserver.server import faulty_response
from canary.sandbox.control_plane import ControlPlane

UPSTREAM_SECONDS = 330.0
FORBIDDEN = 403
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "te", "upgrade", "trailer"})


OfOthers = Callable[[RequestRecord, str], object]
"""Is told of a request and, when it was forbidden, why."""


class Front(ThreadingHTTPServer):
    """The proxy; a thread for each connection."""

    daemon_threads = True

    def __init__(self, plane: ControlPlane, of_others: OfOthers) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seam = Seam()
        self.of_others = of_others
        self.administrator = f"Bearer {plane.token}"
        self._address = urlsplit(plane.url).netloc
        self._context = ssl.create_default_context(cadata=plane.authority.decode())

    def upstream(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._address, timeout=UPSTREAM_SECONDS, context=self._context)

    def handle_error(self, *_: Any) -> None:
        """A client that goes away in the middle of an answer is nothing to report."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client, and one of its own to the server."""

    protocol_version = "HTTP/1.1"
    server: Front

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstream = self.server.upstream()

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the seam remembers."""

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        seen = SeenRequest(self.command, path, query, self.headers.get("User-Agent", ""))
        hook = self.server.seam.before_response
        fault = hook(seen) if hook else None
        if fault is not None:
            self.fail(seen, fault, body)
            return
        answer = self.ask(body)
        words = answer.read() if answer.status == FORBIDDEN else b""
        self.remember(seen, answer.status, words.decode())
        self.reply(answer, words)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815 - http.server's names

    def ask(self, body: bytes) -> http.client.HTTPResponse:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        self.upstream.request(self.command, self.path, body or None, headers)
        return self.upstream.getresponse()

    def fail(self, seen: SeenRequest, fault: Fault, body: bytes) -> None:
        time.sleep(fault.delay_seconds)
        if fault.after:
            self.ask(body).read()
        response = faulty_response(fault)
        self.remember(seen, response.status_code if response is not None else 0)
        if response is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(response.status_code)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(bytes(response.body))

    def reply(self, answer: http.client.HTTPResponse, words: bytes) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        chunked = answer.getheader("Content-Length") is None
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(words)
        while part := answer.read1(65536):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        # Only a read to the end lets http.client use the connection again.
        answer.read()

    def remember(self, seen: SeenRequest, status: int, words: str = "") -> None:
        seam = self.server.seam
        record = RequestRecord(seen.method, seen.path, seen.query, seen.user_agent, status)
        seam.requests.append(record)
        if self.headers.get("Authorization") != self.server.administrator:
            self.server.of_others(record, words)
        if seam.after_effect:
            seam.after_effect(record)
        if seen.is_write and status < 300 and "dryRun=All" not in seen.query:
            seam.writes += 1


@contextmanager
def running_front(plane: ControlPlane, of_others: OfOthers = lambda *_: None) -> Iterator[RunningApiServer]:
    """Run the proxy while the context lasts; it looks like the sandbox's server to its tests.

    ``of_others`` is told, in the proxy's threads, of every request of somebody but the administrator.
    """
    directory = Path(mkdtemp(prefix="canary-front-"))
    with Front(plane, of_others) as front:
        thread = threading.Thread(target=front.serve_forever, name="front", daemon=True)
        thread.start()
        try:
            url = f"http://127.0.0.1:{front.server_address[1]}"
            kubeconfig = directory / "kubeconfig"
            write_kubeconfig(kubeconfig, url, plane.token)
            yield RunningApiServer(url, plane.token, kubeconfig, front.seam, call=None)
        finally:
            front.shutdown()
            thread.join()
            shutil.rmtree(directory, ignore_errors=True)

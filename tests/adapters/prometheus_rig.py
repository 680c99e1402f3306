"""A real Prometheus on loopback, backfilled or scraping, and a server that answers as it is told."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run

import requests

from canary.sandbox.ports import free_port
from canary.sandbox.processes import Processes, ProcessFailed, wait_until


def backfill(directory: Path, openmetrics: str) -> None:
    """Write blocks for a Prometheus that starts on ``directory`` afterwards."""
    text = directory.with_suffix(".openmetrics")
    text.write_text(openmetrics)
    run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", text, directory],
        check=True,
        capture_output=True,
        timeout=30,
    )


@contextmanager
def running_prometheus(
    directory: Path, scrape_targets: Sequence[str] = (), scrape_seconds: float = 1.0
) -> Iterator[str]:
    """The URL of a Prometheus with its data in ``directory / "data"``, scraping ``scrape_targets``."""
    configuration = directory / "prometheus.yml"
    targets = ", ".join(f'"{target}"' for target in scrape_targets)
    configuration.write_text(
        f"global: {{scrape_interval: {scrape_seconds * 1000:.0f}ms, "
        f"scrape_timeout: {scrape_seconds * 900:.0f}ms}}\n"
        f"scrape_configs: [{{job_name: mesh, static_configs: [{{targets: [{targets}]}}]}}]\n"
    )
    with Processes(directory) as processes:
        for _ in range(3):
            url = f"http://127.0.0.1:{free_port()}"
            child = processes.start(
                "prometheus",
                [
                    "prometheus",
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    "--storage.tsdb.retention.time=100y",
                    f"--web.listen-address={url.removeprefix('http://')}",
                    "--log.level=warn",
                ],
            )
            try:
                wait_until(lambda url=url: _is_ready(url) or None, child)  # type: ignore[misc]
            except ProcessFailed:
                if "address already in use" not in child.log_tail():
                    raise
                continue
            yield url
            return
        raise ProcessFailed("no free port for prometheus")


def _is_ready(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(f"{url}/-/ready", timeout=2).status_code == 200
        except requests.ConnectionError:
            return False


@dataclass
class Reply:
    """What a faulty server answers."""

    status: int = 200
    body: bytes = b'{"status":"success","data":{"resultType":"matrix","result":[]}}'
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    drip_seconds: float = 0.0
    """Time before each byte of the body."""
    silent_seconds: float = 0.0
    """Time before anything at all."""
    closes_after: int | None = None
    """Close the connection after so many bytes of the body."""
    echoes_headers: bool = False
    """Say in the error what credentials came."""


class FaultServer:
    """Answers ``reply`` to every request, and keeps what came: (path, headers, body)."""

    def __init__(self, wrap: Callable[[ThreadingHTTPServer], None] = lambda server: None) -> None:
        self.reply = Reply()
        self.requests: list[tuple[str, dict[str, str], str]] = []
        self.stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        wrap(self._server)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        reply = self.reply
        self.stopping.wait(reply.silent_seconds)
        content = reply.body
        if reply.echoes_headers:
            content = reply.body % repr(dict(handler.headers.items())).replace('"', "'").encode()
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if reply.closes_after is not None:
            handler.wfile.write(content[: reply.closes_after])
            handler.close_connection = True
        elif reply.drip_seconds:
            for byte in content:
                if self.stopping.wait(reply.drip_seconds):
                    return
                handler.wfile.write(bytes([byte]))
        else:
            handler.wfile.write(content)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                server.requests.append((self.path, dict(self.headers.items()), body))
                server.answer(self)

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                # A client that gave up is what these tests are about.
                with suppress(OSError):
                    super().handle()

        return Handler

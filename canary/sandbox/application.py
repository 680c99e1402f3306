"""The application of the sandbox's pods: `python -m canary.sandbox.application --behaviour "errors=20%"`.

Answers every path with a small JSON body (version, pod), also named in the headers `x-sandbox-version` and
`x-sandbox-pod`, and misbehaves as it is told (behaviour.py). `/healthz` tells readiness, and `/metrics` the
application's own metrics: each request is an order, `orders_total{result="ok|failed"}`, and those that are
not worked off wait, `orders_waiting`; beside them, in place of a proxy of its own, the answers that it gave
and how long they took. Both paths are always fast and never count as requests. A request that comes before
readiness gets 503. SIGTERM drains: readiness fails, requests are served until none has come for
`--drain-quiet` seconds (so the traffic has been taken away), at most `--drain-limit` seconds; then the
process exits with 0. A second SIGTERM exits at once.

Plain asyncio, no web framework: hundreds of requests per second must cost a few percent of one core.
"""

import argparse
import asyncio
import contextlib
import ipaddress
import json
import math
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from canary.sandbox.behaviour import Behaviour, InvalidBehaviour, RequestRate, parse_behaviour
from canary.sandbox.files import replace_text

_EDGES = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, math.inf)
"""Some of Istio's, in milliseconds: what is counted is how long an answer was put off."""
_MAX_REQUEST_BYTES = 65536
_HEALTH_PATH = b"/healthz"
_METRICS_PATH = b"/metrics"
_JSON = "application/json"
_EXPOSITION = "text/plain; version=0.0.4"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def _le(edge: float) -> str:
    return "+Inf" if edge == math.inf else f"{edge:g}"


@dataclass(frozen=True, slots=True)
class Drain:
    """When an application leaves: after `quiet_seconds` without a request, at last after `limit_seconds`."""

    quiet_seconds: float
    limit_seconds: float


class Application:
    """State shared by all connections: readiness, the random sources, the observed rate, the orders."""

    def __init__(self, behaviour: Behaviour, version: str, pod: str, seed: int) -> None:
        self.behaviour = behaviour
        self.headers = f"x-sandbox-version: {version}\r\nx-sandbox-pod: {pod}\r\n"
        self.body = json.dumps({"version": version, "pod": pod}) + "\n"
        self.draining = False
        self.in_flight = 0
        self.last_request = 0.0
        self._random = random.Random(seed)  # noqa: S311 - a repeatable pattern is the point
        # Of their own, so that orders do not shift the pattern of errors.
        self._order_random = random.Random(seed + 1)  # noqa: S311 - the same
        self._orders: Counter[str] = Counter()
        self._waiting_orders = 0.0
        self._answers: Counter[int] = Counter()
        self._durations: Counter[float] = Counter()
        self._started_at = time.time()
        self._rate = RequestRate()
        self._is_never_ready = behaviour.never_ready or behaviour.ready_in not in pod
        self._ready_at = asyncio.get_running_loop().time() + behaviour.ready_after_seconds

    def is_ready(self, now: float) -> bool:
        """Whether `/healthz` says yes."""
        return not self._is_never_ready and not self.draining and now >= self._ready_at

    def judge(self, now: float) -> tuple[int, float]:
        """The status and the delay in seconds of a request that arrives now."""
        behaviour = self.behaviour
        self._rate.count(now)
        self.last_request = now
        # Both draws are made for every request, so that one setting does not shift the pattern of the other.
        fails = self._random.random() < behaviour.error_share
        slow = self._random.random() < behaviour.latency_share
        if self._rate.per_second(now) <= behaviour.slow_above_per_second:
            slow = False
        if self._answers.total() < behaviour.late_requests:
            fails = False
        fails_order = self._order_random.random() < behaviour.failed_order_share
        self._orders["failed" if fails_order else "ok"] += 1
        self._waiting_orders += behaviour.waiting_order_share
        status, delay = behaviour.error_status if fails else 200, behaviour.latency_seconds if slow else 0.0
        self._answers[status] += 1
        self._durations[next(edge for edge in _EDGES if 1000 * delay <= edge)] += 1
        return status, delay

    def metrics(self) -> str:
        """What is exposed, in Prometheus' text format: orders and answers are there from their first on."""
        lines = [
            "# TYPE process_start_time_seconds gauge",
            f"process_start_time_seconds {self._started_at:.3f}",
        ]
        lines += ["# TYPE orders_total counter"]
        lines += [
            f'orders_total{{result="{result}"}} {count}' for result, count in sorted(self._orders.items())
        ]
        lines += ["# TYPE orders_waiting gauge", f"orders_waiting {int(self._waiting_orders)}"]
        lines += ["# TYPE istio_requests_total counter"]
        lines += [
            f'istio_requests_total{{response_code="{status}"}} {count}'
            for status, count in sorted(self._answers.items())
        ]
        lines += ["# TYPE istio_request_duration_milliseconds histogram"]
        buckets = zip(_EDGES, accumulate(self._durations[edge] for edge in _EDGES), strict=True)
        lines += [
            f'istio_request_duration_milliseconds_bucket{{le="{_le(edge)}"}} {count}'
            for edge, count in buckets
            if self._durations
        ]
        return "\n".join([*lines, ""])

    async def drained(self, drain: Drain) -> None:
        """Fail readiness, then return when traffic has gone and all is answered, or at the limit."""
        loop = asyncio.get_running_loop()
        self.draining = True
        begun = loop.time()
        while loop.time() < begun + drain.limit_seconds:
            if not self.in_flight and loop.time() - max(begun, self.last_request) >= drain.quiet_seconds:
                return
            await asyncio.sleep(0.05)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 keep-alive connection; requests are answered in order."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call: the connection is open."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server gives nothing else
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Asyncio's call: the peer is gone."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Asyncio's call: collect requests; answer those that are whole."""
        self._buffer += data
        self._serve()

    def _serve(self) -> None:
        while not self._busy and self._transport is not None and not self._transport.is_closing():
            path = self._take_request()
            if path is None:
                break
            self._answer(path)
        if len(self._buffer) > _MAX_REQUEST_BYTES:
            self._refuse(413)

    def _take_request(self) -> bytes | None:
        """Remove one whole request from the buffer; its path, or None when there is none yet."""
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        request_line, *headers = bytes(self._buffer[:head_end]).split(b"\r\n")
        words = request_line.split(b" ")
        length = _body_length(headers)
        if len(words) != 3 or length is None:
            self._refuse(400)
        elif length > _MAX_REQUEST_BYTES:
            self._refuse(413)
        elif len(self._buffer) >= head_end + 4 + length:
            del self._buffer[: head_end + 4 + length]
            return words[1]
        return None

    def _answer(self, path: bytes) -> None:
        loop = asyncio.get_running_loop()
        application = self._application
        match path.partition(b"?")[0]:
            case name if name == _HEALTH_PATH:
                self._write(200 if application.is_ready(loop.time()) else 503)
                return
            case name if name == _METRICS_PATH:
                self._write(200, application.metrics(), _EXPOSITION)
                return
            case _:
                pass
        if not application.draining and not application.is_ready(loop.time()):
            # Nothing ought to send users here yet: that it did must not go unseen.
            self._write(503)
            return
        status, delay_seconds = application.judge(loop.time())
        if delay_seconds:
            application.in_flight += 1
            self._busy = True
            loop.call_later(delay_seconds, self._finish, status)
        else:
            self._write(status)

    def _finish(self, status: int) -> None:
        self._application.in_flight -= 1
        self._busy = False
        self._write(status)
        self._serve()

    def _write(self, status: int, body: str | None = None, content_type: str = _JSON) -> None:
        if self._transport is None:
            return
        application = self._application
        body = application.body if body is None else body
        last = "connection: close\r\n" if application.draining else ""
        head = (
            f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n{application.headers}{last}\r\n"
        )
        self._transport.write((head + body).encode())
        if application.draining:
            self._transport.close()

    def _refuse(self, status: int) -> None:
        if self._transport is not None:
            head = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self._transport.write(head.encode())
            self._transport.close()
            self._buffer.clear()


def _body_length(headers: list[bytes]) -> int | None:
    """Bytes of the body; None for a framing that this server does not speak (chunked, or not a number)."""
    length = 0
    for header in headers:
        name, _, value = header.partition(b":")
        match name.strip().lower():
            case b"content-length":
                if not value.strip().isdigit():
                    return None
                length = int(value)
            case b"transfer-encoding":
                return None
            case _:
                pass
    return length


async def serve(
    application: Application, address: tuple[str, int], address_file: Path | None, drain: Drain
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Writes `host:port` to `address_file` when it listens."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(0)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    server = await loop.create_server(lambda: Connection(application), *address)
    host, port = server.sockets[0].getsockname()[:2]
    if address_file is not None:
        replace_text(address_file, f"{host}:{port}")
    sys.stderr.write(f"listening on {host}:{port}\n")
    crash = application.behaviour.crash_after_seconds
    if crash is not None:
        loop.call_later(crash, os._exit, 1)
    await stop.wait()
    await application.drained(drain)
    server.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m canary.sandbox.application", description="A small HTTP application."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--address-file", type=Path, help="takes host:port once the application listens")
    parser.add_argument("--behaviour", default="", help='for example "errors=20%% latency=800ms@50%%"')
    parser.add_argument("--version", default="v1")
    parser.add_argument("--pod", default="")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drain-quiet", type=float, default=0.5)
    parser.add_argument("--drain-limit", type=float, default=10.0)
    return parser.parse_args()


async def _run(arguments: argparse.Namespace, behaviour: Behaviour) -> None:
    application = Application(behaviour, arguments.version, arguments.pod, arguments.seed)
    drain = Drain(arguments.drain_quiet, arguments.drain_limit)
    await serve(application, (arguments.host, arguments.port), arguments.address_file, drain)


def main() -> None:
    """Entry point of the process."""
    arguments = _arguments()
    try:
        ipaddress.ip_address(arguments.host)
        behaviour = parse_behaviour(arguments.behaviour)
    except InvalidBehaviour as exc:
        sys.exit(f"--behaviour: {exc}")
    except ValueError:
        sys.exit(f"--host: {arguments.host!r} is not an IP address")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(arguments, behaviour))


if __name__ == "__main__":
    main()

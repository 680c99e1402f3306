"""A steady source of real requests: `python -m canary.sandbox.traffic --url URL --host HOST --out FILE`.

Open loop: requests are sent when they are due, whether or not earlier ones were answered, so a slow service
does not thin its own traffic out. The schedule is one request per 1/rate seconds at a seeded random point
of that slot. Bounded: at most 2,000 requests per second, at most `--in-flight` of them unanswered (more are
counted as "overload" and not sent), each with a timeout. Only loopback addresses are accepted: this is no
tool against anybody's service.
"""

import argparse
import asyncio
import ipaddress
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from canary.sandbox.http_pool import HttpPool
from canary.sandbox.traffic_log import Outcome, Tally

MAX_RATE_PER_SECOND = 2000.0
_FLUSH_SECONDS = 1.0


class RefusedTraffic(ValueError):
    """A rate or a target that this source will not serve; the message says what it would."""


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """What to send, where and how fast. Raises RefusedTraffic for what is out of bounds."""

    url: str
    host: str
    rate_per_second: float
    duration_seconds: float | None
    seed: int
    timeout_seconds: float
    in_flight: int
    paths: tuple[str, ...]
    slow_above_ms: float

    def __post_init__(self) -> None:
        if not 0 < self.rate_per_second <= MAX_RATE_PER_SECOND:
            raise RefusedTraffic(
                f"--rate {self.rate_per_second:g}: must be above 0 and at most {MAX_RATE_PER_SECOND:g}"
            )
        loopback_address(self.url)


def loopback_address(url: str) -> tuple[str, int]:
    """Host and port of an http URL on loopback. Raises RefusedTraffic."""
    parts = urlsplit(url)
    try:
        is_loopback = parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise RefusedTraffic(
            f"--url {url!r}: only http URLs with a loopback address, such as http://127.0.0.1:8080"
        )
    return str(parts.hostname), parts.port or 80


def schedule(plan: TrafficPlan) -> Iterator[tuple[float, str]]:
    """When (seconds after the start) to request which path; the same for the same plan."""
    rng = random.Random(plan.seed)  # noqa: S311 - a repeatable schedule is the point
    slot = 0
    while True:
        due_seconds = (slot + rng.random()) / plan.rate_per_second
        if plan.duration_seconds is not None and slot >= plan.duration_seconds * plan.rate_per_second:
            return
        yield due_seconds, rng.choice(plan.paths)
        slot += 1


class Traffic:
    """Carries out one plan and writes what came back."""

    def __init__(self, plan: TrafficPlan, out: TextIO) -> None:
        self._plan = plan
        self._out = out
        self._pool = HttpPool(loopback_address(plan.url), plan.host)
        self._tally = Tally(plan.slow_above_ms)
        self._requests: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until the plan is done or `stop` is set, wait for the answers, write the last lines."""
        flusher = asyncio.create_task(self._flush_forever())
        try:
            await self._send(stop)
            if self._requests:
                await asyncio.wait(self._requests, timeout=self._plan.timeout_seconds + 1)
        finally:
            flusher.cancel()
            for request in self._requests:
                request.cancel()
            self._flush(sys.maxsize)
            await self._pool.close()

    async def _send(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for due_seconds, path in schedule(self._plan):
            wait_seconds = begun + due_seconds - loop.time()
            if wait_seconds > 0:
                await _sleep_unless(stop, wait_seconds)
            if stop.is_set():
                return
            if len(self._requests) >= self._plan.in_flight:
                self._record(Outcome("", "", 0, "overload", 0.0))
                await asyncio.sleep(0)
                continue
            request = asyncio.create_task(self._request(path))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)

    async def _request(self, path: str) -> None:
        begun = time.perf_counter()
        version, pod, status, error = "", "", 0, ""
        try:
            answer = await self._pool.get(path, self._plan.timeout_seconds)
        except TimeoutError:
            error = "timeout"
        except OSError as exc:
            error = type(exc).__name__
        else:
            status = answer.status
            version = answer.headers.get("x-sandbox-version", "")
            pod = answer.headers.get("x-sandbox-pod", "")
        self._record(Outcome(version, pod, status, error, (time.perf_counter() - begun) * 1000))

    def _record(self, outcome: Outcome) -> None:
        self._tally.add(int(time.time()), outcome)

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            self._flush(int(time.time()))

    def _flush(self, before_second: int) -> None:
        self._out.writelines(self._tally.take_before(before_second))
        self._out.flush()


async def _sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    # Plain sleeping in short pieces is far cheaper than waiting for an event with a timeout at every request.
    deadline = asyncio.get_running_loop().time() + seconds
    while not stop.is_set() and (left := deadline - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(min(left, 0.1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.traffic", description="Steady traffic.")
    parser.add_argument("--url", required=True, help="http://127.0.0.1:PORT")
    parser.add_argument("--host", required=True, help="the Host header, such as myapp.shop.svc.cluster.local")
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    parser.add_argument("--duration", type=float, help="seconds; without it, until SIGTERM")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds until a request is given up")
    parser.add_argument("--in-flight", type=int, default=512, help="most unanswered requests at a time")
    parser.add_argument("--path", action="append", help="may be given several times; one is chosen at random")
    parser.add_argument("--slow-above", type=float, default=500.0, help="milliseconds")
    parser.add_argument("--out", type=Path, required=True, help="takes the JSON lines")
    return parser.parse_args()


async def _run(plan: TrafficPlan, out: TextIO) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Traffic(plan, out).run(stop)


def main() -> None:
    """Entry point of the process."""
    arguments = _arguments()
    try:
        plan = TrafficPlan(
            url=arguments.url,
            host=arguments.host,
            rate_per_second=arguments.rate,
            duration_seconds=arguments.duration,
            seed=arguments.seed,
            timeout_seconds=arguments.timeout,
            in_flight=arguments.in_flight,
            paths=tuple(arguments.path or ["/"]),
            slow_above_ms=arguments.slow_above,
        )
    except RefusedTraffic as exc:
        sys.exit(f"refused: {exc}")
    with arguments.out.open("a", encoding="utf-8") as out:
        asyncio.run(_run(plan, out))


if __name__ == "__main__":
    main()

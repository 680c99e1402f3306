"""/livez, /readyz and /metrics over HTTP: whether the process works, may be asked, and what it measured.

Each endpoint answers 200 or 503 and names the checks that fail; ``?verbose`` names them all. A check is a
callable that returns None, or what is wrong in words.
"""

import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from canary.entrypoints.http_server import Answer, HttpServer, Request

__all__ = ["Check", "Heartbeat", "health_server"]

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


def health_server(
    address: tuple[str, int],
    registry: CollectorRegistry,
    live: Mapping[str, Check],
    ready: Mapping[str, Check],
) -> HttpServer:
    """Return the server, not started; raises ``OSError`` when the address cannot be had."""
    checks = {"/livez": live, "/readyz": ready}

    def answer(request: Request) -> Answer:
        if request.path == "/metrics":
            encode, content_type = choose_encoder(request.accept)
            return Answer(200, encode(registry), content_type)
        if request.path in checks:
            is_verbose = "verbose" in request.query
            status, text = _report(request.path, checks[request.path], is_verbose)
            return Answer(status, text.encode())
        known = ", ".join(["/metrics", *checks])
        return Answer(404, f"nothing here; there are {known}\n".encode())

    return HttpServer(address, answer)


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

"""A small HTTP/1.1 client on asyncio streams: GET over kept connections, one request at a time on each.

Just enough for a source of traffic: answers must carry a content-length, as Envoy's and the application's do.
"""

import asyncio
from dataclasses import dataclass

_MAX_IDLE = 256


class BrokenAnswer(OSError):
    """The peer closed the connection or sent what is not an HTTP answer with a content-length."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and headers (names in lower case); the body is read and dropped."""

    status: int
    headers: dict[str, str]


class HttpPool:
    """Connections to one address, for requests with one Host header."""

    def __init__(self, address: tuple[str, int], host: str) -> None:
        self._address = address
        self._host = host
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str, timeout_seconds: float) -> Answer:
        """Send one request. Raises TimeoutError, or OSError when there is no connection or answer."""
        async with asyncio.timeout(timeout_seconds):
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(*self._address)
            kept = False
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nhost: {self._host}\r\n\r\n".encode())
                answer = await _read_answer(reader)
                kept = answer.headers.get("connection") != "close" and len(self._idle) < _MAX_IDLE
                return answer
            finally:
                if kept:
                    self._idle.append((reader, writer))
                else:
                    writer.close()

    async def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
        # One turn of the loop, so that the transports are gone before the loop is.
        await asyncio.sleep(0)


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        await reader.readexactly(int(headers["content-length"]))
        return Answer(int(status_line.split(" ")[1]), headers)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as exc:
        raise BrokenAnswer(f"no whole answer: {exc}") from exc
    except (KeyError, ValueError, IndexError) as exc:
        raise BrokenAnswer(f"not an HTTP answer with a content-length: {exc}") from exc

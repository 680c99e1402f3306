"""A browser for tests: one request over real HTTP on loopback, and all that came back."""

import http.client
from dataclasses import dataclass

from canary.entrypoints.http_server import HttpServer

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it arrived; names of headers in small letters."""

    status: int
    headers: dict[str, str]
    text: str


def ask(server: HttpServer, path: str, method: str = "GET", accept: str = "*/*") -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, headers={"Accept": accept})
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, headers, answer.read().decode())
    finally:
        connection.close()

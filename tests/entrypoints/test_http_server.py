"""The HTTP server of the controller: bounded, read-only, and the same careful headers on every answer."""

import socket
import threading
from collections.abc import Iterator

import pytest

from canary.entrypoints.http_server import MOST_AT_ONCE, Answer, HttpServer, Request
from tests.entrypoints.browser import PATIENCE_SECONDS, ask

LOOPBACK = ("127.0.0.1", 0)


def answer(request: Request) -> Answer:
    if request.path == "/defect":
        raise KeyError("something")
    text = f"{request.path} {dict(request.query)} {request.accept}\n"
    return Answer(200, text.encode(), headers={"Content-Security-Policy": "default-src 'self'"})


@pytest.fixture
def server() -> Iterator[HttpServer]:
    server = HttpServer(LOOPBACK, answer)
    server.start()
    yield server
    server.stop()


def test_path_query_and_formats_reach_the_answer(server: HttpServer) -> None:
    reply = ask(server, "/a/b?x=1&x=2&y", accept="text/html")
    assert (reply.status, reply.text) == (200, "/a/b {'x': ['1', '2'], 'y': ['']} text/html\n")


def test_head_is_get_without_a_body(server: HttpServer) -> None:
    get, head = ask(server, "/"), ask(server, "/", "HEAD")
    assert (head.status, head.text) == (200, "")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    assert int(head.headers["content-length"]) == len(get.text)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_nothing_can_be_asked_for_but_get_and_head(server: HttpServer, method: str) -> None:
    reply = ask(server, "/", method)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
    assert reply.text == "only GET, HEAD are served here\n"


@pytest.mark.parametrize(("path", "method"), [("/", "GET"), ("/defect", "GET"), ("/", "POST"), ("/", "HEAD")])
def test_no_answer_may_be_kept_or_guessed_about(server: HttpServer, path: str, method: str) -> None:
    headers = ask(server, path, method).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers


def test_answer_allows_nothing_to_be_loaded_unless_it_says_so(server: HttpServer) -> None:
    refused = ask(server, "/", "POST").headers["content-security-policy"]
    assert refused == "default-src 'none'; frame-ancestors 'none'"
    assert ask(server, "/").headers["content-security-policy"] == "default-src 'self'"


def test_defect_is_told_to_the_log_and_not_to_the_client(server: HttpServer) -> None:
    reply = ask(server, "/defect")
    assert (reply.status, reply.text) == (500, "a defect: see the controller's log\n")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET http://[ HTTP/1.0", b"400"),
        (b"GET / / HTTP/1.0", b"400"),
        (b"GET / HTTP/9.0", b"505"),
        (b"GET /" + 70_000 * b"a" + b" HTTP/1.0", b"414"),
    ],
)
def test_request_that_cannot_be_read_is_refused_without_being_repeated(
    server: HttpServer, line: bytes, status: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as client:
        client.sendall(line + b"\r\n\r\n")
        received = b""
        while part := client.recv(4096):
            received += part
    assert received.split()[1] == status
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in received
    assert line.split()[1] not in received.partition(b"\r\n\r\n")[2].split()


def test_start_says_which_port_was_free() -> None:
    server = HttpServer(LOOPBACK, answer)
    try:
        assert server.start() == server.port != 0
    finally:
        server.stop()


def test_stopped_server_frees_its_port(server: HttpServer) -> None:
    port = server.port
    server.stop()
    with socket.create_server(("127.0.0.1", port)) as again:
        assert again.getsockname()[1] == port


def test_server_that_never_started_stops_too() -> None:
    HttpServer(LOOPBACK, answer).stop()


def test_taken_port_is_an_error_at_once(server: HttpServer) -> None:
    with pytest.raises(OSError, match="in use"):
        HttpServer(("127.0.0.1", server.port), answer)


def test_client_that_says_nothing_keeps_nobody_else_waiting(server: HttpServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS):
        assert ask(server, "/").status == 200


def test_clients_without_end_do_not_become_threads_without_end(server: HttpServer) -> None:
    before = threading.active_count()
    address = ("127.0.0.1", server.port)
    clients = [socket.create_connection(address, PATIENCE_SECONDS) for _ in range(3 * MOST_AT_ONCE)]
    try:
        # The last one is turned away: by then all others have been looked at.
        clients[-1].settimeout(PATIENCE_SECONDS)
        assert clients[-1].recv(1) == b""
        assert threading.active_count() - before <= MOST_AT_ONCE
    finally:
        for client in clients:
            client.close()

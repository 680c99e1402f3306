"""Claims about every way of not answering: each has its own reason, and none shows a secret."""

import base64
import gzip
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from canary.adapters.prometheus.access import BasicAuth, ClientCertificate, PrometheusAccess
from canary.adapters.prometheus.client import PrometheusSource
from canary.app.ports import MetricsUnavailable
from canary.domain.measurement import NoData, NoDataReason
from canary.entrypoints.clock import SystemClock
from tests.adapters.prometheus_rig import FaultServer, Reply
from tests.app.metrics_world import EPOCH, TARGET, request_labels

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html; charset=utf-8"}
LOGIN_PAGE = b"<html><title>Log in</title></html>"


@pytest.fixture(scope="module")
def shared() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


@pytest.fixture
def server(shared: FaultServer) -> FaultServer:
    shared.reply = Reply()
    shared.requests.clear()
    return shared


def access_to(server: FaultServer, **more: object) -> PrometheusAccess:
    return PrometheusAccess(f"http://127.0.0.1:{server.port}/prom/", **{"timeout_seconds": 3.0, **more})  # type: ignore[arg-type]


def refusal(access: PrometheusAccess) -> NoData:
    source = PrometheusSource(access, SystemClock())
    try:
        with pytest.raises(MetricsUnavailable) as caught:
            source.fetch([TARGET], EPOCH, 10)
    finally:
        source.close()
    assert caught.value.__cause__ is None or caught.value.__suppress_context__
    return caught.value.no_data


def api_error(kind: str, words: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": words}).encode()


def api_answer(result: object, kind: str = "matrix", **more: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        (
            Reply(400, api_error("bad_data", "parse error at char 7")),
            NoDataReason.REJECTED,
            "parse error at char 7",
        ),
        (Reply(422, api_error("execution", "too many samples")), NoDataReason.REJECTED, "too many samples"),
        (Reply(401, LOGIN_PAGE, HTML), NoDataReason.UNAUTHORIZED, "401"),
        (Reply(403, b"no", {}), NoDataReason.UNAUTHORIZED, "403"),
        (Reply(503, b"Service Unavailable", HTML), NoDataReason.SERVER_ERROR, "503"),
        (Reply(503, api_error("timeout", "query timed out")), NoDataReason.TIMEOUT, "query timed out"),
        (Reply(504, LOGIN_PAGE, HTML), NoDataReason.TIMEOUT, "504"),
        (Reply(500, b""), NoDataReason.SERVER_ERROR, "500"),
        (Reply(429, b"slow down", {}), NoDataReason.SERVER_ERROR, "429"),
        (Reply(404, LOGIN_PAGE, HTML), NoDataReason.NOT_PROMETHEUS, "404"),
        (Reply(200, LOGIN_PAGE, HTML), NoDataReason.NOT_PROMETHEUS, "text/html"),
        (Reply(302, b"", {"Location": "https://login.example/"}), NoDataReason.NOT_PROMETHEUS, "redirect"),
        (Reply(200, b"[]"), NoDataReason.NOT_PROMETHEUS, "JSON"),
        (Reply(200, b'{"status":"success"}'), NoDataReason.NOT_PROMETHEUS, "a matrix"),
        (Reply(200, b'{"status":"success","data":[1]}'), NoDataReason.NOT_PROMETHEUS, "a matrix"),
        (Reply(200, api_error("internal", "disk on fire")), NoDataReason.SERVER_ERROR, "disk on fire"),
        (Reply(200, api_answer([1.0, "5"], "scalar")), NoDataReason.NOT_PROMETHEUS, "a matrix"),
        (
            Reply(200, api_answer([{"metric": {}, "value": [1.0, "5"]}], "vector")),
            NoDataReason.NOT_PROMETHEUS,
            "a matrix",
        ),
        (
            Reply(200, api_answer([{"metric": {}, "values": [[1, 5]]}])),
            NoDataReason.NOT_PROMETHEUS,
            "a matrix",
        ),
        (
            Reply(200, api_answer([{"metric": {}, "values": [[1, "x"]]}])),
            NoDataReason.NOT_PROMETHEUS,
            "no numbers",
        ),
        (Reply(200, api_answer([], warnings=["store A is down"])), NoDataReason.PARTIAL, "store A is down"),
        (Reply(200, api_answer([]), JSON, closes_after=9), NoDataReason.UNREACHABLE, ""),
        (Reply(200, b"not gzip", {**JSON, "Content-Encoding": "gzip"}), NoDataReason.UNREACHABLE, ""),
    ],
    ids=lambda value: value.status if isinstance(value, Reply) else None,
)
def test_an_answer_that_cannot_be_counted_by_has_its_own_reason(
    server: FaultServer, reply: Reply, reason: NoDataReason, words: str
) -> None:
    server.reply = reply
    found = refusal(access_to(server))
    assert found.reason is reason
    assert words in found.detail
    assert f"127.0.0.1:{server.port}/prom" in found.detail
    assert "Log in" not in found.detail
    assert len(server.requests) == 1


def test_infos_and_no_warnings_are_no_reason_to_refuse(server: FaultServer) -> None:
    server.reply = Reply(200, api_answer([], infos=["metric might not be a counter"], warnings=[]))
    assert PrometheusSource(access_to(server), SystemClock()).fetch([TARGET], EPOCH, 10) == ()


def test_a_compressed_answer_is_read_and_numbers_that_are_none_come_through(server: FaultServer) -> None:
    row = {"metric": {"__name__": "x"}, "values": [[1.5, "7"], [2.5, "NaN"], [3.5, "+Inf"]]}
    server.reply = Reply(200, gzip.compress(api_answer([row])), {**JSON, "Content-Encoding": "gzip"})
    (series,) = PrometheusSource(access_to(server), SystemClock()).fetch([TARGET], EPOCH, 10)
    assert [str(sample.value) for sample in series.samples] == ["7.0", "nan", "inf"]


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        found = refusal(PrometheusAccess(f"http://127.0.0.1:{unused.getsockname()[1]}"))
    assert found.reason is NoDataReason.UNREACHABLE
    assert "refused" in found.detail


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    assert refusal(PrometheusAccess("http://nowhere.invalid:9090")).reason is NoDataReason.UNREACHABLE


@pytest.mark.parametrize(
    "reply", [Reply(silent_seconds=30), Reply(drip_seconds=0.05)], ids=["silent", "dripping"]
)
def test_a_server_that_hangs_or_drips_is_a_timeout_soon(server: FaultServer, reply: Reply) -> None:
    server.reply = reply
    assert refusal(access_to(server, timeout_seconds=0.1)).reason is NoDataReason.TIMEOUT


def test_an_answer_is_never_read_beyond_its_bound(server: FaultServer) -> None:
    # A few kilobytes that unpack to a hundred megabytes.
    server.reply = Reply(200, gzip.compress(b" " * 100_000_000), {**JSON, "Content-Encoding": "gzip"})
    found = refusal(access_to(server, max_answer_bytes=1_000_000))
    assert found.reason is NoDataReason.REJECTED
    assert "larger than 1000000 bytes" in found.detail


def test_the_query_is_in_the_body_with_an_explicit_time_and_a_timeout(server: FaultServer) -> None:
    PrometheusSource(access_to(server), SystemClock()).fetch([TARGET], EPOCH, 10)
    path, headers, body = server.requests[0]
    assert path == "/prom/api/v1/query"
    assert "gzip" in headers["Accept-Encoding"]
    assert parse_qs(body) == {
        "query": [
            'istio_requests_total{reporter=~"destination|source",destination_service="checkout.shop.svc.cluster.local"}[10000ms]'
        ],
        "time": ["1700000000.000"],
        "timeout": ["3000ms"],
    }


def test_how_long_processes_live_is_asked_of_what_judges_and_not_of_every_pod(server: FaultServer) -> None:
    found = [
        {
            "metric": {**request_labels("checkout", reporter=reporter), "job": "mesh", "instance": instance},
            "values": [[EPOCH - 1, "7"]],
        }
        for reporter, instance in (("source", "gateway:15020"), ("destination", "pod:15020"))
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": found}}
    server.reply = Reply(body=json.dumps(answer).encode(), headers=JSON)
    PrometheusSource(access_to(server), SystemClock()).fetch([TARGET], EPOCH, 10)
    queries = [parse_qs(body)["query"][0] for _, _, body in server.requests]
    assert [query.partition("{")[0] for query in queries] == ["istio_requests_total", ""]
    assert 'instance="gateway:15020"' in queries[1]
    assert "pod:15020" not in queries[1]


def test_a_token_file_is_read_anew_for_each_query(server: FaultServer, tmp_path: Path) -> None:
    token = tmp_path / "token"
    source = PrometheusSource(access_to(server, bearer_token_file=token), SystemClock())
    for text in ("first", "second\n"):
        token.write_text(text)
        source.fetch([TARGET], EPOCH, 10)
        assert server.requests[-1][1]["Authorization"] == f"Bearer {text.strip()}"
    for unusable in (b"", b"two\nlines", b"\xff\xfe"):
        token.write_bytes(unusable)
        with pytest.raises(MetricsUnavailable, match="token file"):
            source.fetch([TARGET], EPOCH, 10)
    token.unlink()
    with pytest.raises(MetricsUnavailable, match="No such file"):
        source.fetch([TARGET], EPOCH, 10)


def test_credentials_and_headers_are_sent_and_the_environment_has_no_say(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    access = access_to(server, basic_auth=BasicAuth("ännie", "pässwörd"), headers={"X-Scope-OrgID": "team-a"})
    PrometheusSource(access, SystemClock()).fetch([TARGET], EPOCH, 10)
    headers = server.requests[0][1]
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "ännie:pässwörd"
    assert headers["X-Scope-OrgID"] == "team-a"


def test_a_server_that_repeats_our_secrets_does_not_get_them_into_the_detail(
    server: FaultServer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cr3t-token")
    ways: list[dict[str, object]] = [
        {"bearer_token_file": token},
        {"basic_auth": BasicAuth("annie", "s3cr3t-pass")},
        {"headers": {"X-Api-Key": "s3cr3t-key"}},
    ]
    for way in ways:
        access = access_to(server, **way)
        server.reply = Reply(
            400, b'{"status":"error","errorType":"bad_data","error":"%s"}', echoes_headers=True
        )
        detail = refusal(access).detail
        assert "***" in detail
        assert "s3cr3t" not in detail
        assert base64.b64encode(b"annie:s3cr3t-pass").decode() not in detail
        assert "s3cr3t" not in repr(access)


def test_header_values_that_cannot_be_sent_are_not_shown(server: FaultServer) -> None:
    found = refusal(access_to(server, headers={"X-Api-Key": "s3cr3t\nX-Other: 1"}))
    assert "s3cr3t" not in found.detail


@pytest.mark.parametrize(
    "url", ["prometheus:9090", "ftp://p", "http://", "http://p/?a=1", "http://annie:s3cr3t@p:9090"]
)
def test_a_url_that_cannot_work_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        PrometheusAccess(url)
    assert "s3cr3t" not in str(caught.value)


def test_a_host_that_is_no_dns_name_is_refused_before_anything_is_sent(server: FaultServer) -> None:
    evil = replace(TARGET, hosts=frozenset({'x"} or up{a="'}))
    with pytest.raises(MetricsUnavailable) as caught:
        PrometheusSource(access_to(server), SystemClock()).fetch([evil], EPOCH, 10)
    assert caught.value.no_data.reason is NoDataReason.REJECTED
    assert server.requests == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", directory / "key.pem", "-out", directory / "cert.pem", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return directory


@pytest.fixture(scope="module")
def tls_server(authority: Path) -> Iterator[FaultServer]:
    def wrap(server: ThreadingHTTPServer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
        context.load_verify_locations(authority / "cert.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)

    server = FaultServer(wrap)
    yield server
    server.close()


def test_a_custom_authority_and_a_client_certificate_are_used_whatever_the_environment_says(
    tls_server: FaultServer, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    url = f"https://127.0.0.1:{tls_server.port}"
    identity = ClientCertificate(authority / "cert.pem", authority / "key.pem")
    access = PrometheusAccess(url, ca_file=authority / "cert.pem", client_certificate=identity)
    assert PrometheusSource(access, SystemClock()).fetch([TARGET], EPOCH, 10) == ()


def test_an_unknown_authority_is_unreachable_and_says_why(tls_server: FaultServer) -> None:
    found = refusal(PrometheusAccess(f"https://127.0.0.1:{tls_server.port}"))
    assert found.reason is NoDataReason.UNREACHABLE
    assert "TLS: self" in found.detail


def test_a_missing_authority_file_is_named(tls_server: FaultServer, tmp_path: Path) -> None:
    access = PrometheusAccess(f"https://127.0.0.1:{tls_server.port}", ca_file=tmp_path / "ca.pem")
    assert "ca.pem" in refusal(access).detail

"""An audit is passed when every locked package was looked up; that it could not be made is its own result."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from requirements.audit import findings, never_looked_up
from requirements.locks import LOCKS, read
from tests.chart.rendering import ROOT

Json = dict[str, Any]
CLOSED = "http://127.0.0.1:9/"
KNOWN = {
    "id": "GHSA-0000-0000-0000",
    "aliases": ["CVE-2099-0001"],
    "summary": "answers to strangers",
    "affected": [
        {
            "package": {"name": "starlette", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


@contextmanager
def service(
    status: int, answers: dict[str, Any], *, otherwise: bytes = b"{}"
) -> Iterator[tuple[str, list[str]]]:
    """A vulnerability service that speaks OSV's protocol: its address, and what it was asked about."""
    asked: list[str] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            asked.append(name)
            body = json.dumps(answers[name]).encode() if name in answers else otherwise
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", asked
        finally:
            server.shutdown()
            thread.join()


def audit(url: str, cache: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "requirements.audit", "--vulnerability-service=osv", f"--osv-url={url}"]
    command += [f"--cache-dir={cache}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.slow
def test_every_locked_package_is_asked_about_and_none_known_passes(tmp_path: Path) -> None:
    with service(200, {}) as (url, asked):
        done = audit(url, tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(asked) == sorted(
        {one.name for lock in LOCKS for one in read(lock) if one.is_installed_on({})}
    )
    assert f"{len(asked)} packages of core.lock, sandbox.lock, dev.lock have no known" in done.stdout


@pytest.mark.slow
def test_a_known_vulnerability_fails_and_says_where_and_what_mends_it(tmp_path: Path) -> None:
    with service(200, {"starlette": {"vulns": [KNOWN]}}) as (url, _):
        done = audit(url, tmp_path)
    assert done.returncode == 1
    version = next(one.version for one in read(LOCKS[1]) if one.name == "starlette")
    place = "(sandbox.lock, dev.lock)"
    assert done.stdout == f"starlette {version} {place}: CVE-2099-0001, mended by 99.0\n"


@pytest.mark.slow
def test_a_service_that_cannot_be_reached_is_neither_a_pass_nor_a_finding(tmp_path: Path) -> None:
    done = audit(CLOSED, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "it cannot be said whether what is locked has known vulnerabilities" in done.stderr
    assert "Connection refused" in done.stderr


@pytest.mark.slow
def test_a_service_that_fails_is_neither_a_pass_nor_a_finding(tmp_path: Path) -> None:
    with service(503, {}) as (url, _):
        done = audit(url, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be said" in done.stderr


@pytest.mark.slow
def test_a_page_instead_of_an_answer_is_neither_a_pass_nor_a_finding(tmp_path: Path) -> None:
    with service(200, {}, otherwise=b"<html>please log in</html>") as (url, _):
        done = audit(url, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be said" in done.stderr


def test_a_package_that_was_skipped_was_not_looked_up() -> None:
    report = {
        "dependencies": [
            {"name": "idna", "version": "3.20", "vulns": []},
            {"name": "rich", "skip_reason": "Dependency not found and could not be audited: rich (15.0.0)"},
        ]
    }
    assert never_looked_up(report, ["idna", "rich", "yarl"]) == ["rich", "yarl"]


def test_a_vulnerability_that_nothing_mends_is_said_to_be_one() -> None:
    vulnerable = {"name": "idna", "version": "3.20", "vulns": [{"id": "PYSEC-2099-1", "fix_versions": []}]}
    locks = {"core.lock": ["idna"], "sandbox.lock": ["idna", "rich"], "dev.lock": ["rich"]}
    assert findings({"dependencies": [vulnerable]}, locks) == [
        "idna 3.20 (core.lock, sandbox.lock): PYSEC-2099-1, mended by no version yet"
    ]

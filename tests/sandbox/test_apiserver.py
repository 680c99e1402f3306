"""The sandbox's API server itself: how it starts and stops, its tests' seam, its bounds and its speed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes.client
import kubernetes.config
import msgspec
import pytest
import requests
import yaml

from canary.sandbox.apiserver import Fault, RunningApiServer, SeenRequest, Settings, running_api_server

MAPS = "/api/v1/namespaces/default/configmaps"


class Client:
    """Plain HTTP with the server's token."""

    def __init__(self, server: RunningApiServer) -> None:
        self.server = server
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {server.token}"

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        headers = {"Content-Type": options.pop("content_type", "application/json")}
        data = msgspec.json.encode(body) if body is not None else None
        return self.session.request(
            method, self.server.url + path, data=data, headers=headers, timeout=10, **options
        )

    def make(self, name: str, size: int = 0) -> requests.Response:
        data = {"k": "x" * size} if size else {}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        return self.call("POST", MAPS, body)


@pytest.fixture(scope="module")
def small() -> Iterator[Client]:
    """A server with a short history."""
    with running_api_server(Settings(history=20, bookmark_seconds=0.2)) as server:
        client = Client(server)
        yield client
        client.session.close()


@pytest.fixture
def client(small: Client) -> Iterator[Client]:
    yield small
    small.server.seam.before_response = None
    small.call("DELETE", MAPS)
    small.server.seam.requests.clear()


def test_a_process_writes_its_kubeconfig_when_ready_and_stops_cleanly(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    command = [
        sys.executable,
        "-m",
        "canary.sandbox.apiserver",
        "--port",
        "0",
        "--kubeconfig",
        str(kubeconfig),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + 10
        while not kubeconfig.exists():
            assert time.monotonic() < deadline, "no kubeconfig within 10 s"
            assert process.poll() is None
            time.sleep(0.02)
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        assert document["clusters"][0]["cluster"]["server"].startswith("http://")
        assert kubeconfig.stat().st_mode & 0o077 == 0
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    assert (process.returncode, output) == (0, b"")


def test_stopping_ends_open_watches(client: Client) -> None:
    with running_api_server() as server:
        other = Client(server)
        stream = other.session.get(server.url + MAPS, params={"watch": "true"}, stream=True, timeout=10)
    with stream:
        assert b"".join(stream.iter_content()) == b""


def test_the_python_client_is_let_in_by_the_kubeconfig(client: Client) -> None:
    api = kubernetes.config.new_client_from_config(str(client.server.kubeconfig))
    with api:
        names = [space.metadata.name for space in kubernetes.client.CoreV1Api(api).list_namespace().items]
    assert "default" in names


def test_requests_are_recorded(client: Client) -> None:
    writes = client.server.seam.writes
    client.make("a")
    client.call("GET", f"{MAPS}/nope")
    first, second = client.server.seam.requests
    assert (first.method, first.path, first.status) == ("POST", MAPS, 201)
    assert (second.method, second.status) == ("GET", 404)
    assert first.user_agent.startswith("python-requests")
    assert client.server.seam.writes == writes + 1


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_fault_before_the_request_changes_nothing(client: Client, status: int) -> None:
    client.server.seam.before_response = lambda _: Fault(status, retry_after_seconds=3)
    response = client.make("a")
    assert (response.status_code, response.headers["Retry-After"]) == (status, "3")
    assert response.json()["code"] == status
    client.server.seam.before_response = None
    assert client.call("GET", f"{MAPS}/a").status_code == 404


def test_a_fault_after_the_request_hides_that_it_was_done(client: Client) -> None:
    client.server.seam.before_response = lambda seen: Fault(500, after=True) if seen.is_write else None
    assert client.make("a").status_code == 500
    assert client.call("GET", f"{MAPS}/a").status_code == 200


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_can_be_dropped_before_or_after(client: Client, after: bool) -> None:
    def drop(seen: SeenRequest) -> Fault | None:
        return Fault(0, after=after) if seen.is_write else None

    client.server.seam.before_response = drop
    with pytest.raises(requests.ConnectionError):
        client.make("a")
    client.server.seam.before_response = None
    assert (client.call("GET", f"{MAPS}/a").status_code == 200) is after
    assert client.server.seam.requests[0].status == 0


def test_a_watch_that_begins_before_the_history_is_gone(client: Client) -> None:
    start = client.call("GET", MAPS).json()["metadata"]["resourceVersion"]
    for number in range(25):
        client.make(f"m{number}")
    response = client.call("GET", MAPS, params={"watch": "true", "resourceVersion": start})
    assert response.status_code == 410
    assert response.json()["reason"] == "Expired"


def test_a_page_of_a_forgotten_snapshot_is_expired(client: Client) -> None:
    for number in range(3):
        client.make(f"m{number}")
    token = client.call("GET", MAPS, params={"limit": "1"}).json()["metadata"]["continue"]
    for number in range(25):
        client.make(f"n{number}")
    response = client.call("GET", MAPS, params={"limit": "1", "continue": token})
    assert (response.status_code, response.json()["reason"]) == (410, "Expired")
    fresh = response.json()["metadata"]["continue"]
    assert client.call("GET", MAPS, params={"limit": "1", "continue": fresh}).status_code == 200


def test_a_quiet_watch_hears_bookmarks_that_move_on(client: Client) -> None:
    start = client.call("GET", MAPS).json()["metadata"]["resourceVersion"]
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"generateName": "other-"}}
    client.call("POST", "/api/v1/namespaces/default/secrets", body)
    params = {"watch": "true", "resourceVersion": start, "allowWatchBookmarks": "true", "timeoutSeconds": "5"}
    with client.session.get(client.server.url + MAPS, params=params, stream=True, timeout=10) as stream:
        event = msgspec.json.decode(next(stream.iter_lines(chunk_size=1)))
    assert event["type"] == "BOOKMARK"
    assert int(event["object"]["metadata"]["resourceVersion"]) > int(start)


def test_the_inside_can_be_asked_in_the_servers_thread(client: Client) -> None:
    version = client.server.call(lambda api: api.store.version)
    client.server.call(lambda api: api.store.compact())
    response = client.call("GET", MAPS, params={"watch": "true", "resourceVersion": str(version - 1)})
    assert response.status_code == 410


def test_five_thousand_objects_are_listed_in_one_answer() -> None:
    def fill(api: Any) -> None:
        for number in range(5000):
            labels = {"app": f"a{number}"}
            obj = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": f"s{number}",
                    "namespace": "default",
                    "uid": f"u{number}",
                    "labels": labels,
                },
                "spec": {"selector": labels, "ports": [{"port": 80, "protocol": "TCP"}]},
            }
            api.store.put("configmaps", obj)

    with running_api_server() as server:
        server.call(fill)
        client = Client(server)
        body = client.call("GET", "/api/v1/configmaps").json()
        assert len(body["items"]) == 5000
        first = client.call("GET", "/api/v1/configmaps", params={"limit": "500"}).json()
        assert len(first["items"]) == 500
        client.session.close()


def test_the_kubeconfig_goes_with_the_server() -> None:
    with running_api_server() as server:
        path = server.kubeconfig
        assert path.exists()
    assert not os.path.lexists(path)

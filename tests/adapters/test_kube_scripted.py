"""What only an odd server says: answers written by hand, byte for byte."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from canary.adapters.istio.shared import read_shared
from canary.adapters.kube.services import ServiceWatch
from canary.adapters.kube.transport import Transport
from canary.adapters.kube.workloads import KubeDeployments
from canary.app.errors import Retryable
from canary.domain.plan import RouteRef, ServiceKey
from canary.entrypoints.clock import SystemClock
from tests.adapters.conftest import eventually
from tests.adapters.kube_workloads import PLAN

Json = dict[str, Any]
Answer = Callable[[str], list[bytes]]
"""From a path with its query to the chunks of the answer."""


@contextmanager
def scripted(answer: Answer) -> Iterator[Transport]:
    """A server that says exactly this."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for chunk in [*answer(self.path), b""]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
    configuration.retries = False
    try:
        yield Transport(ApiClient(configuration), timeout_seconds=2.0)
    finally:
        server.shutdown()
        server.server_close()


def listing(version: str, *names: str) -> Json:
    items = [
        {"metadata": {"namespace": "shop", "name": name, "annotations": {"canaryctl.dev/enabled": "true"}}}
        for name in names
    ]
    return {"metadata": {"resourceVersion": version}, "items": items}


def event(kind: str, **body: Any) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


def test_an_expired_watch_that_says_so_in_an_event_lists_again() -> None:
    lists: list[Json] = [listing("1", "checkout", "gone"), listing("9", "checkout")]

    def answer(path: str) -> list[bytes]:
        if "watch=true" not in path:
            return [json.dumps(lists.pop(0) if len(lists) > 1 else lists[0]).encode()]
        return [event("ERROR", code=410, message="too old resource version")]

    with scripted(answer) as transport:
        watch = ServiceWatch(transport, SystemClock(), lambda: 0.0, lambda _: None, ["shop"])
        watch.start()
        try:
            eventually(lambda: watch.wait_synced(1) and watch.get(ServiceKey("shop", "gone")) is None)
            assert watch.get(ServiceKey("shop", "checkout")) is not None
        finally:
            watch.stop()


def test_events_are_whole_however_the_bytes_arrive_and_bookmarks_move_the_version() -> None:
    item = listing("2", "checkout")["items"][0]
    item["metadata"]["resourceVersion"] = "2"
    line = event("ADDED", **item)
    bookmark = event("BOOKMARK", metadata={"resourceVersion": "5"})
    asked: list[str] = []

    def answer(path: str) -> list[bytes]:
        asked.append(path)
        if "watch=true" not in path:
            return [json.dumps(listing("1")).encode()]
        first = "resourceVersion=1&" in path
        return [line[:7], line[7:40], line[40:] + bookmark[:10], bookmark[10:]] if first else []

    with scripted(answer) as transport:
        watch = ServiceWatch(transport, SystemClock(), lambda: 0.0, lambda _: None, ["shop"])
        watch.start()
        try:
            eventually(lambda: watch.get(ServiceKey("shop", "checkout")))
            eventually(lambda: any("resourceVersion=5&" in path for path in asked))
        finally:
            watch.stop()


def deployment(name: str, generation: int, observed: int) -> Json:
    labels = {"app": name}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": "u",
            "resourceVersion": "4",
            "generation": generation,
            "annotations": {"deployment.kubernetes.io/revision": "3"},
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
        },
        "status": {"observedGeneration": observed, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
    }


@pytest.mark.parametrize(("observed", "expected"), [(8, ("h3", True)), (7, ("", False))])
def test_a_spec_that_kubernetes_has_not_seen_yet_has_no_revision_and_is_not_rolled_out(
    observed: int, expected: tuple[str, bool]
) -> None:
    metadata = {
        "ownerReferences": [{"uid": "u"}],
        "annotations": {"deployment.kubernetes.io/revision": "3"},
        "labels": {"pod-template-hash": "h3"},
    }

    def answer(path: str) -> list[bytes]:
        if "/replicasets" in path:
            return [json.dumps({"metadata": {}, "items": [{"metadata": metadata}]}).encode()]
        return [json.dumps(deployment(path.rpartition("/")[2], 8, observed)).encode()]

    with scripted(answer) as transport:
        canary = KubeDeployments(transport).read(ServiceKey("shop", "checkout"), PLAN).canary
    assert canary is not None
    assert (canary.revision, canary.rolled_out) == expected


def test_a_page_that_is_no_kubernetes_answer_is_retryable() -> None:
    with (
        scripted(lambda _: [b"<html>Sign in</html>"]) as transport,
        pytest.raises(Retryable, match="not the Kube"),
    ):
        transport.get("/api/v1/namespaces", dict)


def test_a_virtual_service_that_is_not_shared_is_not_decoded_however_odd_it_is() -> None:
    odd = b'{"metadata": {"name": "gateway"}, "spec": {"http": "secret"}}'
    with scripted(lambda path: [odd]) as transport:
        named = [RouteRef("gateway", None, "istio-ingress")]
        shared, (problem,) = read_shared(transport, "networking.istio.io/v1", "shop", named)
    assert shared == ()
    assert "is not shared with" in problem.found
    assert "secret" not in str(problem)

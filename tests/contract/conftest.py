"""The cluster that the contract is held against: the sandbox, or what CANARY_TEST_KUBECONFIG names."""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from canary.sandbox.apiserver import running_api_server

Json = dict[str, Any]
SECONDS = 10.0
SLOW_SECONDS = 30.0
"""For namespaces that go: a real server waits for seconds before it begins."""


class TokenAuth(requests.auth.AuthBase):
    """A bearer token; given this way so that requests adds nothing of its own (such as ~/.netrc)."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@dataclass(frozen=True)
class Cluster:
    """An API server and a namespace of one's own in it."""

    url: str
    token: str
    session: requests.Session
    namespace: str
    node: str = ""
    """A Node that exists."""

    def path(self, resource: str, name: str = "", *, namespace: str | None = None) -> str:
        """Return the path of a namespaced resource, given as ``group/version/plural`` or ``v1/plural``."""
        *group, plural = resource.split("/")
        root = "/api/v1" if group == ["v1"] else "/apis/" + "/".join(group)
        space = self.namespace if namespace is None else namespace
        return f"{root}/namespaces/{space}/{plural}" + (f"/{name}" if name else "")

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Send a request with a JSON body."""
        headers = {"Content-Type": options.pop("content_type", "application/json")}
        headers |= options.pop("headers", {})
        data = json.dumps(body) if body is not None else None
        return self.session.request(
            method, self.url + path, data=data, headers=headers, timeout=SECONDS, **options
        )

    def get(self, path: str, **params: Any) -> Json:
        """Return what is at a path; it must be there."""
        return ok(self.call("GET", path, params=params))

    def create(self, resource: str, body: Json, **params: Any) -> Json:
        """Create an object; it must succeed."""
        return ok(self.call("POST", self.path(resource), body, params=params), 201)

    def patch(self, path: str, body: Any, kind: str = "merge", **params: Any) -> requests.Response:
        """Send a patch of the named kind."""
        suffix = "yaml" if kind == "apply" else "json"
        name = {"json": "json-patch", "merge": "merge-patch", "strategic": "strategic-merge-patch"}
        content = f"application/{name.get(kind, 'apply-patch')}+{suffix}"
        return self.call("PATCH", path, body, content_type=content, params=params)

    @contextmanager
    def watch(self, path: str, **params: Any) -> Iterator[Iterator[Json]]:
        """Open a watch and give its events; reading past the end of the stream raises StopIteration."""
        query = {"watch": "true", "timeoutSeconds": "8", **params}
        response = self.session.get(self.url + path, params=query, stream=True, timeout=SECONDS)
        with response:
            assert response.status_code == 200, response.text
            yield (json.loads(line) for line in response.iter_lines(chunk_size=1) if line)


def ok(response: requests.Response, status: int = 200) -> Json:
    """Return the body of an answer that must have this status."""
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    body: Json = response.json()
    return body


def eventually(look: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Return the first true thing that ``look`` finds; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing came of {look} within {seconds} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Address:
    """How to reach a server."""

    url: str
    token: str
    session: requests.Session


def _address(kubeconfig: Path, scratch: Path) -> Address:
    document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    scheme, _, rest = cluster["server"].partition("://")
    session = requests.Session()
    session.trust_env = False
    session.auth = TokenAuth(user["token"])
    if data := cluster.get("certificate-authority-data"):
        authority = scratch / "ca.crt"
        authority.write_bytes(base64.b64decode(data))
        session.verify = str(authority)
    elif file := cluster.get("certificate-authority"):
        session.verify = file
    return Address(f"{scheme}://{rest.rpartition('@')[2]}", user["token"], session)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The server, once per worker."""
    scratch = tmp_path_factory.mktemp("contract")
    if named := os.environ.get("CANARY_TEST_KUBECONFIG"):
        yield _address(Path(named), scratch)
        return
    with running_api_server() as server:
        found = _address(server.kubeconfig, scratch)
        yield found
        found.session.close()


@pytest.fixture(scope="session")
def node(address: Address) -> Iterator[str]:
    """A Node: what runs on none that is known has no endpoints."""
    name = f"contract-{secrets.token_hex(4)}"
    cluster = Cluster(address.url, address.token, address.session, "")
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    ok(cluster.call("POST", "/api/v1/nodes", body), 201)
    yield name
    cluster.call("DELETE", f"/api/v1/nodes/{name}")


@pytest.fixture
def cluster(address: Address, node: str) -> Iterator[Cluster]:
    """The server with a fresh namespace."""
    name = f"contract-{secrets.token_hex(4)}"
    found = Cluster(address.url, address.token, address.session, name, node)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    ok(found.call("POST", "/api/v1/namespaces", body), 201)
    yield found
    found.call("DELETE", f"/api/v1/namespaces/{name}")


GROUP = f"contract{os.environ.get('PYTEST_XDIST_WORKER', '')}.canaryctl.dev"
"""Each worker's own: on a server that they share, the first to end takes its definition away."""
WIDGETS = f"{GROUP}/v1/widgets"
OLD_WIDGETS = f"{GROUP}/v1beta1/widgets"


@pytest.fixture(scope="session")
def widgets(address: Address) -> Iterator[str]:
    """A custom resource, established: ``group/version/plural``."""
    cluster = Cluster(address.url, address.token, address.session, "")
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    response = cluster.call("POST", path, _widget_definition())
    assert response.status_code in {201, 409}, response.text
    name = f"widgets.{GROUP}"
    eventually(lambda: _established(cluster.get(f"{path}/{name}")))
    eventually(lambda: cluster.call("GET", cluster.path(WIDGETS, namespace="default")).status_code == 200)
    yield WIDGETS
    cluster.call("DELETE", f"{path}/{name}")


def _established(definition: Json) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _widget_definition() -> Json:
    spec: Json = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 100},
            "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "name": {"type": "string", "maxLength": 5, "pattern": "^[a-z]+$"},
            "port": {"x-kubernetes-int-or-string": True},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "list": {"type": "array", "items": {"type": "integer"}},
            "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
            "map": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["key"],
                    "properties": {"key": {"type": "string"}, "value": {"type": "integer"}},
                },
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["key"],
            },
        },
    }
    schema: Json = {
        "type": "object",
        "properties": {
            "spec": spec,
            "status": {"type": "object", "properties": {"seen": {"type": "integer"}}},
        },
    }
    version: Json = {
        "served": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "First", "type": "string", "jsonPath": ".spec.list[*]"},
            {"name": "Set", "type": "string", "jsonPath": ".spec.set"},
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wg"]},
            "versions": [
                {**version, "name": "v1", "storage": True},
                {**version, "name": "v1beta1", "storage": False},
            ],
        },
    }


def config_map(name: str, data: Json | None = None, **metadata: Any) -> Json:
    """Return a ConfigMap."""
    body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return body | ({"data": data} if data is not None else {})


def widget(name: str, /, **spec: Any) -> Json:
    """Return a Widget."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }

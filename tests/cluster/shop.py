"""An application with a canary in a namespace of its own, on the scenarios' cluster."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from canary.adapters.kube.releases import KubeReleases, Wish
from canary.adapters.kube.transport import MERGE_PATCH, Transport
from canary.app.ports import StoredRelease
from canary.domain.plan import ServiceKey
from canary.domain.release import Phase
from canary.entrypoints.demo import STRATEGIC_MERGE_PATCH
from canary.sandbox.cluster import Sandbox
from canary.sandbox.control_plane import create
from canary.sandbox.processes import Child
from canary.sandbox.showcase import CANARY, SERVICE, ShowcaseRelease, objects, template_patch

Json = dict[str, Any]
SECONDS = 60.0
Weights = tuple[int, int]


@dataclass(frozen=True)
class Shop:
    """One service; everything is done as the administrator, but for what the controller does."""

    sandbox: Sandbox
    transport: Transport
    controller: Child
    namespace: str

    @property
    def key(self) -> ServiceKey:
        return ServiceKey(self.namespace, SERVICE)

    @property
    def releases(self) -> KubeReleases:
        return KubeReleases(self.transport)

    def open(self, steps: str) -> Path:
        """Apply the objects, wait until all pods serve and the weights are 100/0, and start the traffic."""
        for item in objects(steps=steps, min_requests=30):
            create(self.transport, _moved(item, self.namespace))
        self.until(self.is_ready, "the pods to be ready")
        self.until(lambda: self.weights() == (100, 0), "the weights to be 100/0")
        host = f"{SERVICE}.{self.namespace}.svc.cluster.local"
        return self.sandbox.start_traffic(host, 100, name=f"traffic-{self.namespace}")

    def close(self) -> None:
        self.sandbox.stop_traffic()
        self.transport.request("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def push(self, version: str, behaviour: str = "") -> None:
        self._patch(
            f"{self._deployments}/{CANARY}",
            template_patch(ShowcaseRelease(version, "", behaviour, "", None)),
            STRATEGIC_MERGE_PATCH,
        )

    def annotate(self, **values: str | None) -> None:
        named = {f"canaryctl.dev/{name}": value for name, value in values.items()}
        path = f"/api/v1/namespaces/{self.namespace}/services/{SERVICE}"
        self._patch(path, {"metadata": {"annotations": named}}, MERGE_PATCH)

    def ask(self, wish: Wish) -> None:
        self.releases.ask(self.newest(), wish)

    def newest(self) -> StoredRelease:
        return self.releases.list(self.key)[-1]

    def wait_for(self, phase: Phase, count: int = 1, seconds: float = SECONDS) -> StoredRelease:
        """Wait until there are ``count`` releases and the newest is in ``phase``; return it."""

        def look() -> StoredRelease | None:
            found = self.releases.list(self.key)
            return found[-1] if len(found) == count and found[-1].release.phase is phase else None

        found: StoredRelease = self.until(look, f"release {count} to be {phase}", seconds)
        return found

    def is_ready(self) -> bool:
        items = [self.deployment(name) for name in (SERVICE, CANARY)]
        return all(item.get("status", {}).get("readyReplicas", 0) == 2 for item in items)

    def deployment(self, name: str) -> Json:
        return self._get(f"{self._deployments}/{name}")

    def image(self, name: str) -> str:
        return str(self.deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"])

    def virtual_service(self) -> Json:
        return self._get(f"{self._virtual_services}/{SERVICE}")

    def weights(self) -> Weights:
        return _weights(self.virtual_service())

    def weights_since(self, version: str) -> list[Weights]:
        """Every split that the VirtualService has had since this version, as the server remembers it."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "1"}
        found: list[Weights] = []
        for line in self.transport.stream(self._virtual_services, query):
            weights = _weights(json.loads(line)["object"])
            if weights not in found[-1:]:
                found.append(weights)
        return found

    def reasons(self) -> set[str]:
        """The reasons of the events that the controller wrote about the service."""
        found = self._get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        return {item["reason"] for item in found if item["source"].get("component") == "canary"}

    def until(self, look: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert self.controller.is_running(), self.controller.log_tail()
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self._state()}"
            time.sleep(0.1)
        return found

    def _state(self) -> str:
        told = [
            f"{r.release.name} {r.release.phase} {r.release.message}" for r in self.releases.list(self.key)
        ]
        return f"{self.weights()} {told}\n{self.controller.log_tail()}"

    @property
    def _deployments(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments"

    @property
    def _virtual_services(self) -> str:
        return f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/virtualservices"

    def _get(self, path: str) -> Json:
        found: Json = msgspec.json.decode(self.transport.request("GET", path))
        return found

    def _patch(self, path: str, body: Json, kind: str) -> None:
        self.transport.request("PATCH", path, body=body, content_type=kind)


def _weights(virtual_service: Json) -> Weights:
    stable, canary = virtual_service["spec"]["http"][1]["route"]
    return stable.get("weight", 0), canary.get("weight", 0)


def _moved(item: Json, namespace: str) -> Json:
    metadata = item["metadata"]
    if item["kind"] == "Namespace":
        return item | {"metadata": {"name": namespace}}
    return item | {"metadata": metadata | {"namespace": namespace}}

"""An application with a canary in a namespace of its own, one of many on a cluster that they share."""

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from canary.adapters.kube.releases import KubeReleases, Wish
from canary.adapters.kube.transport import JSON_PATCH, MERGE_PATCH, Transport
from canary.app.errors import ConflictError, NotFound
from canary.app.ports import StoredRelease
from canary.domain.plan import Gate, ServiceKey
from canary.domain.release import Phase, Stage
from canary.domain.verdict import Reason
from canary.entrypoints.demo import STRATEGIC_MERGE_PATCH
from canary.sandbox.apiserver.seam import Fault, Seam, SeenRequest
from canary.sandbox.cluster import Sandbox
from canary.sandbox.control_plane import create
from canary.sandbox.processes import Child
from canary.sandbox.showcase import CANARY, SERVICE, ShowcaseRelease, objects, template_patch
from canary.sandbox.traffic_log import read_totals
from tests.exact_counts import number_of

Json = dict[str, Any]
Weights = tuple[int, int]

SECONDS = 90.0
RATE_PER_SECOND = 100
ALL_ON_STABLE = (100, 0)
REPLICA = "replica-"
"""What the names of controllers begin with, and with them what they call themselves to the API server."""


@dataclass
class Shop:
    """One service; everything is done as the administrator, but for what the controllers do."""

    sandbox: Sandbox
    transport: Transport
    seam: Seam
    controllers: list[Child]
    namespace: str
    logs: list[Path] = field(default_factory=list)
    """What users saw, a log for each time that traffic was started."""

    @property
    def key(self) -> ServiceKey:
        return ServiceKey(self.namespace, SERVICE)

    @property
    def releases(self) -> KubeReleases:
        return KubeReleases(self.transport)

    @property
    def host(self) -> str:
        return f"{SERVICE}.{self.namespace}.svc.cluster.local"

    @property
    def pods_path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    @property
    def service_path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/services/{SERVICE}"

    @property
    def virtual_services_path(self) -> str:
        return f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/virtualservices"

    @property
    def destination_rule_path(self) -> str:
        return f"/apis/networking.istio.io/v1/namespaces/{self.namespace}/destinationrules/{SERVICE}"

    def deployment_path(self, name: str) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{name}"

    # What people do

    def open(self, steps: str, **annotations: str) -> None:
        """Apply the objects, wait until all pods serve and the weights are 100/0, and start the traffic."""
        for item in objects(steps=steps, min_requests=20):
            create(self.transport, _moved(item, self.namespace))
        if annotations:
            self.annotate(**annotations)
        self.until(self.is_ready, "the pods to be ready")
        self.until(lambda: self.weights() == ALL_ON_STABLE, "the weights to be 100/0")
        self.start_traffic()

    def close(self) -> None:
        self.end_traffic()
        self.transport.request("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def start_traffic(self, rate_per_second: float = RATE_PER_SECOND) -> Path:
        """Let users come, in addition to those who are there; the log of what they see."""
        name = f"traffic-{self.namespace}-{len(self.logs)}"
        log = self.sandbox.start_traffic(self.host, rate_per_second, name=name)
        self.logs.append(log)
        self.until(lambda: number_of(read_totals(log)) > 0, "traffic")
        return log

    def end_traffic(self) -> None:
        """Let all users go; their logs are complete then."""
        self.sandbox.stop_traffic()

    def push(self, version: str, behaviour: str = "", to: str = CANARY, seed: int | None = None) -> None:
        """Deploy a version to the canary, or as a team would not do it, to stable.

        With a seed each pod errs in a pattern of its own.
        """
        patch = template_patch(ShowcaseRelease(version, "", behaviour, "", None))
        if seed is not None:
            (container,) = patch["spec"]["template"]["spec"]["containers"]
            container["env"].append({"name": "SEED", "value": str(seed)})
        self.patch(self.deployment_path(to), patch, STRATEGIC_MERGE_PATCH)

    def annotate(self, **values: str | None) -> None:
        """Set annotations of the service; ``max_latency`` becomes ``canaryctl.dev/max-latency``."""
        named = {f"canaryctl.dev/{name.replace('_', '-')}": value for name, value in values.items()}
        self.patch(self.service_path, {"metadata": {"annotations": named}})

    def set_weights(self, stable: int, canary: int) -> None:
        """Turn the wheel by hand."""
        change = [
            {"op": "add", "path": f"/spec/http/1/route/{leg}/weight", "value": weight}
            for leg, weight in enumerate((stable, canary))
        ]
        self.patch(f"{self.virtual_services_path}/{SERVICE}", change, JSON_PATCH)

    def ask(self, wish: Wish) -> None:
        """Write a wish into the newest release, again when somebody else wrote in between."""

        def is_written() -> bool:
            try:
                self.releases.ask(self.newest(), wish)
            except ConflictError:
                return False
            return True

        self.until(is_written, f"{wish} to be written")

    def approve(self, gate: Gate) -> None:
        self.ask(Wish(approve=frozenset({gate})))

    def delete(self, path: str) -> Json:
        """Delete an object and wait until it is gone; return what would create it again."""
        found = self.get(path)
        self.transport.request("DELETE", path)
        self.until(lambda: not self.exists(path), f"{path} to go")
        metadata = {name: found["metadata"][name] for name in ("name", "namespace")}
        return {**{name: found[name] for name in ("apiVersion", "kind", "spec")}, "metadata": metadata}

    def patch(self, path: str, body: object, kind: str = MERGE_PATCH) -> None:
        self.transport.request("PATCH", path, body=body, content_type=kind)

    # What is seen

    def get(self, path: str) -> Json:
        found: Json = msgspec.json.decode(self.transport.request("GET", path))
        return found

    def exists(self, path: str) -> bool:
        try:
            self.get(path)
        except NotFound:
            return False
        return True

    def newest(self) -> StoredRelease:
        return self.releases.list(self.key)[-1]

    def count(self) -> int:
        return len(self.releases.list(self.key))

    def deployment(self, name: str) -> Json:
        return self.get(self.deployment_path(name))

    def pods(self, track: str) -> set[str]:
        """The names of stable's or the canary's pods that are not on their way out."""
        found = self.get(self.pods_path)["items"]
        metadata = (item["metadata"] for item in found)
        return {
            item["name"]
            for item in metadata
            if item["labels"]["track"] == track and "deletionTimestamp" not in item
        }

    def version_of(self, name: str) -> str:
        image = self.deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"]
        return str(image).rpartition(":")[2]

    def is_ready(self) -> bool:
        items = [self.deployment(name) for name in (SERVICE, CANARY)]
        return all(item.get("status", {}).get("readyReplicas", 0) == 2 for item in items)

    def virtual_service(self, name: str = SERVICE) -> Json:
        return self.get(f"{self.virtual_services_path}/{name}")

    @property
    def version(self) -> str:
        """Of the VirtualService: since when, of ``weights_since``."""
        return str(self.virtual_service()["metadata"]["resourceVersion"])

    def weights(self) -> Weights:
        return weights_of(self.virtual_service())

    def states_since(self, version: str, name: str = SERVICE) -> Iterator[Json]:
        """Every state that a VirtualService has had since a version, as the server remembers it."""
        now = self.virtual_service(name)["metadata"]["resourceVersion"]
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "20"}
        lines = iter(self.transport.stream(self.virtual_services_path, query)) if version != now else ()
        for line in lines:
            state = json.loads(line)["object"]
            if state["metadata"]["name"] != name:
                continue
            yield state
            if state["metadata"]["resourceVersion"] == now:
                return
        assert version == now, f"the server told of nothing up to version {now} of {name}"

    def weights_since(self, version: str) -> list[Weights]:
        """Every split since a version, each once in a row."""
        found: list[Weights] = []
        for state in self.states_since(version):
            if weights_of(state) not in found[-1:]:
                found.append(weights_of(state))
        return found

    def events(self) -> set[tuple[str, str]]:
        """Reason and message of each Event that the controllers wrote about the service."""
        found = self.get(f"/api/v1/namespaces/{self.namespace}/events")["items"]
        ours = [item for item in found if item["source"].get("component") == "canary"]
        return {(item["reason"], item["message"]) for item in ours}

    def requests(self) -> int:
        """How many requests users have made."""
        return sum(number_of(read_totals(log)) for log in self.logs)

    def statuses(self) -> set[int]:
        """All the answers that users got; ends the traffic."""
        self.end_traffic()
        return {status for log in self.logs for _, status in read_totals(log).requests}

    # Waiting

    def wait_for(self, phase: Phase, reason: Reason | None = None, count: int = 1) -> StoredRelease:
        """Wait until there are ``count`` releases and the newest is in ``phase``; return it."""

        def look() -> StoredRelease | None:
            found = self.releases.list(self.key)
            is_there = len(found) == count and found[-1].release.phase is phase
            return found[-1] if is_there and reason in {None, found[-1].release.reason} else None

        found: StoredRelease = self.until(look, f"release {count} to be {phase} {reason or ''}")
        return found

    def wait_for_stage(self, stage: Stage) -> None:
        """Wait until the newest release is in a stage."""
        self.until(lambda: self.count() and self.newest().release.stage is stage, f"the stage {stage}")

    def wait_for_weights(self, stable: int, canary: int) -> None:
        self.until(lambda: self.weights() == (stable, canary), f"the weights to be {stable}/{canary}")

    def wait_for_event(self, reason: str, words: str) -> None:
        """Wait until an Event with this reason says these words."""

        def is_told() -> bool:
            return any(kind == reason and words in message for kind, message in self.events())

        self.until(is_told, f"an Event {reason} that says {words!r}")

    def wait_for_requests(self, number: int) -> None:
        """Wait until users have made so many more: a time in which something would have happened."""
        before = self.requests()
        self.until(lambda: self.requests() >= before + number, f"{number} more requests")

    def until(self, look: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := look()):
            controllers = self.controllers
            assert not controllers or any(child.is_running() for child in controllers), self._logs()
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self._state()}"
            time.sleep(0.05)
        return found

    # Faults

    @contextmanager
    def refusing(self, method: str, resource: str) -> Iterator[None]:
        """Answer 503 to the controllers' requests for a resource of this namespace meanwhile."""
        collection = f"/namespaces/{self.namespace}/{resource}"

        def refuse(seen: SeenRequest) -> Fault | None:
            theirs = seen.user_agent.startswith(f"canary/{REPLICA}")
            return Fault(status=503) if theirs and seen.method == method and collection in seen.path else None

        self.seam.before_response = refuse
        try:
            yield
        finally:
            self.seam.before_response = None

    def _state(self) -> str:
        found = (item.release for item in self.releases.list(self.key))
        told = [f"{each.name} {each.phase} {each.message}" for each in found]
        return f"{told}\n{self._logs()}"

    def _logs(self) -> str:
        told = ((child, child.exit_code()) for child in self.controllers)
        return "\n".join(f"{child.name} (exit {code}): {child.log_tail()}" for child, code in told)


def weights_of(virtual_service: Json) -> Weights:
    """The pair's weights in the showcase's main route."""
    stable, canary = virtual_service["spec"]["http"][1]["route"][:2]
    return stable.get("weight", 0), canary.get("weight", 0)


def _moved(item: Json, namespace: str) -> Json:
    moved = copy.deepcopy(item)
    moved["metadata"]["name" if item["kind"] == "Namespace" else "namespace"] = namespace
    return moved

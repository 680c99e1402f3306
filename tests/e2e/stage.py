"""A stage for whole releases: an API over HTTP, Envoy, Prometheus, pods, traffic, the real controller."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from canary.adapters.kube.connection import connect
from canary.adapters.kube.releases import KubeReleases
from canary.adapters.kube.transport import MERGE_PATCH, Transport
from canary.app.errors import NotFound, WorldError
from canary.app.ports import StoredRelease
from canary.domain.plan import ServiceKey
from canary.domain.release import Release
from canary.entrypoints.demo import CONTROLLER, controller_environment
from canary.sandbox.apiserver.seam import Fault, SeenRequest
from canary.sandbox.apiserver.threaded import RunningApiServer
from canary.sandbox.cluster import Sandbox
from canary.sandbox.control_plane import create, install_crds
from canary.sandbox.processes import Child
from canary.sandbox.showcase import CANARY, NAMESPACE, SERVICE, ShowcaseRelease, objects, template_patch
from canary.sandbox.traffic_log import Totals, read_totals
from tests.chart.rendering import NEEDED
from tests.definitions import definitions
from tests.grounds import Ground, sandbox_ground

KEY = ServiceKey(NAMESPACE, SERVICE)
HOST = f"{SERVICE}.{NAMESPACE}.svc.cluster.local"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
VIRTUAL_SERVICES = f"/apis/networking.istio.io/v1/namespaces/{NAMESPACE}/virtualservices"
STRATEGIC = "application/strategic-merge-patch+json"
ALONE = {"CANARY_LEADERSHIP__IDENTITY": "the-only-replica", "CANARY_CONTROLLER__HISTORY_LIMIT": "100"}
POLL_SECONDS = 0.05

Json = dict[str, Any]


@dataclass
class Stage:
    """Everything runs but the controller, until ``start_controller``."""

    ground: Ground
    sandbox: Sandbox
    transport: Transport
    weights: list[int] = field(default_factory=list)
    """The canary's weight, each time that it changed."""
    controller: Child | None = None
    log: Path = Path()
    settings: Path | None = None
    """The controller's configuration file, if it has one."""
    _starts: int = 0

    @property
    def api(self) -> RunningApiServer:
        return self.ground.api

    # The controller

    @cached_property
    def account(self) -> Mapping[str, str]:
        """The variables by which the controller is who the chart says, for all namespaces."""
        return self.ground.account(NEEDED)

    def start_controller(self) -> None:
        """Start the controller; a restarted one has the same identity, so it need not wait for its lease."""
        self._starts += 1
        configured = {"CANARY_CONFIG": str(self.settings)} if self.settings is not None else {}
        environment = {**controller_environment(self.sandbox), **ALONE, **self.account, **configured}
        name = f"controller-{self._starts}"
        self.controller = self.sandbox.processes.start(name, CONTROLLER, environment)

    def kill_controller(self) -> None:
        """Kill it as the kernel would: no handler runs."""
        if self.controller is not None:
            self.controller.signal(signal.SIGKILL)

    def keep_controller_running(self) -> None:
        """Start it again when it is gone, as a kubelet would."""
        if self.controller is not None and not self.controller.is_running():
            self.sandbox.processes.forget(self.controller)
            self.start_controller()

    # What people do

    def push(self, version: str, behaviour: str = "") -> None:
        """Deploy a version to the canary."""
        release = ShowcaseRelease(version, "", behaviour, "", None)
        self.patch(f"{DEPLOYMENTS}/{CANARY}", template_patch(release), STRATEGIC)

    def patch(self, path: str, body: object, content_type: str = MERGE_PATCH) -> None:
        """Change an object, as somebody who is not the controller."""
        headers = {"Authorization": f"Bearer {self.api.token}", "Content-Type": content_type}
        request = urllib.request.Request(
            self.api.url + path, data=json.dumps(body).encode(), headers=headers, method="PATCH"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def annotate(self, **annotations: str | None) -> None:
        """Set annotations of the service; ``max_latency`` becomes ``canaryctl.dev/max-latency``."""
        named = {f"canaryctl.dev/{name.replace('_', '-')}": value for name, value in annotations.items()}
        self.patch(f"{SERVICES}/{SERVICE}", {"metadata": {"annotations": named}})

    def kubectl(self, *arguments: str) -> str:
        """Run the real kubectl in the demo's namespace; its output."""
        program = Path(sys.executable).with_name("kubectl")
        command = [str(program), f"--kubeconfig={self.sandbox.kubeconfig}", f"--namespace={NAMESPACE}"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # What is seen

    def releases(self) -> tuple[StoredRelease, ...]:
        return KubeReleases(self.transport).list(KEY)

    def newest(self) -> Release:
        return self.releases()[-1].release

    def percent(self) -> int:
        main = self.get(f"{VIRTUAL_SERVICES}/{SERVICE}")["spec"]["http"][1]["route"]
        return int(main[1]["weight"])

    def get(self, path: str) -> Json:
        found: Json = json.loads(self.transport.request("GET", path))
        return found

    def totals(self) -> Totals:
        return read_totals(self.log)

    def version_of(self, deployment: str) -> str:
        container = self.get(f"{DEPLOYMENTS}/{deployment}")["spec"]["template"]["spec"]["containers"][0]
        return str(container["image"]).rpartition(":")[2]

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Poll until ``condition`` holds, keeping the controller up and noting each change of the weight."""
        deadline = time.monotonic() + seconds
        while True:
            if self.controller is not None:
                self.keep_controller_running()
            self._note_weight()
            try:
                if condition():
                    return
            except (NotFound, IndexError):
                pass
            if time.monotonic() > deadline:
                log = self.controller.log_tail() if self.controller is not None else ""
                raise AssertionError(
                    f"waited {seconds} s in vain for {what}; the controller's log ends: {log}"
                )
            time.sleep(POLL_SECONDS)

    def wait_until_finished(self, releases: int = 1, seconds: float = 60.0) -> Release:
        """Wait until that many releases exist and the newest has ended."""

        def finished() -> bool:
            found = self.releases()
            return len(found) >= releases and found[-1].release.phase.is_terminal

        self.wait(finished, f"release {releases} to end", seconds)
        return self.newest()

    def release(self, version: str, behaviour: str = "", seconds: float = 60.0) -> Release:
        """Deploy a version to the canary, and wait until the release of it has ended."""
        known = len(self.releases())
        self.push(version, behaviour)
        return self.wait_until_finished(known + 1, seconds)

    def _note_weight(self) -> None:
        try:
            percent = self.percent()
        except (WorldError, KeyError):
            return
        if not self.weights or self.weights[-1] != percent:
            self.weights.append(percent)


@contextmanager
def stage(
    ground: Ground | None = None, *, steps: str = "10@2s,50@2s,100@2s", rate: float = 150.0
) -> Iterator[Stage]:
    """A stage with the demo's objects, at rest at 100/0, under steady traffic; on a ground of its own if none
    is given.
    """
    if ground is None:
        with sandbox_ground() as own, stage(own, steps=steps, rate=rate) as made:
            yield made
        return
    with Sandbox(control_plane=ground.kubeconfig) as sandbox:
        transport = connect(ground.kubeconfig)
        install_crds(transport, definitions())
        for item in objects(steps=steps, min_requests=20):
            create(transport, item)
        made = Stage(ground, sandbox, transport)
        # These claims are about releases: the service rests at 100/0 from the beginning.
        resting = [
            {"op": "replace", "path": f"/spec/http/1/route/{n}/weight", "value": w}
            for n, w in ((0, 100), (1, 0))
        ]
        made.patch(f"{VIRTUAL_SERVICES}/{SERVICE}", resting, "application/json-patch+json")
        ready = f"{DEPLOYMENTS}/{SERVICE}"
        made.wait(lambda: made.get(ready)["status"].get("readyReplicas") == 2, "stable to be ready")
        made.log = sandbox.start_traffic(HOST, rate)
        made.wait(lambda: sum(made.totals().requests.values()) > 0, "traffic")
        yield made


def controllers_write(seen: SeenRequest) -> str | None:
    """The kind of a write by the controller to what is a user's; None for every other request."""
    ours = seen.user_agent.startswith("canary/") and seen.is_write and "dryRun" not in seen.query
    if not ours or f"/namespaces/{NAMESPACE}/" not in seen.path:
        return None
    parts = seen.path.split(f"/namespaces/{NAMESPACE}/")[1].split("/")
    if parts[0] not in {"releases", "virtualservices", "deployments"}:
        return None
    return f"{seen.method} {parts[0]}{'/status' if parts[-1] == 'status' else ''}"


def killing(made: Stage, *, applied: bool) -> list[str]:
    """Kill the controller at every single write from now on; the kinds of writes, as they come.

    ``applied``: the write takes effect, only its answer is lost. Otherwise each write is lost once, and let
    through when the restarted controller tries it again.
    """
    kinds: list[str] = []
    lost: set[str] = set()

    def hook(seen: SeenRequest) -> Fault | None:
        kind = controllers_write(seen)
        if kind is None or made.controller is None or not made.controller.is_running():
            return None
        if not applied and kind in lost:
            lost.discard(kind)
            return None
        lost.add(kind)
        kinds.append(kind)
        made.kill_controller()
        return Fault(status=0, after=applied)

    made.api.seam.before_response = hook
    return kinds

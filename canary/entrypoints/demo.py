"""The demo: three releases on real traffic, in a cluster of one's own, judged by the real controller.

It starts the sandbox and the controller as a process, pushes a healthy version, one with errors and one
that becomes slow, shows what happens, and ends with what users saw. It succeeds only when all three
ended as they should and the VirtualService is as the team wrote it. Nothing is left behind.
"""

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from canary.adapters.istio.virtual_services import IstioRoutes
from canary.adapters.kube.connection import connect
from canary.adapters.kube.crd import crds
from canary.adapters.kube.releases import KubeReleases
from canary.adapters.kube.transport import Transport
from canary.app.errors import NotFound, Retryable, WorldError
from canary.app.ports import StoredRelease
from canary.domain.annotations import parse_plan
from canary.domain.plan import Plan, ServiceKey
from canary.domain.release import Phase
from canary.entrypoints.clock import SystemClock
from canary.entrypoints.demo_screen import Screen, screen_for
from canary.entrypoints.demo_summary import Ending, ReleaseSummary, format_summary, summarise
from canary.entrypoints.live_view import live_view
from canary.sandbox.cluster import Sandbox
from canary.sandbox.control_plane import ControlPlaneMissing, collection_of
from canary.sandbox.ground import Ground, sandbox_on
from canary.sandbox.mesh import NetworkRefused, way_in
from canary.sandbox.processes import Child, ProcessFailed
from canary.sandbox.showcase import (
    CANARY,
    NAMESPACE,
    RELEASES,
    SERVICE,
    ShowcaseRelease,
    objects,
    template_patch,
)
from canary.sandbox.traffic_log import read_log

__all__ = ["run"]

Json = dict[str, Any]

KEY = ServiceKey(NAMESPACE, SERVICE)
HOST = f"{SERVICE}.{NAMESPACE}.svc.cluster.local"
READY_SECONDS = 30.0
POLL_SECONDS = 0.5
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the demo goes."""

    steps: str
    rate_per_second: float
    min_requests: int
    release_seconds: float
    """The longest that one release may take."""


ORDINARY = Pace(steps="10@12s,50@12s,100@12s", rate_per_second=100, min_requests=50, release_seconds=100)
FAST = Pace(steps="10@3s,50@3s,100@3s", rate_per_second=200, min_requests=30, release_seconds=60)


PAGE = {"CANARY_PAGE__ENABLED": "true", "CANARY_PAGE__HOST": "127.0.0.1", "CANARY_PAGE__PORT": "0"}
PAGE_PORT = re.compile(r"page_port\W+(\d+)")
"""As the controller logs it when it starts, in either format."""
CONTROLLER = (sys.executable, "-m", "canary.entrypoints.controller")


class DemoFailed(Exception):
    """Something that the demo needs did not happen; the message says what, and where to look."""


def run(ground: Ground = Ground.OWN, *, fast: bool = False, keep: bool = False, plain: bool = False) -> int:
    """Run the demo; return the exit status: 0 only when every release ended as it should."""
    pace = FAST if fast else ORDINARY
    try:
        with (
            sandbox_on(ground, lambda text: print(text, flush=True)) as sandbox,
            screen_for(plain=plain) as screen,
        ):
            demo = _Demo(sandbox, screen, pace)
            demo.prepare()
            summaries = [demo.release(release) for release in RELEASES]
            screen.close()
            succeeded = demo.report(summaries)
            if keep:
                _keep(sandbox, demo.page_url(), way_in() if ground is Ground.REAL_MESH else None)
            return 0 if succeeded else 1
    except (ControlPlaneMissing, DemoFailed, NetworkRefused, ProcessFailed, WorldError) as error:
        print(f"canaryctl demo: {error}", file=sys.stderr)
        return 1


class _Demo:
    """One run in a sandbox that is up."""

    def __init__(self, sandbox: Sandbox, screen: Screen, pace: Pace) -> None:
        self._sandbox = sandbox
        self._screen = screen
        self._pace = pace
        self._transport = connect(sandbox.kubeconfig)
        self._releases = KubeReleases(self._transport)
        self._routes = IstioRoutes(self._transport, SystemClock())
        self._controller: Child | None = None
        self._before: Json = {}

    def prepare(self) -> None:
        """Apply what the team has, start the controller and the traffic, and wait for both."""
        self._screen.say("cluster, Envoy and Prometheus are up; applying the application's objects")
        for definition in crds():
            _create(self._transport, definition)
        wanted = objects(steps=self._pace.steps, min_requests=self._pace.min_requests)
        for item in wanted:
            _create(self._transport, item)
        self._plan = _plan(wanted)
        self._before = self._virtual_service()
        self._wait(self._pods_are_ready, f"the pods of {SERVICE} to be ready")
        self._log = self._sandbox.start_traffic(HOST, self._pace.rate_per_second)
        environment = controller_environment(self._sandbox) | PAGE
        self._controller = self._sandbox.processes.start("controller", CONTROLLER, environment)
        self._wait(lambda: self._percent() == 0, "the controller to return the weights to 100/0")
        self._screen.say(f"the controller runs; {self._pace.rate_per_second:g} requests/s go through Envoy")
        self._screen.say(f"its page, for a browser: {self.page_url()}")

    def release(self, release: ShowcaseRelease) -> ReleaseSummary:
        """Push a version to the canary and watch its release to its end."""
        self._screen.say(f"release {release.version}: {release.title}")
        began = time.time()
        known = {item.release.name for item in self._releases.list(KEY)}
        self._transport.request(
            "PATCH",
            f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{CANARY}",
            body=template_patch(release),
            content_type=STRATEGIC_MERGE_PATCH,
        )
        stored = self._watch(known, began)
        # The source of traffic writes a second when it is over.
        time.sleep(1.5)
        return summarise(_ending(release, stored), read_log(self._log), began, time.time())

    def report(self, summaries: Sequence[ReleaseSummary]) -> bool:
        """Print the summary and say whether everything is as it should be."""
        untouched = _without_pair_weights(self._virtual_service()) == _without_pair_weights(self._before)
        print()
        print(format_summary(summaries))
        print()
        print(
            "VirtualService: everything but the two weights is as the team wrote it"
            if untouched
            else "VirtualService: (!) more than the two weights was changed"
        )
        return untouched and all(item.as_expected for item in summaries)

    def page_url(self) -> str:
        """Where the controller serves its page."""
        found = PAGE_PORT.search(self._controller.log.read_text()) if self._controller is not None else None
        if found is None:
            raise DemoFailed(f"the controller does not say where its page is{self._controller_log()}")
        return f"http://127.0.0.1:{found[1]}"

    def _watch(self, known: set[str], began: float) -> StoredRelease:
        while time.time() - began < self._pace.release_seconds:
            self._check_controller()
            stored = next((item for item in self._releases.list(KEY) if item.release.name not in known), None)
            if stored is not None:
                self._screen.show(live_view(stored.release, self._percent(), time.time()))
                if stored.release.phase.is_terminal:
                    return stored
            time.sleep(POLL_SECONDS)
        raise DemoFailed(
            f"a release took longer than {self._pace.release_seconds:g} s{self._controller_log()}"
        )

    def _percent(self) -> int | None:
        routes = self._routes.read(KEY, self._plan)
        return routes.max_canary_percent if routes.routes else None

    def _pods_are_ready(self) -> bool:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
        items = self._transport.list(path, dict)
        ready = [item.get("status", {}).get("readyReplicas", 0) for item in items]
        return bool(ready) and all(ready)

    def _virtual_service(self) -> Json:
        path = f"/apis/networking.istio.io/v1/namespaces/{NAMESPACE}/virtualservices/{SERVICE}"
        found: Json = msgspec.json.decode(self._transport.request("GET", path))
        return found

    def _wait(self, condition: Any, what: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            self._check_controller()
            if time.monotonic() > deadline:
                raise DemoFailed(f"waited {READY_SECONDS:g} s in vain for {what}{self._controller_log()}")
            time.sleep(0.1)

    def _check_controller(self) -> None:
        if self._controller is not None and not self._controller.is_running():
            raise DemoFailed(f"the controller ended{self._controller_log()}")

    def _controller_log(self) -> str:
        return f"; its log ends:\n{self._controller.log_tail()}" if self._controller is not None else ""


def controller_environment(sandbox: Sandbox) -> dict[str, str]:
    """Settings of a controller in the sandbox, given as in a cluster: by its environment."""
    return {
        "KUBECONFIG": str(sandbox.kubeconfig),
        "CANARY_PROMETHEUS__URL": sandbox.prometheus_url,
        "CANARY_PROMETHEUS__SCRAPE_INTERVAL": "1s",
        "CANARY_PROMETHEUS__LAG": "500ms",
        "CANARY_CONTROLLER__TICK": "500ms",
        "CANARY_CONTROLLER__CHECKPOINT_INTERVAL": "1s",
        "CANARY_HTTP__HOST": "127.0.0.1",
        "CANARY_HTTP__PORT": "0",
        "CANARY_LOG__FORMAT": "console",
    }


def _create(transport: Transport, item: Json) -> None:
    """Create one object; a CRD that is not served yet is waited for."""
    path = collection_of(item)
    for _ in range(50):
        try:
            transport.request("POST", path, body=item)
        except (NotFound, Retryable):
            time.sleep(0.1)
        else:
            return
    raise DemoFailed(f"{path} is not served")


def _plan(wanted: Sequence[Json]) -> Plan:
    service = next(item for item in wanted if item["kind"] == "Service")
    plan = parse_plan(KEY, service["metadata"]["annotations"])
    if plan is None:
        raise DemoFailed("the demo's own service is not opted in")
    return plan


def _ending(release: ShowcaseRelease, stored: StoredRelease) -> Ending:
    verdict, phase = stored.release.verdict, stored.release.phase
    cause = verdict.objective if verdict is not None and phase is not Phase.SUCCEEDED else None
    return Ending(
        title=f"{release.version} {release.title}",
        version=release.version,
        expected=release.ending,
        ended=phase.value,
        why=stored.release.message,
        as_expected=phase.value == release.ending and cause == release.cause,
    )


def _without_pair_weights(virtual_service: Json) -> Json:
    """Everything that must stay as it was: all but the pair's two weights and what the server counts."""
    metadata = virtual_service["metadata"]
    spec: Json = msgspec.json.decode(msgspec.json.encode(virtual_service["spec"]))
    for destination in spec["http"][1]["route"]:
        destination.pop("weight", None)
    return {
        "annotations": metadata.get("annotations"),
        "labels": metadata.get("labels"),
        "uid": metadata["uid"],
        "spec": spec,
    }


def _keep(sandbox: Sandbox, page_url: str, way_in: str | None) -> None:
    """Leave everything running until Ctrl-C, and say how to look around; ``way_in`` leads to its network."""
    kubectl = Path(sys.executable).with_name("kubectl")
    shown = kubectl if kubectl.exists() else "kubectl"
    canaryctl = Path(sys.executable).with_name("canaryctl")
    print()
    print("Everything keeps running until Ctrl-C. In another terminal:")
    print()
    if way_in is not None:
        print(f"    {way_in}    # all of it, the browser's page too, is in a network of its own")
    print(f"    export KUBECONFIG={sandbox.kubeconfig}")
    print(f"    {shown} get releases,deployments,virtualservices -n {NAMESPACE}")
    print(f"    {canaryctl} status -n {NAMESPACE}")
    print(f"    {canaryctl} explain {SERVICE} -n {NAMESPACE}")
    print()
    print(f"In a browser: {page_url}")
    print()
    print("Push a version of your own, well or badly behaved, and follow it:")
    print()
    print(f"    {shown} set env deployment/{CANARY} -n {NAMESPACE} VERSION=v5 BEHAVIOUR='errors=5%'")
    print(f"    {canaryctl} status {SERVICE} -n {NAMESPACE} --watch")
    print()
    print(f"Logs: {sandbox.directory}")
    print(f"Prometheus: {sandbox.prometheus_url}   Envoy: {sandbox.envoy_url} (Host: {HOST})")
    while True:
        time.sleep(3600)

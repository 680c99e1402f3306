"""What a controller asks of the API server in whole releases, and what the chart grants: exactly the same.

The controller runs with the settings and in the namespaces that the chart gives it, and every request is
noted; a real server also refuses what is not granted. Besides a healthy release and a rollback there are the
rare paths: a creation that a proxy sends twice, a failure that is announced twice, a history that is full. A
gateway's VirtualService in another namespace that is looked after is shifted with the service's own. Somebody
looks at the page.
"""

import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from canary.domain.release import Phase
from canary.entrypoints.demo import PAGE_PORT
from canary.sandbox.apiserver.seam import Fault, RequestRecord, SeenRequest
from canary.sandbox.processes import Child
from canary.sandbox.showcase import CANARY, SERVICE
from tests.chart.permissions import NAMED, asked_for, granted_by, wherever
from tests.chart.rendering import NAMESPACE as HOME
from tests.chart.rendering import render, settings_of
from tests.controllers import controller_as, user_agent
from tests.e2e.stage import NAMESPACE, Stage, create, stage
from tests.grounds import Ground, NewGround
from tests.scenarios.edge import install_gateway, named

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Json = dict[str, Any]

UNDER_TEST: Final = "under-test"
USER_AGENT: Final = user_agent(UNDER_TEST)
GATEWAYS: Final = "istio-ingress"
POLICY: Final = {
    "apiVersion": "canaryctl.dev/v1alpha1",
    "kind": "ReleasePolicy",
    "metadata": {"namespace": NAMESPACE, "name": "standard"},
    "spec": {"deadline": "2h"},
}


@dataclass
class Run:
    """What was asked from start to end, and the chart that the controller ran with."""

    records: list[RequestRecord]
    objects: list[Json]
    lease: Json
    """As the controller left it."""


@pytest.fixture(scope="module")
def run(control_plane: NewGround, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    records: list[RequestRecord] = []
    with control_plane() as ground, stage(ground, steps="10@2s,100@2s") as made:

        def witness(record: RequestRecord) -> None:
            if record.user_agent == USER_AGENT:
                records.append(record)

        made.api.seam.after_effect = witness
        install_gateway(made.transport, GATEWAYS, NAMESPACE, shared_with=NAMESPACE)
        made.annotate(virtual_services=named(GATEWAYS))
        objects, controller = start_controller(made, ground, tmp_path_factory.mktemp("etc"))
        live_through(made, controller, records)
        # Ended as a kubelet would, so that it gives the lease up.
        assert controller.stop(deadline_seconds=20) == 0, controller.log_tail()
        yield Run(records, objects, made.get(f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/canary"))


def start_controller(made: Stage, ground: Ground, etc: Path) -> tuple[list[Json], Child]:
    """Start the controller on the chart's configuration file; return the chart's objects and the process."""
    values = {
        "image": {"repository": "canary"},
        "namespaces": [NAMESPACE, GATEWAYS],
        "config": {
            "prometheus": {"url": made.sandbox.prometheus_url, "scrape_interval": "1s", "lag": "500ms"},
            "controller": {"tick": "500ms", "checkpoint_interval": "1s", "history_limit": 1},
            "http": {"host": "127.0.0.1"},
            "page": {"host": "127.0.0.1"},
        },
        "page": {"enabled": True},
    }
    objects = render(values)
    (etc / "config.yaml").write_text(settings_of(objects))
    # Unlike in a pod, other processes may have the chart's ports here.
    any_ports = {"CANARY_HTTP__PORT": "0", "CANARY_PAGE__PORT": "0"}
    environment = {**ground.account(values), "CANARY_CONFIG": str(etc / "config.yaml"), **any_ports}
    return objects, made.sandbox.processes.start("controller", controller_as(UNDER_TEST), environment)


def live_through(made: Stage, controller: Child, records: list[RequestRecord]) -> None:
    """A healthy release, a rollback and another release, with the rare things that happen on the way."""
    repeated: list[str] = []

    def repeat_the_first_creation(seen: SeenRequest) -> Fault | None:
        """The object is made, but what the controller hears is the answer to a second attempt."""
        is_creation = seen.method == "POST" and seen.path.endswith(f"/namespaces/{NAMESPACE}/releases")
        if seen.user_agent != USER_AGENT or not is_creation or repeated:
            return None
        repeated.append(seen.path)
        return Fault(status=409, after=True)

    def refuse_routes(seen: SeenRequest) -> Fault | None:
        is_routes = seen.user_agent == USER_AGENT and seen.path.endswith("/virtualservices")
        return Fault(status=503) if is_routes else None

    def ended(phase: Phase, version: str) -> bool:
        release = made.newest()
        return release.phase is phase and made.version_of(CANARY) == version and release.message != ""

    seam = made.api.seam
    seam.before_response = repeat_the_first_creation
    create(made.transport, POLICY)
    made.annotate(policy="standard")
    made.push("v2")
    made.wait(lambda: made.percent() == 10, f"the first step; {controller.log_tail()}")
    look_at_the_page(controller)
    # The same words twice are one Event with a count.
    seam.before_response = refuse_routes
    made.wait(lambda: has_asked(records, "PATCH", "events"), "an Event that is told twice")
    seam.before_response = None
    made.wait(lambda: ended(Phase.SUCCEEDED, "v2"), "the healthy release to end")
    made.push("v3", "errors=100%")
    made.wait(lambda: ended(Phase.ROLLED_BACK, "v3"), "the rollback to end")
    made.push("v4")
    made.wait(lambda: ended(Phase.SUCCEEDED, "v4"), "the last release to end")
    made.wait(lambda: has_asked(records, "DELETE", "releases"), "history to be pruned")


def look_at_the_page(controller: Child) -> None:
    port = PAGE_PORT.search(controller.log.read_text())
    assert port is not None, controller.log_tail()
    for path in ("/", f"/releases/{NAMESPACE}/{SERVICE}", "/api/releases"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}{path}", timeout=10) as answer:
            assert answer.status == 200


def has_asked(records: list[RequestRecord], method: str, resource: str) -> bool:
    return any(record.method == method and f"/{resource}" in record.path for record in tuple(records))


def test_nothing_was_refused_for_want_of_being_found(run: Run) -> None:
    assert len(run.records) > 100
    # 422 is how a server says that a patch was decided on an older version.
    assert {record.status for record in run.records} <= {0, 200, 201, 404, 409, 422, 503}


def test_everything_that_was_asked_is_granted_and_nothing_more(run: Run) -> None:
    granted = granted_by(run.objects)
    assert {item.resource for item in granted if item.name} == NAMED
    needed = {item for record in run.records if (item := asked_for(record)) is not None}
    assert {str(item) for item in needed - granted} == set(), "asked for, but not granted"
    # Every namespace that is looked after has the same Role, wherever in them something is needed.
    unused = wherever(granted) - wherever(needed)
    assert {str(item) for item in unused} == set(), "granted, but never asked for"


def test_of_another_namespaces_gateway_one_virtual_service_is_read_and_patched(run: Run) -> None:
    found = {asked_for(record) for record in run.records}
    istio = {item for item in found if item is not None and item.group == "networking.istio.io"}
    assert {(item.resource, item.verb) for item in istio if item.namespace == GATEWAYS} == {
        ("virtualservices", "get"),
        ("virtualservices", "patch"),
    }


def test_controller_that_is_ended_leaves_its_lease_to_whoever_comes_next(run: Run) -> None:
    assert run.lease["spec"].get("holderIdentity", "") == ""


def test_with_a_list_of_namespaces_nothing_was_asked_outside_of_them(run: Run) -> None:
    found = {asked_for(record) for record in run.records}
    assert {item.namespace for item in found if item is not None} == {NAMESPACE, GATEWAYS, HOME}
    assert {item.resource for item in found if item is not None and item.namespace == HOME} == {"leases"}

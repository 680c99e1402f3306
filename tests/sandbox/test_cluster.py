"""The whole sandbox: Pods become real processes, weights become real shares, and nothing is left behind."""

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest

from canary.adapters.kube.connection import connect
from canary.app.errors import NotFound
from canary.sandbox.api import JsonApi
from canary.sandbox.cluster import Sandbox
from canary.sandbox.processes import Processes, wait_until
from canary.sandbox.routes import ADDRESS_ANNOTATION
from canary.sandbox.traffic_log import read_totals

pytestmark = pytest.mark.slow

Json = dict[str, Any]
PODS = "/api/v1/namespaces/shop/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/shop/deployments"
VIRTUAL_SERVICES = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices"
DEADLINE_SECONDS = 15.0

WHOLE_SANDBOX = """
import os, signal, sys, time
from canary.sandbox.cluster import Sandbox
how = sys.argv[1]
with Sandbox() as sandbox:
    print(sandbox.directory, flush=True)
    if how == "raise":
        raise RuntimeError("on purpose")
    time.sleep(60)
"""


def until(condition: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(scrape_interval_seconds=0.5) as running:
        yield running


@pytest.fixture(scope="module")
def api(sandbox: Sandbox) -> JsonApi:
    api = JsonApi(connect(sandbox.kubeconfig))
    api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    return api


def container(version: str, behaviour: str) -> Json:
    environment = [{"name": "BEHAVIOUR", "value": behaviour}]
    return {"name": "app", "image": f"sandbox.local/app:{version}", "env": environment}


def create_pod(api: JsonApi, name: str, behaviour: str = "", **labels: str) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [container("v1", behaviour)]},
    }
    api.create(PODS, pod)


def create_deployment(api: JsonApi, name: str, app: str, behaviour: str = "") -> None:
    labels = {"app": app, "track": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container(name, behaviour)]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    api.create(
        DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    )


def create_service(api: JsonApi, app: str, weights: dict[str, int]) -> None:
    """A Service with two tracks, split by weight."""
    spec: Json = {"selector": {"app": app}, "ports": [{"name": "http", "port": 80}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": app}, "spec": spec}
    api.create("/api/v1/namespaces/shop/services", service)
    istio = {"apiVersion": "networking.istio.io/v1", "metadata": {"name": app}}
    subsets = [{"name": track, "labels": {"track": track}} for track in weights]
    rule = {**istio, "kind": "DestinationRule", "spec": {"host": app, "subsets": subsets}}
    api.create("/apis/networking.istio.io/v1/namespaces/shop/destinationrules", rule)
    virtual_service = {
        **istio,
        "kind": "VirtualService",
        "spec": {"hosts": [app], "http": routes(app, weights)},
    }
    api.create(VIRTUAL_SERVICES, virtual_service)


def routes(app: str, weights: dict[str, int]) -> list[Json]:
    return [
        {
            "route": [
                {"destination": {"host": app, "subset": track}, "weight": weight}
                for track, weight in weights.items()
            ]
        }
    ]


def status_of(api: JsonApi, name: str) -> Json:
    status: Json = api.get(f"{PODS}/{name}").get("status") or {}
    return status


def is_ready(api: JsonApi, name: str) -> bool:
    conditions = {item["type"]: item["status"] for item in status_of(api, name).get("conditions", [])}
    return conditions.get("Ready") == "True"


def ready_replicas(api: JsonApi, name: str) -> int:
    return int(api.get(f"{DEPLOYMENTS}/{name}").get("status", {}).get("readyReplicas", 0))


def is_gone(api: JsonApi, path: str) -> bool:
    try:
        api.get(path)
    except NotFound:
        return True
    return False


def ask(address: str, host: str = "any", path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("x-sandbox-version", "")
    finally:
        connection.close()


def versions(sandbox: Sandbox, app: str, count: int = 5) -> set[str]:
    address = urlsplit(sandbox.envoy_url).netloc
    return {ask(address, f"{app}.shop.svc.cluster.local")[1] for _ in range(count)}


def command_lines() -> str:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return "\n".join(found)


def test_pod_becomes_a_process_that_answers(api: JsonApi) -> None:
    create_pod(api, "alone")
    until(lambda: is_ready(api, "alone"))
    pod = api.get(f"{PODS}/alone")
    assert (pod["spec"]["nodeName"], pod["status"]["phase"]) == ("sandbox-node", "Running")
    assert not pod["status"]["podIP"].startswith("127.")
    assert ask(pod["metadata"]["annotations"][ADDRESS_ANNOTATION]) == (200, "v1")


def test_pod_is_scraped_for_the_applications_own_counter(sandbox: Sandbox, api: JsonApi) -> None:
    create_pod(api, "selling", "failed-orders=50%")
    until(lambda: is_ready(api, "selling"))
    address = api.get(f"{PODS}/selling")["metadata"]["annotations"][ADDRESS_ANNOTATION]
    assert {ask(address) for _ in range(20)} == {(200, "v1")}

    def orders() -> dict[str, str]:
        query = urlencode({"query": 'orders_total{namespace="shop",pod="selling"}'})
        with urlopen(f"{sandbox.prometheus_url}/api/v1/query?{query}", timeout=5) as answer:
            rows = json.load(answer)["data"]["result"]
        return {row["metric"]["result"]: row["value"][1] for row in rows}

    until(lambda: sum(map(int, orders().values())) == 20)
    assert orders().keys() == {"ok", "failed"}


def test_deleted_pod_ends_its_process_before_its_object_goes(api: JsonApi) -> None:
    create_pod(api, "leaving")
    until(lambda: is_ready(api, "leaving"))
    address = api.get(f"{PODS}/leaving")["metadata"]["annotations"][ADDRESS_ANNOTATION]
    api.delete(f"{PODS}/leaving", {})
    until(lambda: is_gone(api, f"{PODS}/leaving"))
    with pytest.raises(ConnectionRefusedError):
        ask(address)


def test_pod_that_is_deleted_is_unready_first(api: JsonApi) -> None:
    create_pod(api, "draining")
    until(lambda: is_ready(api, "draining"))
    api.delete(f"{PODS}/draining", {})
    # Still there, still serving, but no longer ready: the proxies have this long to let go.
    until(lambda: not is_ready(api, "draining"))
    until(lambda: is_gone(api, f"{PODS}/draining"))


def test_pod_that_is_never_ready_runs_unready(api: JsonApi) -> None:
    create_pod(api, "shy", "never-ready")
    until(lambda: status_of(api, "shy").get("phase") == "Running")
    address = until(lambda: api.get(f"{PODS}/shy")["metadata"].get("annotations", {}).get(ADDRESS_ANNOTATION))
    assert ask(address) == (503, "v1")
    assert not is_ready(api, "shy")


def test_pod_becomes_ready_late(api: JsonApi) -> None:
    create_pod(api, "late", "ready-after=1s")
    until(lambda: api.get(f"{PODS}/late")["metadata"].get("annotations", {}).get(ADDRESS_ANNOTATION))
    assert not is_ready(api, "late")
    until(lambda: is_ready(api, "late"))


def test_crashing_pod_is_restarted_with_back_off(api: JsonApi) -> None:
    create_pod(api, "crashing", "crash-after=100ms")

    def looped() -> bool:
        statuses = status_of(api, "crashing").get("containerStatuses") or [{}]
        reason = statuses[0].get("state", {}).get("waiting", {}).get("reason")
        return bool(statuses[0].get("restartCount", 0) >= 1 and reason == "CrashLoopBackOff")

    until(looped)
    (container_status,) = status_of(api, "crashing")["containerStatuses"]
    assert container_status["lastState"]["terminated"]["exitCode"] == 1
    api.delete(f"{PODS}/crashing", {})
    until(lambda: is_gone(api, f"{PODS}/crashing"))


def test_virtual_service_splits_deployments_and_new_weights_are_live_at_once(
    sandbox: Sandbox, api: JsonApi
) -> None:
    for name in ("blue", "green"):
        create_deployment(api, name, "colour")
    create_service(api, "colour", {"blue": 100, "green": 0})
    until(lambda: ready_replicas(api, "blue") and ready_replicas(api, "green"))
    until(lambda: versions(sandbox, "colour") == {"blue"})
    changed = api.patch(
        f"{VIRTUAL_SERVICES}/colour", {"spec": {"http": routes("colour", {"blue": 0, "green": 100})}}
    )
    until(lambda: versions(sandbox, "colour") == {"green"}, 1.0)
    version = changed["metadata"]["resourceVersion"]
    until(lambda: sandbox.in_force().virtual_services["shop/colour"][0] == version)
    in_force = sandbox.in_force()
    assert 0 <= time.time() - in_force.virtual_services["shop/colour"][1] < DEADLINE_SECONDS
    assert (in_force.problems, in_force.refused) == ((), "")


def test_pods_come_and_go_under_load_without_a_single_failure(sandbox: Sandbox, api: JsonApi) -> None:
    for name in ("old", "new"):
        create_deployment(api, name, "churn")
    create_service(api, "churn", {"old": 50, "new": 50})
    until(lambda: ready_replicas(api, "old") and ready_replicas(api, "new"))
    until(lambda: versions(sandbox, "churn", 20) == {"old", "new"})
    log = sandbox.start_traffic("churn.shop.svc.cluster.local", 100)
    api.patch(f"{DEPLOYMENTS}/old", {"spec": {"replicas": 2}})
    until(lambda: ready_replicas(api, "old") == 2)
    api.patch(f"{DEPLOYMENTS}/old", {"spec": {"replicas": 1}})

    def is_one_left() -> bool:
        pods = api.get(PODS)["items"]
        return [pod["metadata"].get("labels", {}).get("track") for pod in pods].count("old") == 1

    until(is_one_left)
    sandbox.stop_traffic()
    totals = read_totals(log)
    assert totals.requests.keys() == {("old", 200), ("new", 200)}


def test_invalid_virtual_service_is_a_problem_for_display_and_nobody_elses(
    sandbox: Sandbox, api: JsonApi
) -> None:
    destination = {"destination": {"host": "nowhere"}}
    http = [{"match": [{"uri": {"regex": "a(?=b)"}}], "route": [destination]}]
    spec = {"hosts": ["broken"], "http": http}
    item = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "broken"}}
    api.create(VIRTUAL_SERVICES, {**item, "spec": spec})
    problem = until(lambda: sandbox.in_force().problems)[0]
    assert problem.virtual_service == "shop/broken"
    assert "spec.http[0].match[0].uri.regex" in problem.message
    assert sandbox.in_force().refused == ""


def test_extra_process_is_stopped_with_the_sandbox(sandbox: Sandbox) -> None:
    child = sandbox.processes.start("extra", [sys.executable, "-c", "import time; time.sleep(60)"])
    assert child.is_running()


@pytest.mark.parametrize(
    ("how", "number"),
    [("raise", None), ("interrupt", signal.SIGINT)],
)
def test_nothing_is_left_when_the_sandbox_ends_by_an_exception(
    tmp_path: Path, how: str, number: signal.Signals | None
) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start(
            "whole", [sys.executable, "-c", WHOLE_SANDBOX, how], {"TMPDIR": str(tmp_path)}
        )
        directory = wait_until(lambda: child.log_tail().split("\n")[0] or None, child)
        if number is not None:
            child.signal(number)
        assert child.wait(10) not in {None, 0}
    assert directory.startswith(str(tmp_path))
    assert not Path(directory).exists()
    assert directory not in command_lines()


def test_interruption_while_the_sandbox_starts_leaves_nothing(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start(
            "whole", [sys.executable, "-c", WHOLE_SANDBOX, "wait"], {"TMPDIR": str(tmp_path)}
        )
        # As soon as the directory is there, which is before anything answers.
        until(lambda: list(tmp_path.glob("canary-sandbox-*/apiserver.log")))
        child.signal(signal.SIGINT)
        assert child.wait(10) not in {None, 0}
    assert list(tmp_path.glob("canary-sandbox-*")) == []
    assert str(tmp_path / "canary-sandbox-") not in command_lines()


def test_no_process_survives_the_kill_of_the_sandboxs_owner(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start(
            "whole", [sys.executable, "-c", WHOLE_SANDBOX, "wait"], {"TMPDIR": str(tmp_path)}
        )
        directory = wait_until(lambda: child.log_tail().split("\n")[0] or None, child)
        assert directory in command_lines()
        os.kill(child.pid, signal.SIGKILL)
        until(lambda: directory not in command_lines())

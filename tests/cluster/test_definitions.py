"""Our definitions on a real API server: what their schemas and CEL rules refuse, fill in and list."""

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from canary.adapters.kube.connection import connect
from canary.adapters.kube.transport import MERGE_PATCH, Transport
from canary.app.errors import ConflictError, TerminalError
from canary.sandbox.control_plane import ControlPlane, create
from tests.processes_of_venv import program

Json = dict[str, Any]
POLICIES = "/apis/canaryctl.dev/v1alpha1/namespaces/default/releasepolicies"
SAMPLES = sorted((Path(__file__).parents[2] / "config" / "samples").glob("*.yaml"))
RELEASES = "/apis/canaryctl.dev/v1alpha1/namespaces/default/releases"


@pytest.fixture(scope="module")
def admin(plane: ControlPlane) -> Transport:
    return connect(plane.kubeconfig)


def policy(name: str, **spec: object) -> Json:
    metadata = {"namespace": "default", "name": name}
    return {
        "apiVersion": "canaryctl.dev/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": metadata,
        "spec": spec,
    }


def release(name: str) -> Json:
    plan = {
        "stable": "checkout",
        "canary": "checkout-canary",
        "steps": [{"weight": 10, "bakeSeconds": 60.0}],
        "objectives": [{"name": "error-rate", "kind": "errors", "maxBadRatio": 0.01}],
    }
    spec = {
        "service": "checkout",
        "revision": "7d9f",
        "attempt": 1,
        "plan": plan,
        "windowSeconds": 15.0,
        "createdAt": "2026-01-31T12:00:00.000Z",
    }
    metadata = {"namespace": "default", "name": name, "labels": {"canaryctl.dev/service": "checkout"}}
    return {"apiVersion": "canaryctl.dev/v1alpha1", "kind": "Release", "metadata": metadata, "spec": spec}


def steps(*weights: int, bake: str = "1m") -> list[Json]:
    return [{"weight": weight, "bake": bake} for weight in weights]


LATENCY = {"name": "tail", "maxLatency": "99% < 2.5s"}
QUEUE = {"name": "queue", "template": "queue", "atMost": 500}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"steps": steps(50, 10)}, "weights must rise from step to step"),
        ({"steps": steps(10, 10)}, "weights must rise from step to step"),
        ({"steps": steps(0)}, "greater than or equal to 1"),
        ({"steps": steps(*range(1, 22))}, "must have at most 20 items"),
        ({"steps": []}, "should have at least 1 items"),
        ({"steps": steps(10, 50, bake="30m"), "deadline": "1h"}, "deadline must be longer than all steps"),
        ({"steps": [{"weight": 10}], "deadline": "1m"}, "deadline must be longer than all steps"),
        ({"stable": "a", "canary": "a"}, "two workloads"),
        ({"maxErrorRate": "0.01"}, "spec.maxErrorRate in body should match"),
        ({"tolerance": "1.2"}, "spec.tolerance in body should match"),
        ({"deadline": "soon"}, "spec.deadline in body should match"),
        ({"minRequests": 0}, "greater than or equal to 1"),
        ({"gates": ["promote"]}, 'supported values: "first-step", "promotion"'),
        ({"onNoData": "pass"}, 'supported values: "hold", "rollback"'),
        ({"evidence": "hope"}, 'supported values: "bake"'),
        ({"objectives": [{"name": "x"}]}, "either maxLatency, or template and maxBad"),
        ({"objectives": [{**LATENCY, "template": "t", "maxBad": "1%"}]}, "either maxLatency, or template"),
        ({"objectives": [{"name": "x", "template": "t"}]}, "either maxLatency, or template and maxBad"),
        ({"objectives": [{**QUEUE, "maxBad": "1%"}]}, "template and atMost or atLeast"),
        ({"objectives": [{**QUEUE, "atLeast": 5}]}, "template and atMost or atLeast"),
        ({"objectives": [{"name": "queue", "atMost": 500}]}, "template and atMost or atLeast"),
        ({"objectives": [{**QUEUE, "atMost": "500"}]}, "must be of type number"),
        ({"objectives": [{**LATENCY, "failures": 1}]}, "belong to atMost and atLeast"),
        ({"objectives": [{**LATENCY, "every": "5s"}]}, "belong to atMost and atLeast"),
        ({"objectives": [{**QUEUE, "failures": -1}]}, "greater than or equal to 0"),
        ({"objectives": [{**QUEUE, "consecutive": 4}]}, "at most one more than failures"),
        ({"objectives": [{**QUEUE, "every": "soon"}]}, "every in body should match"),
        ({"objectives": [LATENCY, LATENCY]}, "Duplicate value"),
        ({"objectives": [{**LATENCY, "name": "latency"}]}, "the name is taken"),
    ],
)
def test_policy_that_cannot_be_right_is_refused_with_what_would_be(
    admin: Transport, spec: Json, words: str
) -> None:
    with pytest.raises(TerminalError) as refused:
        create(admin, policy("wrong", **spec))
    assert words in str(refused.value)


def test_policy_that_says_everything_is_taken_as_it_is(admin: Transport) -> None:
    template = {"name": "payments", "template": "failed-payments", "maxBad": "0.5%"}
    gauge = {**QUEUE, "failures": 4, "consecutive": 5, "every": "30s"}
    spec = {
        "stable": "checkout",
        "canary": "checkout-v2",
        "steps": [{"weight": 1, "bake": "90s"}, {"weight": 25}, {"weight": 100, "bake": "1.5h"}],
        "maxErrorRate": "0.5%",
        "maxLatency": "99.9% < 500ms",
        "objectives": [LATENCY, template, gauge],
        "tolerance": "1.5x",
        "minRequests": 200,
        "falseRollbackBudget": "0.1%",
        "evidence": "bake",
        "gates": ["first-step", "promotion"],
        "deadline": "2h",
        "onNoData": "rollback",
        "drain": "30s",
        "interval": "5s",
        "virtualServices": ["checkout", "gateway/primary"],
    }
    create(admin, policy("everything", **spec))
    assert admin.get(f"{POLICIES}/everything", dict)["spec"] == spec


@pytest.mark.parametrize("name", ["revision", "service", "attempt", "windowSeconds"])
def test_what_a_release_is_about_never_changes(admin: Transport, name: str) -> None:
    create(admin, release(f"fixed-{name.lower()}"))
    other: object = 2 if name in {"attempt", "windowSeconds"} else "other"
    with pytest.raises(TerminalError, match="are fixed: deploy another revision, or set retry"):
        patch(admin, f"{RELEASES}/fixed-{name.lower()}", {"spec": {name: other}})


@pytest.mark.parametrize(
    "change",
    [
        {"stable": "../../other/deployments/x"},
        {"steps": [{"weight": 100, "bakeSeconds": 1.0}]},
        {"gates": ["promotion"]},
    ],
    ids=str,
)
def test_plan_of_a_release_never_changes(admin: Transport, change: Json) -> None:
    name = f"planned-{next(iter(change))}"
    create(admin, release(name))
    with pytest.raises(TerminalError, match="the plan is fixed"):
        patch(admin, f"{RELEASES}/{name}", {"spec": {"plan": change}})


def test_an_abort_is_never_taken_back(admin: Transport) -> None:
    create(admin, release("aborted"))
    patch(admin, f"{RELEASES}/aborted", {"spec": {"abort": {"by": "ada"}}})
    with pytest.raises(TerminalError, match="an abort cannot be taken back"):
        patch(admin, f"{RELEASES}/aborted", {"spec": {"abort": None}})
    patch(admin, f"{RELEASES}/aborted", {"spec": {"abort": {"by": "ada", "reason": "too slow"}}})


def test_server_fills_in_the_defaults_that_a_release_has(admin: Transport) -> None:
    create(admin, release("defaulted"))
    spec = admin.get(f"{RELEASES}/defaulted", dict)["spec"]
    assert (spec["retry"], spec["promote"]) == (False, False)
    assert (spec["plan"]["tolerance"], spec["plan"]["onNoData"]) == (1.2, "hold")


def test_kubectl_lists_releases_and_policies_together(plane: ControlPlane, admin: Transport) -> None:
    create(admin, policy("listed", steps=steps(10, 50, 100), maxErrorRate="0.5%", gates=["promotion"]))
    create(admin, release("listed"))
    told = kubectl(plane, "get", "canary")
    assert "releasepolicy.canaryctl.dev/listed" in told
    assert "release.canaryctl.dev/listed" in told
    columns = kubectl(plane, "get", "releasepolicy", "listed").splitlines()[0].split()
    assert columns == ["NAME", "ERRORS", "LATENCY", "GATES", "DEADLINE", "AGE"]
    row = kubectl(plane, "get", "cpol", "listed").splitlines()[1].split()
    assert row[:3] == ["listed", "0.5%", '["promotion"]']


def test_kubectl_explains_every_field(plane: ControlPlane) -> None:
    told = kubectl(plane, "explain", "releasepolicy.spec", "--recursive")
    assert "falseRollbackBudget" in told
    assert "Percent of requests to the canary" in kubectl(plane, "explain", "releasepolicy.spec.steps.weight")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_server_accepts_every_sample(plane: ControlPlane, admin: Transport, path: Path) -> None:
    for item in yaml.safe_load_all(path.read_text()):
        with suppress(ConflictError):
            metadata = {"name": item["metadata"]["namespace"]}
            create(admin, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    told = kubectl(plane, "create", "--dry-run=server", "--validate=strict", f"--filename={path}")
    assert len(told.splitlines()) == len(list(yaml.safe_load_all(path.read_text())))


def kubectl(plane: ControlPlane, *arguments: str) -> str:
    command = [program("kubectl"), f"--kubeconfig={plane.kubeconfig}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def patch(admin: Transport, path: str, body: Json) -> None:
    admin.request("PATCH", path, body=body, content_type=MERGE_PATCH)

"""The real kubectl works against the sandbox's API server as against any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.sandbox.apiserver import running_api_server

SECONDS = 20
KUBECTL = Path(sys.executable).with_name("kubectl")
Kubectl = Callable[..., str]

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %(replicas)s
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:%(tag)s", ports: [{containerPort: 8080}], env: [{name: A, value: "1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: web}, weight: 100}]}]}
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl is not installed beside this Python"),
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with running_api_server() as server:
        home = tmp_path_factory.mktemp("home")
        yield {**os.environ, "KUBECONFIG": str(server.kubeconfig), "HOME": str(home)}


@pytest.fixture
def kubectl(environment: dict[str, str], request: pytest.FixtureRequest) -> Kubectl:
    """Run kubectl in a namespace of the test's own; a failure is the test's unless it is expected."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:50].strip("-")

    def run(*arguments: str, stdin: str | None = None, fails: bool = False) -> str:
        result = subprocess.run(
            [str(KUBECTL), "--namespace", name, *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert (result.returncode != 0) is fails, result.stdout + result.stderr
        return result.stdout + result.stderr

    run("apply", "-f", "-", stdin=f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")
    return run


def manifest(tag: str = "1", replicas: int = 2) -> str:
    return MANIFEST % {"tag": tag, "replicas": replicas}


def loaded(text: str) -> Any:
    return json.loads(text)


def test_resources_and_versions_are_discovered(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources")
    for word in ("deployments", "virtualservices", "leases", "endpointslices", "customresourcedefinitions"):
        assert word in listed
    assert "networking.istio.io/v1alpha3" in kubectl("api-versions")
    assert "+canary-sandbox" in kubectl("version")


def test_get_prints_the_columns_that_people_know(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest())
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.replicas}=2", "--timeout=10s")
    shown = kubectl("get", "deploy,rs,pods,svc,vs,endpointslices", "-o", "wide")
    assert "READY   UP-TO-DATE   AVAILABLE   AGE" in shown
    assert "0/2" in shown
    assert "DESIRED   CURRENT   READY" in shown
    assert "Pending" in shown
    assert '["web"]' in shown
    document = loaded(kubectl("get", "deployment", "web", "-o", "json"))
    assert document["spec"]["replicas"] == 2
    assert "kind: VirtualService" in kubectl("get", "vs", "web", "-o", "yaml")
    assert kubectl(
        "get", "virtualservices.v1alpha3.networking.istio.io", "web", "-o", "jsonpath={.apiVersion}"
    ).endswith("v1alpha3")


def test_describe_tells_a_deployments_story(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest())
    kubectl("wait", "deployment/web", "--for=jsonpath={.status.replicas}=2", "--timeout=10s")
    described = kubectl("describe", "deployment", "web")
    assert "MinimumReplicasUnavailable" in described
    assert "NewReplicaSet:" in described
    assert "ScalingReplicaSet" in described
    assert "SuccessfulCreate" in kubectl("get", "events")
    assert "Pending" in kubectl("describe", "pods")
    assert "Selector:" in kubectl("describe", "service", "web")


def test_client_side_apply_changes_what_changed(kubectl: Kubectl) -> None:
    assert "web created" in kubectl("apply", "-f", "-", stdin=manifest())
    again = kubectl("apply", "-f", "-", stdin=manifest())
    assert again.count("unchanged") == 3
    changed = kubectl("apply", "-f", "-", stdin=manifest(tag="2"))
    assert "deployment.apps/web configured" in changed
    without_env = manifest(tag="2").replace(', env: [{name: A, value: "1"}]', "")
    kubectl("apply", "-f", "-", stdin=without_env)
    container = loaded(kubectl("get", "deploy", "web", "-o", "json"))["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert "env" not in container
    assert container["image"] == "web:2"


def test_server_side_apply_owns_and_conflicts(kubectl: Kubectl) -> None:
    assert "serverside-applied" in kubectl("apply", "--server-side", "-f", "-", stdin=manifest())
    kubectl("scale", "deployment", "web", "--replicas=3")
    refused = kubectl("apply", "--server-side", "-f", "-", stdin=manifest(), fails=True)
    assert 'conflict with "kubectl"' in refused
    assert ".spec.replicas" in refused
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest())
    found = loaded(kubectl("get", "deploy,svc", "web", "-o", "json"))["items"]
    assert found[0]["spec"]["replicas"] == 2
    assert len(found[1]["spec"]["ports"]) == 1


def test_applying_server_side_after_client_side_takes_over(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest())
    answer = kubectl("apply", "--server-side", "-f", "-", stdin=manifest(tag="2"))
    assert answer.count("serverside-applied") == 3
    assert "Warning" not in answer


def test_labels_annotations_and_every_kind_of_patch(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(replicas=0))
    kubectl("label", "vs", "web", "team=shop")
    kubectl("annotate", "service", "web", "canaryctl.dev/enabled=true")
    merge = '{"spec": {"hosts": ["web", "other"]}}'
    kubectl("patch", "vs", "web", "--type=merge", "-p", merge)
    path = "/spec/http/0/route/0/weight"
    held = json.dumps(
        [{"op": "test", "path": path, "value": 100}, {"op": "replace", "path": path, "value": 90}]
    )
    kubectl("patch", "vs", "web", "--type=json", "-p", held)
    assert "the server rejected our request" in kubectl(
        "patch", "vs", "web", "--type=json", "-p", held, fails=True
    )
    image = '{"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:9"}]}}}}'
    kubectl("patch", "deployment", "web", "-p", image)
    found = loaded(kubectl("get", "vs,svc,deploy", "web", "-o", "json"))["items"]
    service = next(item for item in found if item["kind"] == "Service")
    routes = next(item for item in found if item["kind"] == "VirtualService")
    assert service["metadata"]["annotations"]["canaryctl.dev/enabled"] == "true"
    assert routes["metadata"]["labels"] == {"team": "shop"}
    assert routes["spec"]["hosts"] == ["web", "other"]
    assert routes["spec"]["http"][0]["route"][0]["weight"] == 90
    assert kubectl("get", "vs", "-l", "team=shop", "-o", "name") == (
        "virtualservice.networking.istio.io/web\n"
    )


def test_rollouts_are_restarted_shown_and_undone(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(replicas=0))
    kubectl("set", "image", "deployment/web", "web=web:2")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    assert "2" in kubectl("rollout", "history", "deployment/web")
    kubectl("rollout", "undo", "deployment/web")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web", "--timeout=10s")
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl("get", "deployment", "web", "-o", image) == "web:1"
    kubectl("rollout", "restart", "deployment/web")
    assert "restartedAt" in kubectl("get", "deployment", "web", "-o", "yaml")
    kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=10s")


def test_delete_waits_until_everything_is_gone(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=manifest())
    deleted = kubectl("delete", "-f", "-", stdin=manifest())
    assert deleted.count("deleted") == 3
    kubectl("wait", "pods", "--all", "--for=delete", "--timeout=10s")
    assert "No resources found" in kubectl("get", "deploy,rs,pods,svc,vs")


def test_a_definition_is_applied_explained_and_used(kubectl: Kubectl) -> None:
    definition = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.test.canaryctl.dev}
spec:
  group: test.canaryctl.dev
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets, singular: gadget, shortNames: [gd]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, description: How big it is.}}}
"""
    kubectl("apply", "-f", "-", stdin=definition)
    kubectl("wait", "crd/gadgets.test.canaryctl.dev", "--for=condition=Established", "--timeout=10s")
    assert "How big it is." in kubectl("explain", "gadgets.spec")
    gadget = "{apiVersion: test.canaryctl.dev/v1, kind: Gadget, metadata: {name: a}, spec: {size: %s}}"
    assert "unknown field" in kubectl(
        "apply", "-f", "-", stdin=gadget.replace("size", "sise") % "1", fails=True
    )
    assert "must be of type integer" in kubectl("apply", "-f", "-", stdin=gadget % "big", fails=True)
    kubectl("apply", "-f", "-", stdin=gadget % "3")
    assert "gadget.test.canaryctl.dev/a" in kubectl("get", "gd", "-o", "name")
    kubectl("delete", "crd", "gadgets.test.canaryctl.dev")
    kubectl("get", "gd", fails=True)


def test_a_watch_shows_a_change_when_it_happens(kubectl: Kubectl, environment: dict[str, str]) -> None:
    kubectl("apply", "-f", "-", stdin=manifest(replicas=0))
    namespace = "a-watch-shows-a-change-when-it-happens"
    arguments = ["get", "vs", "-w", "-o", "jsonpath={.metadata.labels.team}{'\\n'}"]
    with subprocess.Popen(
        [str(KUBECTL), "--namespace", namespace, "--request-timeout=10s", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "\n"
        kubectl("label", "vs", "web", "team=late")
        assert watching.stdout.readline() == "late\n"
        watching.terminate()


def test_who_am_i_and_may_i(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "patch", "virtualservices").strip() == "yes"
    assert "canary-sandbox-admin" in kubectl("auth", "whoami")


def test_create_makes_the_common_kinds(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "settings", "--from-literal=a=b")
    kubectl("create", "secret", "generic", "key", "--from-literal=token=abc")
    kubectl("create", "serviceaccount", "robot")
    kubectl("create", "deployment", "web", "--image=web:1", "--replicas=0", "--port=8080")
    kubectl("create", "namespace", "made-by-create")
    assert kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.a}") == "b"
    assert kubectl("get", "secret", "key", "-o", "jsonpath={.data.token}") == "YWJj"
    container = "jsonpath={.spec.template.spec.containers[0]['image','ports']}"
    assert "web:1" in kubectl("get", "deployment", "web", "-o", container)
    assert "8080" in kubectl("get", "deployment", "web", "-o", container)
    assert "serviceaccount/robot" in kubectl("get", "sa", "-o", "name")

"""The chart on a real API server: installed, upgraded and removed by Helm, under the restricted standard."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml

from canary.adapters.kube.connection import connect
from canary.adapters.kube.crd import release_crd
from canary.adapters.kube.transport import Transport
from canary.app.errors import NotFound
from canary.sandbox.control_plane import ControlPlane, control_plane_with_istio, create, install_crds
from canary.sandbox.control_plane.published import published_crds
from tests.chart.rendering import CHART, NAMESPACE, NEEDED, ROOT, VALUE_SETS, render
from tests.cluster.operators import OPERATORS
from tests.processes_of_venv import program

Json = dict[str, Any]
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/releases.canaryctl.dev"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
WAIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    """A control plane with the definitions of others but not ours: those are the chart's to bring."""
    with control_plane_with_istio(print) as running:
        admin = connect(running.kubeconfig)
        for published in OPERATORS:
            install_crds(admin, published_crds(published, print))
        restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
        free = ("shop", "pay", "istio-ingress", "argocd", "flux-system")
        for name, labels in ((NAMESPACE, restricted), *((name, {}) for name in free)):
            metadata = {"name": name, "labels": labels}
            create(admin, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        yield running


@pytest.fixture(scope="module")
def admin(bare: ControlPlane) -> Transport:
    return connect(bare.kubeconfig)


@pytest.fixture(scope="module")
def config(bare: ControlPlane) -> Iterator[helm.Config]:
    with helm.Config(kubeconfig_path=bare.kubeconfig, namespace=NAMESPACE) as made:
        yield made


def older_chart(directory: Path) -> Path:
    """The chart of a version whose definition lacked a column."""
    copied = directory / "canary"
    shutil.copytree(CHART, copied)
    older = release_crd()
    older["spec"]["versions"][0]["additionalPrinterColumns"].pop()
    (copied / "files" / "crds" / "releases.yaml").write_text(yaml.safe_dump(older))
    return copied


def columns(admin: Transport) -> list[str]:
    definition = admin.get(DEFINITION, dict)
    return [item["name"] for item in definition["spec"]["versions"][0]["additionalPrinterColumns"]]


def wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {WAIT_SECONDS:g} s in vain for {what}"
        time.sleep(0.1)


def accepted(bare: ControlPlane, objects: list[Json]) -> str:
    """Have the server take objects without keeping them; what it says."""
    command = [program("kubectl"), f"--kubeconfig={bare.kubeconfig}", "create", "--dry-run=server"]
    done = subprocess.run(
        [*command, "--validate=strict", "--filename=-"],
        input=yaml.safe_dump_all(objects),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Warnings of the restricted standard come this way.
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", VALUE_SETS)
def test_server_accepts_every_object_operators_kinds_included(bare: ControlPlane, name: str) -> None:
    objects = render(VALUE_SETS[name])
    assert len(accepted(bare, objects).splitlines()) == len(objects)


@pytest.mark.parametrize("name", ["argocd-application", "flux-kustomization"])
def test_server_accepts_the_examples_for_gitops(bare: ControlPlane, name: str) -> None:
    text = (ROOT / "config" / "gitops" / f"{name}.yaml").read_text(encoding="utf-8")
    accepted(bare, list(yaml.safe_load_all(text)))


def test_install_upgrade_and_removal(config: helm.Config, admin: Transport, tmp_path: Path) -> None:
    """One story, for each part needs the one before."""
    config.install(str(older_chart(tmp_path)), "canary", NEEDED, namespace=NAMESPACE, timeout=60)
    wanted = [item["name"] for item in release_crd()["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert columns(admin) == wanted[:-1]
    # The namespace enforces the restricted standard: Pods that did not pass it would never be made.
    wait(lambda: len(admin.list(PODS, dict)) == 2, "the two pods")

    before = {pod["metadata"]["name"] for pod in admin.list(PODS, dict)}
    config.upgrade(str(CHART), "canary", NEEDED | {"replicas": 3}, namespace=NAMESPACE, timeout=60)
    assert columns(admin) == wanted
    wait(lambda: len(admin.list(PODS, dict)) == 3, "the third pod")
    # The same settings and image: nothing that runs was touched.
    assert before < {pod["metadata"]["name"] for pod in admin.list(PODS, dict)}

    config.uninstall("canary", timeout=60)
    assert columns(admin) == wanted
    with pytest.raises(NotFound):
        admin.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/canary", dict)
    with pytest.raises(NotFound):
        admin.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/canary", dict)

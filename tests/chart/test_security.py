"""The pods pass the restricted Pod Security Standard, and scanners find nothing that is not meant."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import NEEDED, ROOT, VALUE_SETS, container_of, only, pod_of, render
from tests.processes_of_venv import program

Json = dict[str, Any]


@pytest.mark.parametrize("name", VALUE_SETS)
def test_pods_pass_the_restricted_standard(name: str) -> None:
    objects = render(VALUE_SETS[name])
    spec, container = pod_of(objects)["spec"], container_of(objects)
    context = container["securityContext"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostAliases", "initContainers"} & spec.keys()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not {"privileged", "procMount"} & context.keys()
    assert all("hostPort" not in port for port in container["ports"])
    allowed = {"configMap", "secret", "emptyDir", "projected"}
    assert all(volume.keys() - {"name"} <= allowed for volume in spec["volumes"])


def test_nothing_can_be_written_but_an_empty_and_bounded_tmp() -> None:
    objects = render(NEEDED)
    assert container_of(objects)["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {
        mount["mountPath"]: mount.get("readOnly", False) for mount in container_of(objects)["volumeMounts"]
    }
    assert mounts == {"/etc/canary": True, "/tmp": False}  # noqa: S108 - the pod's own
    volumes = {volume["name"]: volume for volume in pod_of(objects)["spec"]["volumes"]}
    assert "sizeLimit" in volumes["tmp"]["emptyDir"]


def test_token_is_in_the_controllers_pods_only() -> None:
    objects = render(NEEDED)
    assert only(objects, "ServiceAccount")["automountServiceAccountToken"] is False
    assert pod_of(objects)["spec"]["automountServiceAccountToken"] is True


def test_other_services_names_do_not_leak_into_the_environment() -> None:
    assert pod_of(render(NEEDED))["spec"]["enableServiceLinks"] is False


def test_resources_are_asked_for_and_memory_is_limited() -> None:
    resources = container_of(render(NEEDED))["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert "memory" in resources["limits"]


def findings(target: Path, cache: Path, *options: str) -> list[str]:
    """What trivy finds, but for what .trivyignore gives a reason for."""
    # The cache is this test's own: none may come from, or be left, anywhere else.
    command = [program("trivy"), "config", "--quiet", "--format=json", "--skip-check-update"]
    command += ["--skip-version-check", f"--cache-dir={cache}", *options, str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    results: list[Json] = json.loads(done.stdout).get("Results") or []
    assert results, "trivy looked at nothing"
    assert any(result["MisconfSummary"]["Successes"] > 10 for result in results)
    return [
        f"{result['Target']}: {item['ID']} {item['Message']}"
        for result in results
        for item in result.get("Misconfigurations") or ()
    ]


@pytest.mark.slow
def test_trivy_finds_nothing_in_the_chart_that_is_not_meant(tmp_path: Path) -> None:
    # A name without a registry: where the image lies is the installer's choice.
    sets = ["image.repository=canary", "config.prometheus.url=http://prometheus:9090", "page.enabled=true"]
    sets += ["page.ingress.enabled=true", "page.ingress.hosts[0].host=canary.example.com"]
    options = [option for one in sets for option in ("--helm-set", one)]
    assert findings(ROOT / "charts" / "canary", tmp_path, *options) == []


@pytest.mark.slow
def test_trivy_finds_nothing_in_the_dockerfile_that_is_not_meant(tmp_path: Path) -> None:
    assert findings(ROOT / "Dockerfile", tmp_path) == []

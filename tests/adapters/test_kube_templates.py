"""Templates and pods, without a cluster: what counts as the same, and what counts as trouble."""

from typing import Any

import msgspec
import pytest

from canary.adapters.kube.pods import DeploymentCondition, Pod, trouble_of_conditions, trouble_of_pods
from canary.adapters.kube.templates import distinguishing_keys, promoted, same_template


def template(image: str = "a", annotations: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"labels": labels, "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": {"containers": [{"name": "app", "image": image}]}}


def test_a_restart_is_no_difference() -> None:
    restarted = template(annotations={"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}, app="x")
    assert same_template(restarted, template(app="x"))


def test_the_hash_label_is_no_difference() -> None:
    hashed = template(app="x")
    hashed["metadata"]["labels"]["pod-template-hash"] = "1"
    assert same_template(template(app="x"), hashed)


@pytest.mark.parametrize(
    "other", [template("b", app="x"), template(app="y"), template(annotations={"a": "b"}, app="x")]
)
def test_everything_else_is_a_difference(other: dict[str, Any]) -> None:
    assert not same_template(template(app="x"), other)


def test_stables_side_of_the_telling_labels_wins() -> None:
    apart = distinguishing_keys({"app": "shop"}, {"app": "shop-canary", "lane": "c"})
    assert apart == {"app", "lane", "version", "track", "subset"}
    canary = template("b", app="shop-canary", lane="c", version="v2", team="blue")
    stable = template("a", app="shop", version="v1", old="yes")
    result = promoted(canary | {"metadata": canary["metadata"]}, stable, apart)
    assert result["metadata"]["labels"] == {"app": "shop", "version": "v1", "team": "blue"}
    assert result["spec"] == canary["spec"]


def pod(**container: Any) -> Pod:
    status = {"containerStatuses": [{"name": "app", **container}]}
    return msgspec.convert({"metadata": {"name": "p"}, "status": status}, Pod)


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}},
            "ImagePullBackOff: no such",
        ),
        ({"state": {"waiting": {"reason": "CreateContainerConfigError"}}}, "CreateContainerConfigError"),
        (
            {
                "restartCount": 2,
                "state": {"running": {}},
                "lastState": {"terminated": {"reason": "OOMKilled"}},
            },
            "OOMKilled after 2 restarts",
        ),
        (
            {
                "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"reason": "Error", "exitCode": 1}},
            },
            "CrashLoopBackOff after 3 restarts; exit code 1",
        ),
    ],
)
def test_what_is_wrong_with_a_pod_is_told(container: dict[str, Any], words: str) -> None:
    assert f"container app of pod p: {words}" in str(trouble_of_pods([pod(**container)]))


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_starting_is_no_trouble(reason: str) -> None:
    assert trouble_of_pods([pod(state={"waiting": {"reason": reason}}), pod()]) is None


def test_a_deployments_own_complaints_are_told() -> None:
    stuck = DeploymentCondition("Progressing", "False", "ProgressDeadlineExceeded", "timed out")
    quota = DeploymentCondition("ReplicaFailure", "True", "FailedCreate", "exceeded quota")
    fine = DeploymentCondition("Progressing", "True", "NewReplicaSetAvailable", "")
    assert trouble_of_conditions([fine, stuck]) == "ProgressDeadlineExceeded: timed out"
    assert trouble_of_conditions([quota]) == "FailedCreate: exceeded quota"
    assert trouble_of_conditions([fine]) is None

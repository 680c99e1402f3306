"""What the kubelet stand-in reports of a Pod, and how long it waits between starts."""

from dataclasses import replace
from typing import Any

from canary.sandbox.pod_status import PodView, backoff_seconds, pod_status

POD: dict[str, Any] = {"spec": {"containers": [{"name": "app", "image": "sandbox.local/app:v1"}]}}
NEW = PodView(pod_ip="10.200.0.1", host_ip="127.0.0.1", began_at="T0")
RUNNING = replace(NEW, started_at="T1")
CRASHED = replace(RUNNING, restarts=2, exit_code=1, finished_at="T2")


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["lastTransitionTime"]) for item in status["conditions"]}


def test_pod_is_pending_until_its_process_has_started() -> None:
    status = pod_status(POD, NEW, "T1")
    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}


def test_running_pod_is_ready_only_when_its_process_says_so() -> None:
    assert conditions(pod_status(POD, RUNNING, "T2"))["Ready"] == ("False", "T2")
    status = pod_status(POD, replace(RUNNING, ready=True), "T3")
    assert conditions(status)["Ready"] == conditions(status)["ContainersReady"] == ("True", "T3")
    assert status["containerStatuses"][0]["ready"] is True
    assert (status["phase"], status["podIP"]) == ("Running", "10.200.0.1")


def test_condition_keeps_its_time_until_it_changes() -> None:
    before = {**POD, "status": pod_status(POD, RUNNING, "T2")}
    after = conditions(pod_status(before, replace(RUNNING, ready=True), "T9"))
    assert (after["PodScheduled"], after["Ready"]) == (("True", "T2"), ("True", "T9"))


def test_crashed_pod_waits_in_back_off_and_is_not_ready() -> None:
    status = pod_status(POD, replace(CRASHED, ready=True), "T3")
    (container,) = status["containerStatuses"]
    assert conditions(status)["Ready"][0] == "False"
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert (container["restartCount"], container["lastState"]["terminated"]["exitCode"]) == (2, 1)


def test_end_by_a_signal_is_reported_as_a_shell_would() -> None:
    status = pod_status(POD, replace(CRASHED, exit_code=-9), "T3")
    assert status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137


def test_back_off_doubles_up_to_a_bound() -> None:
    assert [backoff_seconds(restarts) for restarts in range(7)] == [0, 1, 2, 4, 8, 10, 10]
    assert backoff_seconds(10**9) == 10

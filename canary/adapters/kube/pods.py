"""What is wrong with a workload's pods, in the words that Kubernetes has for it. Pure but for the structs."""

from collections.abc import Iterable

import msgspec

from canary.adapters.kube.objects import Metadata

__all__ = ["DeploymentCondition", "Pod", "trouble_of_conditions", "trouble_of_pods"]

FAILING_WAITS = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
    }
)
"""Reasons to wait that do not pass by waiting a little longer."""
LONGEST_WORDS = 200


class _Waiting(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Terminated(msgspec.Struct, rename="camel"):
    reason: str = ""
    exit_code: int = 0


class _State(msgspec.Struct):
    waiting: _Waiting | None = None
    terminated: _Terminated | None = None


class _Container(msgspec.Struct, rename="camel"):
    name: str = ""
    restart_count: int = 0
    state: _State = msgspec.field(default_factory=_State)
    last_state: _State = msgspec.field(default_factory=_State)


class _PodStatus(msgspec.Struct, rename="camel"):
    init_container_statuses: list[_Container] | None = None
    container_statuses: list[_Container] | None = None


class Pod(msgspec.Struct):
    """A pod's name and the state of its containers."""

    metadata: Metadata
    status: _PodStatus = msgspec.field(default_factory=_PodStatus)


class DeploymentCondition(msgspec.Struct):
    """One of a Deployment's conditions."""

    type: str
    status: str
    reason: str = ""
    message: str = ""


def trouble_of_pods(pods: Iterable[Pod]) -> str | None:
    """Return the first trouble of any container; None when all are well or merely starting."""
    for pod in sorted(pods, key=lambda item: item.metadata.name):
        status = pod.status
        for container in [*(status.init_container_statuses or ()), *(status.container_statuses or ())]:
            trouble = _trouble_of_container(container)
            if trouble is not None:
                return f"container {container.name} of pod {pod.metadata.name}: {trouble}"
    return None


def trouble_of_conditions(conditions: Iterable[DeploymentCondition]) -> str | None:
    """Return what the Deployment itself complains of: that it makes no progress, or cannot make pods."""
    for condition in conditions:
        stuck = condition.type == "Progressing" and condition.status == "False"
        if (stuck and condition.reason == "ProgressDeadlineExceeded") or (
            condition.type == "ReplicaFailure" and condition.status == "True"
        ):
            return f"{condition.reason}: {condition.message[:LONGEST_WORDS]}".rstrip(": ")
    return None


def _trouble_of_container(container: _Container) -> str | None:
    times = f" after {container.restart_count} restarts" if container.restart_count else ""
    waiting = container.state.waiting
    ended = container.last_state.terminated
    killed = ended is not None and ended.reason == "OOMKilled"
    if waiting is not None and waiting.reason in FAILING_WAITS:
        words = waiting.message[:LONGEST_WORDS]
        cause = (
            "; it was OOMKilled" if killed else f"; exit code {ended.exit_code}" if ended is not None else ""
        )
        return f"{waiting.reason}{times}{cause}" + (f": {words}" if words else "")
    if killed and container.restart_count:
        return f"OOMKilled{times}"
    return None

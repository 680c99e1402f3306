"""The status of a Pod as a kubelet reports it, from what is known about its one process. Pure."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

_FIRST_BACKOFF_SECONDS = 1.0
_MAX_BACKOFF_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PodView:
    """What the kubelet knows. Times are RFC 3339 texts; `exit_code` is the last finished run's, or None."""

    pod_ip: str
    host_ip: str
    began_at: str
    started_at: str = ""
    ready: bool = False
    restarts: int = 0
    exit_code: int | None = None
    finished_at: str = ""
    log_tail: str = ""

    @property
    def is_running(self) -> bool:
        """Whether the process of the container runs now."""
        return bool(self.started_at) and not self.finished_at


def backoff_seconds(restarts: int) -> float:
    """The wait before the next start: 0, 1, 2, 4, 8, 10, 10 s (a kubelet's are ten times longer)."""
    if restarts == 0:
        return 0.0
    return float(min(_MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** min(restarts - 1, 10)))


def pod_status(pod: Json, view: PodView, now: str) -> Json:
    """The status to report. Conditions that have not changed keep their transition time."""
    ready = view.ready and view.is_running
    conditions = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
    before = {condition["type"]: condition for condition in (pod.get("status") or {}).get("conditions") or []}
    return {
        "phase": "Running" if view.started_at or view.restarts else "Pending",
        "startTime": view.began_at,
        "hostIP": view.host_ip,
        "podIP": view.pod_ip,
        "podIPs": [{"ip": view.pod_ip}],
        "conditions": [_condition(kind, value, before.get(kind), now) for kind, value in conditions.items()],
        "containerStatuses": [_container_status(container, view) for container in pod["spec"]["containers"]],
    }


def _condition(kind: str, value: bool, before: Json | None, now: str) -> Json:
    status = "True" if value else "False"
    unchanged = before is not None and before.get("status") == status
    since = before.get("lastTransitionTime", now) if before is not None and unchanged else now
    condition = {"type": kind, "status": status, "lastTransitionTime": since}
    if not value:
        condition |= {
            "reason": "ContainersNotReady",
            "message": "the application has not said that it is ready",
        }
    return condition


def _container_status(container: Json, view: PodView) -> Json:
    ended = _terminated(view)
    status: Json = {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": container.get("image", ""),
        "ready": view.ready and view.is_running,
        "started": view.is_running,
        "restartCount": view.restarts,
        "state": _state(view),
        # A merge patch keeps what it does not name; lists are replaced whole, so this is enough.
        "lastState": {"terminated": ended} if ended and view.restarts else {},
    }
    return status


def _state(view: PodView) -> Json:
    if view.is_running:
        return {"running": {"startedAt": view.started_at}}
    ended = _terminated(view)
    if view.finished_at and ended and not view.restarts:
        return {"terminated": ended}
    if view.finished_at:
        seconds = backoff_seconds(view.restarts)
        text = f"back-off {seconds:g}s restarting failed container"
        return {"waiting": {"reason": "CrashLoopBackOff", "message": text}}
    return {"waiting": {"reason": "ContainerCreating"}}


def _terminated(view: PodView) -> Json | None:
    if view.exit_code is None:
        return None
    return {
        "exitCode": view.exit_code if view.exit_code >= 0 else 128 - view.exit_code,
        "reason": "Completed" if view.exit_code == 0 else "Error",
        "message": view.log_tail,
        "finishedAt": view.finished_at or view.started_at,
    }

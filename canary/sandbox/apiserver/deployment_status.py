"""A Deployment's status as a pure function of its ReplicaSets, the last status and the time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from canary.sandbox.apiserver.objects import Json, condition_of, name_of, parse_time, timestamp
from canary.sandbox.apiserver.rollout import limits

_MAX_DEADLINE = 2**31 - 1


def next_status(deployment: Json, new: Json | None, old: Sequence[Json], now: datetime) -> Json:
    """Return the status that the Deployment should have now."""
    sets = [*old, *([new] if new is not None else [])]
    before = deployment.get("status") or {}
    counts = {
        "replicas": _total(sets, "replicas"),
        "updatedReplicas": _total([new] if new is not None else [], "replicas"),
        "readyReplicas": _total(sets, "readyReplicas"),
        "availableReplicas": _total(sets, "availableReplicas"),
    }
    counts["unavailableReplicas"] = max(
        0, sum(rs["spec"]["replicas"] for rs in sets) - counts["availableReplicas"]
    )
    status: Json = {"observedGeneration": deployment["metadata"]["generation"]}
    # Zeros are left out, as the API's own encoding does.
    status |= {key: value for key, value in counts.items() if value}
    if "collisionCount" in before:
        status["collisionCount"] = before["collisionCount"]
    progressing = _progressing(deployment, new, before, status, now)
    available = _available(deployment, counts["availableReplicas"])
    found = [_merged(deployment, condition, now) for condition in (available, progressing) if condition]
    status["conditions"] = found
    return status


def seconds_until_deadline(deployment: Json, status: Json, now: datetime) -> float | None:
    """Return when to look again because progress may be overdue; None when it cannot become so."""
    condition = condition_of({"status": status}, "Progressing")
    deadline = deployment["spec"].get("progressDeadlineSeconds", _MAX_DEADLINE)
    if deadline >= _MAX_DEADLINE or condition is None or condition["status"] != "True":
        return None
    if condition["reason"] == "NewReplicaSetAvailable":
        return None
    due = parse_time(condition["lastUpdateTime"]) + timedelta(seconds=deadline)
    return max(0.0, math.ceil((due - now).total_seconds())) + 0.1


def _total(sets: Sequence[Json], field: str) -> int:
    return sum(int((rs.get("status") or {}).get(field, 0)) for rs in sets)


def _available(deployment: Json, available: int) -> Json:
    if available >= deployment["spec"]["replicas"] - limits(deployment).unavailable:
        return {
            "type": "Available",
            "status": "True",
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }
    return {
        "type": "Available",
        "status": "False",
        "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability.",
    }


def _progressing(deployment: Json, new: Json | None, before: Json, after: Json, now: datetime) -> Json | None:
    """Return the Progressing condition; one with ``moved`` has progressed just now."""
    spec = deployment["spec"]
    last = condition_of(deployment, "Progressing")
    deadline = spec.get("progressDeadlineSeconds", _MAX_DEADLINE)
    if deadline >= _MAX_DEADLINE:
        return None
    named = f'ReplicaSet "{name_of(new)}"' if new is not None else f'Deployment "{name_of(deployment)}"'
    if spec.get("paused"):
        return _condition("Unknown", "DeploymentPaused", "Deployment is paused")
    if last is not None and last["reason"] == "DeploymentPaused":
        return _condition("Unknown", "DeploymentResumed", "Deployment is resumed")
    if _complete(deployment, after):
        return _condition("True", "NewReplicaSetAvailable", f"{named} has successfully progressed.")
    fresh = new is not None and deployment["metadata"]["generation"] != before.get("observedGeneration")
    if last is None or (fresh and not _total([new] if new is not None else [], "replicas")):
        message = f'Created new replica set "{name_of(new)}"' if new is not None else "waiting for old pods"
        return _condition("True", "NewReplicaSetCreated", message, moved=True)
    if _moved(before, after):
        return _condition("True", "ReplicaSetUpdated", f"{named} is progressing.", moved=True)
    was_complete = last["reason"] == "NewReplicaSetAvailable"
    if was_complete and after.get("replicas", 0) == after.get("updatedReplicas", 0):
        # Pods of a finished rollout that fail later are not a failing rollout.
        return last
    overdue = now > parse_time(last["lastUpdateTime"]) + timedelta(seconds=deadline)
    if overdue and not was_complete:
        return _condition("False", "ProgressDeadlineExceeded", f"{named} has timed out progressing.")
    return last


def _complete(deployment: Json, status: Json) -> bool:
    wanted = deployment["spec"]["replicas"]
    counts = ("replicas", "updatedReplicas", "availableReplicas")
    return all(status.get(count, 0) == wanted for count in counts)


def _moved(before: Json, after: Json) -> bool:
    def stale(status: Json) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return stale(after) < stale(before) or any(after.get(name, 0) > before.get(name, 0) for name in grown)


def _condition(status: str, reason: str, message: str, *, moved: bool = False) -> Json:
    condition: Json = {"type": "Progressing", "status": status, "reason": reason, "message": message}
    return condition | ({"moved": True} if moved else {})


def _merged(deployment: Json, condition: Json, now: datetime) -> Json:
    """Stamp a condition: the transition time changes with the status, the update time with any change."""
    moved = condition.get("moved", False)
    condition = {key: value for key, value in condition.items() if key != "moved"}
    last = condition_of(deployment, condition["type"])
    same = last is not None and (last["status"], last["reason"]) == (condition["status"], condition["reason"])
    if last is not None and same and not moved:
        return last
    stamp = timestamp(now)
    transition = last["lastTransitionTime"] if last and last["status"] == condition["status"] else stamp
    return condition | {"lastUpdateTime": stamp, "lastTransitionTime": transition}

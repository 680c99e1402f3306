"""Attribution: which of a release's counts a series adds to. Pure, and linear in the series' increments.

An objective's count of requests and of bad ones is a sum of increments with whole factors (``Share``). For a
latency bound: requests = bucket(+Inf), bad = bucket(+Inf) - bucket(bound).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from canary.app.ports import MetricTarget
from canary.domain.istio_metrics import (
    BUCKETS,
    REQUESTS,
    Labels,
    bucket_edge,
    is_error,
    is_hang_up,
    reached_no_workload,
)
from canary.domain.plan import ObjectiveKind

__all__ = ["UNATTRIBUTED", "Arm", "Share", "Slot", "latency_bounds", "shares"]


class Arm(StrEnum):
    """Which workload answered."""

    CANARY = "canary"
    STABLE = "stable"
    ANY = "any"
    """Requests to the service's hosts, whoever answered, or nobody."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One pair of numbers (requests, bad) that a window has."""

    objective: str
    arm: Arm


UNATTRIBUTED: Final = Slot("", Arm.ANY)


@dataclass(frozen=True, slots=True)
class Share:
    """By how much one event of a series raises a slot's requests and bad requests."""

    slot: Slot
    requests: int
    bad: int


def latency_bounds(target: MetricTarget) -> frozenset[float]:
    """The bucket edges (ms) that the target's objectives need, besides +Inf."""
    return frozenset(each.bound_ms for each in target.objectives if each.bound_ms is not None)


def shares(labels: Labels, target: MetricTarget) -> Sequence[Share]:
    """What an event of this series adds to; empty for a series that is none of the target's business."""
    if labels.get("destination_service") not in target.hosts:
        return ()
    match labels.get("__name__"):
        case name if name == REQUESTS:
            return _of_requests(labels, target)
        case name if name == BUCKETS:
            return _of_buckets(labels, target)
        case _:
            return ()


def _of_requests(labels: Labels, target: MetricTarget) -> Sequence[Share]:
    if is_hang_up(labels):
        return ()
    failed = int(is_error(labels))
    found = [Share(UNATTRIBUTED, 1, failed if reached_no_workload(labels) else 0)]
    arm = _arm(labels, target)
    if arm is not None:
        found += (
            Share(Slot(objective.name, arm), 1, failed)
            for objective in target.objectives
            if objective.kind is ObjectiveKind.ERRORS
        )
    return found


def _of_buckets(labels: Labels, target: MetricTarget) -> Sequence[Share]:
    arm, edge = _arm(labels, target), bucket_edge(labels)
    if arm is None or edge is None:
        return ()
    # A client that hung up before the bound says nothing about the server; one that waited longer than the
    # bound saw a slow answer. Without this, a canary that hangs until its clients give up would look idle.
    hung_up = is_hang_up(labels)
    found = []
    for objective in target.objectives:
        slot = Slot(objective.name, arm)
        if objective.bound_ms is None:
            continue
        if edge == math.inf:
            found.append(Share(slot, 1, 1))
        elif edge == objective.bound_ms:
            found.append(Share(slot, -1 if hung_up else 0, -1))
    return found


def _arm(labels: Labels, target: MetricTarget) -> Arm | None:
    if labels.get("destination_workload_namespace", target.key.namespace) != target.key.namespace:
        return None
    match labels.get("destination_workload"):
        case name if name == target.canary_workload:
            return Arm.CANARY
        case name if name == target.stable_workload:
            return Arm.STABLE
        case _:
            return None

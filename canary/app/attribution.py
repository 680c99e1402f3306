"""Attribution: which of a release's counts a series adds to. Pure, and linear in the series' increments.

An objective's count of requests and of bad ones is a sum of increments with whole factors (``Share``). For a
latency bound: requests = bucket(+Inf), bad = bucket(+Inf) - bucket(bound). At a further edge
(``canary.domain.edges``): requests are those within it and those slower than it, two counts that always come
together. For a template: requests are what its total counts, bad ones what its bad counts; a series may be
both.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from canary.app.ports import MetricTarget
from canary.domain.edges import edges_beside, name_at
from canary.domain.istio_metrics import (
    BUCKETS,
    DESTINATION,
    REQUESTS,
    Labels,
    bucket_edge,
    is_error,
    is_hang_up,
    reached_no_workload,
    scrape_target,
)
from canary.domain.metric_template import AnyTemplate
from canary.domain.plan import ObjectiveKind
from canary.domain.pod_names import deployment_of

__all__ = [
    "SIDE",
    "UNATTRIBUTED",
    "Arm",
    "Place",
    "Share",
    "Side",
    "Slot",
    "arm_by_template",
    "further_edges",
    "judges",
    "latency_bounds",
    "places",
    "shares",
    "sought",
]

Place = tuple[str, str, str]
"""Where series are found: a metric, one of its labels, and that label's value."""
PARTS: Final = 8
"""Stable's pods are counted in at most so many groups: a release stays small, however many pods there are."""
_HOST: Final = "destination_service"


SIDE: Final = "\x1fside"
"""On which side of an edge a series of ours counts; no label of Prometheus has such a name."""


class Side(StrEnum):
    """A histogram's requests, divided at an edge."""

    WITHIN = "within"
    SLOWER = "slower"


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
    part: int | None = None
    """A group of the arm's pods, by their own count; None: all of them."""
    beside: bool = False
    """Whether it is by the count that does not judge."""


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


def further_edges(target: MetricTarget) -> frozenset[float]:
    """The edges (ms) that the target's objectives look at besides their bounds, where they are there."""
    return frozenset(edge for each in target.objectives for edge in edges_beside(each.bound_ms))


def judges(labels: Labels, target: MetricTarget) -> bool:
    """Whether a series is by the count that judges, not just a pod's own."""
    return labels.get("reporter", target.reporter) == target.reporter


def places(target: MetricTarget) -> frozenset[Place]:
    """Where all series of a target are; what else is there may be others'."""
    found = {(metric, _HOST, host) for metric in (REQUESTS, BUCKETS) for host in target.hosts}
    for template in target.templates:
        for selection in template.selections:
            found.add((selection.metric, template.namespace_label, target.key.namespace))
    return frozenset(found)


def shares(labels: Labels, target: MetricTarget) -> Sequence[Share]:
    """What an event of this series adds to; empty for a series that is none of the target's business."""
    match labels.get("__name__"):
        case name if name == REQUESTS:
            return _of_requests(labels, target) if labels.get(_HOST) in target.hosts else ()
        case name if name == BUCKETS:
            return _of_buckets(labels, target) if labels.get(_HOST) in target.hosts else ()
        case _:
            return _by_templates(labels, target)


def _of_requests(labels: Labels, target: MetricTarget) -> Sequence[Share]:
    if is_hang_up(labels):
        return ()
    failed, arm = int(is_error(labels)), _arm(labels, target)
    errors = [item.name for item in target.objectives if item.kind is ObjectiveKind.ERRORS]
    found = []
    is_judged, part = judges(labels, target), _part(labels, arm)
    if is_judged:
        found.append(Share(UNATTRIBUTED, 1, failed if reached_no_workload(labels) else 0))
    if arm is not None:
        found += (Share(Slot(name, arm, beside=not is_judged), 1, failed) for name in errors)
    if part is not None:
        found += (Share(Slot(name, Arm.STABLE, part), 1, failed) for name in errors)
    return found


def _part(labels: Labels, arm: Arm | None) -> int | None:
    """The group of stable's pods that counted this themselves: what was scraped is the pod's own proxy."""
    if arm is not Arm.STABLE or labels.get("reporter") != DESTINATION:
        return None
    return zlib.crc32(scrape_target(labels).encode()) % PARTS


def _of_buckets(labels: Labels, target: MetricTarget) -> Sequence[Share]:
    arm, edge = _arm(labels, target), bucket_edge(labels)
    if arm is None or edge is None:
        return ()
    pods = _part(labels, arm)
    parts = [pods] if pods is not None else []
    counted = [None, *parts] if judges(labels, target) else parts
    # A client that hung up before the bound says nothing about the server; one that waited longer than the
    # bound saw a slow answer. Without this, a canary that hangs until its clients give up would look idle.
    hung_up = is_hang_up(labels)
    found: list[Share] = []
    if SIDE in labels:
        slower = labels[SIDE] == Side.SLOWER
        names = [
            name_at(item.name, edge) for item in target.objectives if edge in edges_beside(item.bound_ms)
        ]
        if slower or not hung_up:
            found += (Share(Slot(name, arm, part), 1, int(slower)) for name in names for part in counted)
        return found
    for objective in target.objectives:
        if objective.bound_ms is None or edge not in (math.inf, objective.bound_ms):
            continue
        requests, bad = (1, 1) if edge == math.inf else (-1 if hung_up else 0, -1)
        found += (Share(Slot(objective.name, arm, part), requests, bad) for part in counted)
    return found


def _by_templates(labels: Labels, target: MetricTarget) -> Sequence[Share]:
    found = []
    for objective in target.objectives:
        template = objective.template
        if template is None:
            continue
        is_counted, is_bad = template.total.selects(labels), template.bad.selects(labels)
        arm = arm_by_template(labels, template, target) if is_counted or is_bad else None
        if arm is not None:
            found.append(Share(Slot(objective.name, arm), int(is_counted), int(is_bad)))
    return found


def sought(template: AnyTemplate, target: MetricTarget) -> str:
    """By which labels the series of the canary are looked for, in words."""
    who = f"a pod of {target.canary_workload} as {template.pod_label}"
    if template.workload_label is not None:
        who = f'{template.workload_label}="{target.canary_workload}"'
    return f'{template.namespace_label}="{target.key.namespace}" and {who}'


def arm_by_template(labels: Labels, template: AnyTemplate, target: MetricTarget) -> Arm | None:
    """Whose a series is, by the labels that a template names; None when it is neither workload's."""
    if labels.get(template.namespace_label) != target.key.namespace:
        return None
    if template.workload_label is not None:
        return _arm_of(labels.get(template.workload_label), target)
    return _arm_of(deployment_of(labels.get(template.pod_label, "")), target)


def _arm(labels: Labels, target: MetricTarget) -> Arm | None:
    if labels.get("destination_workload_namespace", target.key.namespace) != target.key.namespace:
        return None
    return _arm_of(labels.get("destination_workload"), target)


def _arm_of(workload: str | None, target: MetricTarget) -> Arm | None:
    match workload:
        case name if name == target.canary_workload:
            return Arm.CANARY
        case name if name == target.stable_workload:
            return Arm.STABLE
        case _:
            return None

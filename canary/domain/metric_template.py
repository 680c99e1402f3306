"""Metric templates: which metrics of an application tell whether it does well, and by which rule.

An administrator defines them in the controller's settings; a plan names one. They are metrics and labels,
not PromQL: what a tenant writes never becomes part of a query, and one query serves all releases that use it.

There are two kinds. A ``MetricTemplate`` is a pair of counters: what happened, and what of it was bad.
Events can be counted exactly, and are judged by the sequential tests. A ``GaugeTemplate`` is a gauge, or the
ratio of two: its value is compared with a bound, by the threshold rule and without statistics.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final

from canary.domain.istio_metrics import BUCKETS, LIVES, REQUESTS

__all__ = ["Aggregate", "AnyTemplate", "Counter", "Gauge", "GaugeTemplate", "MetricTemplate", "Selection"]

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}", re.ASCII)
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,199}", re.ASCII)
_MEASURED_ALREADY: Final = frozenset({REQUESTS, BUCKETS})
"""A template would fetch what error rate and latency must not see, such as the other reporter's series."""
_MOST_VALUES: Final = 50
_LONGEST_VALUE: Final = 200


@dataclass(frozen=True, slots=True)
class Selection:
    """A metric, or those of its series whose labels have certain values. Raises ``ValueError``."""

    KIND: ClassVar[str] = "metric"
    EXAMPLE: ClassVar[str] = "payments_total"

    metric: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By label: the values of which it must have one."""

    def __post_init__(self) -> None:
        if not _METRIC.fullmatch(self.metric):
            raise ValueError(f"metric: write the name of a {self.KIND}, such as {self.EXAMPLE}")
        if self.metric in _MEASURED_ALREADY:
            raise ValueError(
                f"metric: {self.metric} is what error rate and latency are measured by; "
                f"write a {self.KIND} of the application's own, such as {self.EXAMPLE}"
            )
        if self.metric in LIVES:
            raise ValueError(
                f"metric: {self.metric} is no {self.KIND} of an application; "
                f"write one, such as {self.EXAMPLE}"
            )
        for label, values in self.where.items():
            if not _LABEL.fullmatch(label) or label == "__name__":
                raise ValueError("where: write names of labels, such as result")
            if not 1 <= len(values) <= _MOST_VALUES:
                raise ValueError(f"where.{label}: write 1 to {_MOST_VALUES} values")
            if any(len(value) > _LONGEST_VALUE or not value.isprintable() for value in values):
                raise ValueError(
                    f"where.{label}: write printable values of at most {_LONGEST_VALUE} characters"
                )

    def __str__(self) -> str:
        """As people write it: ``payments_total{result="failed|refused"}``."""
        where = ", ".join(f'{label}="{"|".join(values)}"' for label, values in self.where.items())
        return f"{self.metric}{{{where}}}" if where else self.metric

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels (``__name__`` included) is one of those that are meant."""
        return labels.get("__name__") == self.metric and all(
            labels.get(label, "") in values for label, values in self.where.items()
        )


@dataclass(frozen=True, slots=True)
class Counter(Selection):
    """What only grows while a process lives: events."""

    KIND: ClassVar[str] = "counter"


@dataclass(frozen=True, slots=True)
class Gauge(Selection):
    """What goes up and down: a length, a size, a share."""

    KIND: ClassVar[str] = "gauge"
    EXAMPLE: ClassVar[str] = "queue_length"


@dataclass(frozen=True, slots=True)
class MetricTemplate:
    """Two counters, and the labels by which their series are told apart. Raises ``ValueError``."""

    total: Counter
    """Everything that happened."""
    bad: Counter
    """What of it was bad."""
    namespace_label: str = "namespace"
    """Holds the namespace of the workload."""
    pod_label: str = "pod"
    """Holds the name of the pod, which says the workload; not looked at where ``workload_label`` is set."""
    workload_label: str | None = None
    """Holds the name of the workload itself."""

    def __post_init__(self) -> None:
        _check_labels(self)
        if self.total == self.bad:
            raise ValueError("total and bad are the same series: everything would be bad")

    @property
    def selections(self) -> tuple[Selection, ...]:
        """What has to be fetched."""
        return self.total, self.bad


class Aggregate(StrEnum):
    """How the series of one workload become one value."""

    MAX = "max"
    MIN = "min"
    MEAN = "mean"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class GaugeTemplate:
    """A gauge, or a ratio of two, and the labels by which series are told apart. Raises ``ValueError``."""

    gauge: Gauge
    aggregate: Aggregate = Aggregate.MAX
    """Of the gauge's series of one workload, and of those of ``over``."""
    over: Gauge | None = None
    """What the gauge is divided by; None: its value counts as it is."""
    namespace_label: str = "namespace"
    """As in ``MetricTemplate``."""
    pod_label: str = "pod"
    workload_label: str | None = None

    def __post_init__(self) -> None:
        _check_labels(self)
        if self.gauge == self.over:
            raise ValueError("gauge and over are the same series: their ratio would always be 1")

    def __str__(self) -> str:
        """As people read it: ``max(queue_used) / max(queue_size)``."""
        over = f" / {self.aggregate}({self.over})" if self.over is not None else ""
        return f"{self.aggregate}({self.gauge}){over}"

    @property
    def selections(self) -> tuple[Selection, ...]:
        """What has to be fetched."""
        return self.gauges

    @property
    def gauges(self) -> tuple[Gauge, ...]:
        """The gauge, and what it is divided by."""
        return (self.gauge,) if self.over is None else (self.gauge, self.over)


AnyTemplate = MetricTemplate | GaugeTemplate


def _check_labels(template: AnyTemplate) -> None:
    for label in (template.namespace_label, template.pod_label, template.workload_label):
        if label is not None and (not _LABEL.fullmatch(label) or label == "__name__"):
            raise ValueError("write the name of a label, such as namespace, pod or workload")

"""Metric templates: which counters of an application say how many of its things went well, and how many not.

An administrator defines them in the controller's settings; a plan names one. They are counters and labels,
not PromQL: what a tenant writes never becomes part of a query, and one query serves all releases that use it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from canary.domain.istio_metrics import BUCKETS, LIVES, REQUESTS

__all__ = ["Counter", "MetricTemplate"]

_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,199}", re.ASCII)
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,199}", re.ASCII)
_MEASURED_ALREADY: Final = frozenset({REQUESTS, BUCKETS})
"""A template would fetch what error rate and latency must not see, such as the other reporter's series."""
_MOST_VALUES: Final = 50
_LONGEST_VALUE: Final = 200


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter, or those of its series whose labels have certain values. Raises ``ValueError``."""

    metric: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By label: the values of which it must have one."""

    def __post_init__(self) -> None:
        if not _METRIC.fullmatch(self.metric):
            raise ValueError("metric: write the name of a counter, such as payments_total")
        if self.metric in _MEASURED_ALREADY:
            raise ValueError(
                f"metric: {self.metric} is what error rate and latency are measured by; "
                "write a counter of the application's own, such as payments_total"
            )
        if self.metric in LIVES:
            raise ValueError(f"metric: {self.metric} is no counter; write one, such as payments_total")
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
        """Whether a series with these labels (``__name__`` included) is one of those that are counted."""
        return labels.get("__name__") == self.metric and all(
            labels.get(label, "") in values for label, values in self.where.items()
        )


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
        for label in (self.namespace_label, self.pod_label, self.workload_label):
            if label is not None and (not _LABEL.fullmatch(label) or label == "__name__"):
                raise ValueError("write the name of a label, such as namespace, pod or workload")
        if self.total == self.bad:
            raise ValueError("total and bad are the same series: everything would be bad")

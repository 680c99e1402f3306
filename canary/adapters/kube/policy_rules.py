"""What the types of a policy's spec cannot say: its bounds, patterns and CEL rules, by path.

They refuse at the API server what can be told there. The parser of wishes remains the judge: whatever it
accepts passes here, but for space around a text, and it says of the rest what would be right.
"""

from collections.abc import Mapping
from typing import Any, Final

from canary.domain.plan import DEFAULT_CHECK_SECONDS, DEFAULT_FAILURES, TAKEN_NAMES
from canary.domain.policy_objectives import MOST_CHECKS, MOST_OBJECTIVES
from canary.domain.reference import REFERENCE
from canary.domain.wishes import (
    DEFAULT_BAKE_SECONDS,
    MOST_OBJECTIVE_NAMES,
    MOST_REQUESTS,
    MOST_ROUTES,
    MOST_STEPS,
)

__all__ = ["DURATION", "POLICY_RULES"]

Json = dict[str, Any]

_NUMBER: Final = r"[0-9]{1,9}(\.[0-9]{1,9})?"
_PERCENTAGE: Final[Json] = {"maxLength": 24, "pattern": rf"^{_NUMBER}\s*%$"}
DURATION: Final[Json] = {
    "maxLength": 100,
    "pattern": r"^([0-9]{0,20}(\.[0-9]{0,20})?(ns|us|µs|μs|ms|s|m|h))+$",
}
"""The schema of a text that is a duration, but for its type."""
_LATENCY: Final[Json] = {"maxLength": 100, "pattern": r"^(none|[^<%]*%\s*<\s*[^<%]+)$"}
_WORKLOAD: Final[Json] = {
    "maxLength": 253,
    "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
}
_RISING: Final = {
    "rule": "self.map(s, s.weight).isSorted() && self.all(a, self.exists_one(b, b.weight == a.weight))",
    "message": "weights must rise from step to step",
}
_LONG_ENOUGH: Final = {
    "rule": (
        "!has(self.steps) || !has(self.deadline) || "
        f"self.steps.map(s, has(s.bake) ? duration(s.bake) : duration('{DEFAULT_BAKE_SECONDS:g}s')).sum() "
        "< duration(self.deadline)"
    ),
    "message": "deadline must be longer than all steps together",
}
_TWO_WORKLOADS: Final = {
    "rule": "!has(self.stable) || !has(self.canary) || self.stable != self.canary",
    "message": "stable and canary are two workloads: write two names",
}
_ONE_WAY: Final = {
    "rule": (
        "has(self.maxLatency) != has(self.template) && [has(self.maxLatency), has(self.maxBad), "
        "has(self.atMost), has(self.atLeast)].filter(given, given).size() == 1"
    ),
    "message": "write either maxLatency, or template and maxBad, or template and atMost or atLeast",
}
_CHECKS_ONLY: Final = {
    "rule": (
        "has(self.atMost) || has(self.atLeast) || "
        "!(has(self.failures) || has(self.consecutive) || has(self.every))"
    ),
    "message": "failures, consecutive and every belong to atMost and atLeast: leave them out",
}
_ROW_IN_REACH: Final = {
    "rule": (
        "!has(self.consecutive) || "
        f"self.consecutive <= (has(self.failures) ? self.failures : {DEFAULT_FAILURES}) + 1"
    ),
    "message": "consecutive must be at most one more than failures, which end the step before",
}
_NOT_TAKEN: Final = {
    "rule": f"!(self in {list(TAKEN_NAMES)})",
    "message": "the name is taken; write another one",
}
_SHAPES: Final[Mapping[str, Json]] = {
    "stable": _WORKLOAD,
    "canary": _WORKLOAD,
    "steps": {"minItems": 1, "maxItems": MOST_STEPS, "x-kubernetes-validations": [_RISING]},
    "maxErrorRate": _PERCENTAGE,
    "maxLatency": _LATENCY,
    "tolerance": {"maxLength": 24, "pattern": rf"^{_NUMBER}x$"},
    "minRequests": {"minimum": 1, "maximum": MOST_REQUESTS},
    "falseRollbackBudget": _PERCENTAGE,
    "evidence": {},  # its type says all
    "blastRadiusBudget": _PERCENTAGE,
    "falsePromotionBudget": _PERCENTAGE,
    "gates": {"maxItems": 10},
    "deadline": DURATION,
    "onNoData": {},  # its type says all
    "drain": DURATION,
    "interval": DURATION,
    "dryRun": {"maxItems": MOST_OBJECTIVE_NAMES},
    "virtualServices": {"minItems": 1, "maxItems": MOST_ROUTES},
}
_PARTS: Final[Mapping[str, Json]] = {
    "spec": {
        "description": "Each field is the annotation of that name; what is left out is left to the defaults.",
        "x-kubernetes-validations": [_LONG_ENOUGH, _TWO_WORKLOADS],
    },
    "spec.steps[].weight": {
        "description": "Percent of requests to the canary.",
        "minimum": 1,
        "maximum": 100,
    },
    "spec.steps[].bake": {
        **DURATION,
        "description": "How long the step lasts at least, such as 2m; default: 1m.",
    },
    "spec.virtualServices[]": {"maxLength": 200},
    "spec.objectives": {
        "description": "Further bounds: on latency, or by an administrator's metric templates.",
        "maxItems": MOST_OBJECTIVES,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    "spec.objectives[]": {"x-kubernetes-validations": [_ONE_WAY, _CHECKS_ONLY, _ROW_IN_REACH]},
    "spec.objectives[].name": {
        "description": "How verdicts call it.",
        "maxLength": 40,
        "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
        "x-kubernetes-validations": [_NOT_TAKEN],
    },
    "spec.objectives[].maxLatency": {**_LATENCY, "description": "As spec.maxLatency, with another bound."},
    "spec.objectives[].template": {"maxLength": 100, "description": "Name of a metric template."},
    "spec.objectives[].maxBad": {
        **_PERCENTAGE,
        "description": "The largest share of bad things that the template, a pair of counters, may count.",
    },
    "spec.objectives[].atMost": {"description": "The largest value of the template's gauge."},
    "spec.objectives[].atLeast": {"description": "The smallest value of the template's gauge."},
    "spec.objectives[].failures": {
        "description": f"How many checks of a gauge may fail within a step; default: {DEFAULT_FAILURES}.",
        "minimum": 0,
        "maximum": MOST_CHECKS,
    },
    "spec.objectives[].consecutive": {
        "description": "So many failed checks in a row end the step, too; default: none do.",
        "minimum": 1,
        "maximum": MOST_CHECKS,
    },
    "spec.objectives[].every": {
        **DURATION,
        "description": (
            f"The least time between checks, from 1s to 1h; default: {DEFAULT_CHECK_SECONDS:g}s. They are "
            "taken when windows end and the gauge was scraped anew."
        ),
    },
}
POLICY_RULES: Final[Mapping[str, Json]] = {
    **{
        f"spec.{item.policy_field}": {
            "description": f"{item.meaning} Form: {item.form}.",
            **_SHAPES[item.policy_field],
        }
        for item in REFERENCE
        if item.policy_field in _SHAPES
    },
    **_PARTS,
}

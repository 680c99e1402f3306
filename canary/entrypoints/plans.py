"""What an administrator provides for the plans of all services: defaults, and metric templates."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from canary.adapters.kube.crd import spec_schema_of_policy
from canary.adapters.kube.schema import Schemas
from canary.adapters.kube.strict import problems_in
from canary.adapters.kube.wire import from_wire, to_wire
from canary.domain.annotations import policy_problems
from canary.domain.errors import Problem
from canary.domain.metric_template import AnyTemplate, GaugeTemplate, MetricTemplate
from canary.domain.policy import NOTHING_PROVIDED, Policy, PolicySpec, Provided
from canary.entrypoints.setting_types import Group, Name, in_a_file

__all__ = ["PlanSettings", "provided"]

PLACE = "plans.defaults of the controller's settings: "
T = TypeVar("T")


def _stored(kind: type[T], value: object) -> T:
    """Read what has the form of a part of a Kubernetes object; every problem is told."""
    if isinstance(value, kind):
        return value
    found = in_a_file(value)
    _refuse(problems_in(kind, found, ""))
    return from_wire(kind, found, "")


def _refuse(problems: tuple[Problem, ...]) -> None:
    if problems:
        raise ValueError("; ".join(str(problem).removeprefix(".") for problem in problems))


def _template(value: object) -> AnyTemplate:
    """Read a template of the kind that its fields are of; every problem is told."""
    if isinstance(value, MetricTemplate | GaugeTemplate):
        return value
    found = in_a_file(value)
    if isinstance(found, dict):
        counters, gauges = ([name for name in names if name in found] for names in (_COUNTERS, _GAUGES))
        if bool(counters) == bool(gauges):
            exclusive = f"{counters[0]} and {gauges[0]} exclude each other: " if counters else ""
            raise ValueError(
                f"{exclusive}write total and bad for a pair of counters, or gauge, with over or without, for "
                "a gauge"
            )
        if gauges:
            return _stored(GaugeTemplate, found)
    return _stored(MetricTemplate, found)


_COUNTERS = ("total", "bad")
_GAUGES = ("gauge", "over", "aggregate")


def _template_schema() -> dict[str, Any]:
    return {"anyOf": [Schemas({}).of(kind, "") for kind in (MetricTemplate, GaugeTemplate)]}


class PlanSettings(Group):
    """What stands behind the wishes of every service."""

    defaults: Annotated[
        PolicySpec,
        PlainValidator(lambda value: _stored(PolicySpec, value)),
        PlainSerializer(to_wire),
        WithJsonSchema(spec_schema_of_policy()),
    ] = PolicySpec()
    """The spec of a ReleasePolicy that holds where neither an annotation nor a policy says anything."""
    metric_templates: Annotated[
        Mapping[
            Name,
            Annotated[
                AnyTemplate,
                PlainValidator(_template),
                PlainSerializer(to_wire),
                WithJsonSchema(_template_schema()),
            ],
        ],
        BeforeValidator(in_a_file),
    ] = Field(default_factory=dict)
    """By name: counters or gauges of applications, for the objectives of policies."""

    @model_validator(mode="after")
    def _make_a_plan(self) -> "PlanSettings":
        ours = Provided(NOTHING_PROVIDED.defaults, self.metric_templates)
        _refuse(policy_problems(Policy(self.defaults, "plans.defaults."), ours))
        return self


def provided(settings: PlanSettings) -> Provided:
    """Return what ``settings`` provide."""
    return Provided(Policy(settings.defaults, PLACE), settings.metric_templates)

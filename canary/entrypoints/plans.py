"""What an administrator provides for the plans of all services: defaults, and metric templates."""

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from canary.adapters.kube.crd import spec_schema_of_policy
from canary.adapters.kube.schema import Schemas
from canary.adapters.kube.strict import problems_in
from canary.adapters.kube.wire import from_wire, to_wire
from canary.domain.annotations import policy_problems
from canary.domain.errors import Problem
from canary.domain.metric_template import MetricTemplate
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
                MetricTemplate,
                PlainValidator(lambda value: _stored(MetricTemplate, value)),
                PlainSerializer(to_wire),
                WithJsonSchema(Schemas({}).of(MetricTemplate, "")),
            ],
        ],
        BeforeValidator(in_a_file),
    ] = Field(default_factory=dict)
    """By name: counters of applications, for the objectives of policies."""

    @model_validator(mode="after")
    def _make_a_plan(self) -> "PlanSettings":
        ours = Provided(NOTHING_PROVIDED.defaults, self.metric_templates)
        _refuse(policy_problems(Policy(self.defaults, "plans.defaults."), ours))
        return self


def provided(settings: PlanSettings) -> Provided:
    """Return what ``settings`` provide."""
    return Provided(Policy(settings.defaults, PLACE), settings.metric_templates)

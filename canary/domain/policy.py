"""Policies: the wishes of many services in one object, and what an administrator provides for all of them.

A ``PolicySpec`` is a ReleasePolicy's spec as it is stored; the defaults in the controller's settings have the
same form. Its values are the texts that annotations have, and are read by the same parsers; steps, gates and
routes are lists. What fits no annotation stands only here: further objectives.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from canary.domain.duration import parse_duration
from canary.domain.errors import Problem
from canary.domain.metric_template import MetricTemplate
from canary.domain.plan import TAKEN_NAMES, EvidenceRule, Gate, Objective, ObjectiveKind, OnNoData
from canary.domain.wishes import NONE, bounded_percentage, latency, quote, suggestion

__all__ = [
    "MOST_OBJECTIVES",
    "NOTHING_PROVIDED",
    "Policy",
    "PolicyObjective",
    "PolicySpec",
    "PolicyStep",
    "Provided",
    "Unavailable",
    "further_objectives",
]

MOST_OBJECTIVES: Final = 10
_NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """One step: its weight, and how long it lasts at least. Raises ``ValueError``."""

    weight: int
    bake: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.weight <= 100:
            raise ValueError(f"weight: write a whole number from 1 to 100, not {self.weight}")
        if self.bake is not None:
            try:
                parse_duration(self.bake)
            except ValueError as refused:
                raise ValueError(f"bake: {refused}") from None

    def __str__(self) -> str:
        """The step as an annotation has it."""
        return str(self.weight) if self.bake is None else f"{self.weight}@{self.bake}"


@dataclass(frozen=True, slots=True)
class PolicyObjective:
    """A further objective: a bound on latency, or by a metric template. Raises ``ValueError``."""

    name: str
    max_latency: str | None = None
    template: str | None = None
    max_bad: str | None = None
    """For a template: the largest share of bad things, such as 0.5%."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                "name: write at most 40 lower case letters, digits and -, beginning with a letter"
            )
        if self.name in TAKEN_NAMES:
            raise ValueError(f'name: "{self.name}" is taken; write another one')
        if (self.max_latency is None) == (self.template is None):
            raise ValueError("write either maxLatency, or template and maxBad")
        if (self.template is None) != (self.max_bad is None):
            raise ValueError("template and maxBad belong together: write both or none")


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """What a ReleasePolicy says; None where it says nothing. Raises ``ValueError``."""

    stable: str | None = None
    canary: str | None = None
    steps: tuple[PolicyStep, ...] | None = None
    max_error_rate: str | None = None
    max_latency: str | None = None
    objectives: tuple[PolicyObjective, ...] | None = None
    tolerance: str | None = None
    min_requests: int | None = None
    false_rollback_budget: str | None = None
    evidence: EvidenceRule | None = None
    blast_radius_budget: str | None = None
    false_promotion_budget: str | None = None
    gates: frozenset[Gate] | None = None
    deadline: str | None = None
    on_no_data: OnNoData | None = None
    drain: str | None = None
    interval: str | None = None
    virtual_services: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        # No gates is something to say; no steps and no routes are nothing.
        if self.steps == ():
            raise ValueError("steps: write at least one, or leave the field out")
        if self.virtual_services == ():
            raise ValueError("virtualServices: write at least one, or leave the field out")


@dataclass(frozen=True, slots=True)
class Policy:
    """A spec, and how a person finds its fields."""

    spec: PolicySpec
    place: str
    """What comes before a field's name, such as ``ReleasePolicy shop/standard: spec.``"""

    def texts(self) -> Mapping[str, str]:
        """What is said, as annotations would say it, by their names."""
        said = {item.name: getattr(self.spec, item.name) for item in fields(self.spec)}
        del said["objectives"]
        return {name.replace("_", "-"): _text(value) for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a policy that an owner names cannot be used, and what would be right."""

    found: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Provided:
    """What an administrator provides for the plans of all services."""

    defaults: Policy | None = None
    """What holds where neither an annotation nor a policy says anything; None where that is not known, as on
    a person's machine: then nothing is said to contradict a wish that the defaults may have."""
    templates: Mapping[str, MetricTemplate] | None = None
    """By name; None where they are not known: any name is taken for one then."""


NOTHING_PROVIDED: Final = Provided(Policy(PolicySpec(), ""), {})
"""Known to be nothing: our own defaults hold."""


def _text(value: object) -> str:
    if isinstance(value, frozenset | tuple):
        return ",".join(sorted(value) if isinstance(value, frozenset) else map(str, value)) or NONE
    return value.value if isinstance(value, StrEnum) else str(value)


def further_objectives(
    policy: Policy, templates: Mapping[str, MetricTemplate] | None
) -> tuple[list[Objective], list[Problem]]:
    """Return the objectives that only a policy can name, and what is wrong with the others."""
    objectives: list[Objective] = []
    problems: list[Problem] = []
    items = policy.spec.objectives or ()
    if len(items) > MOST_OBJECTIVES:
        remedy = f"write at most {MOST_OBJECTIVES}"
        problems.append(Problem(f"{policy.place}objectives", f"{len(items)} objectives", remedy))
        return objectives, problems
    for number, item in enumerate(items):
        place = f"{policy.place}objectives[{number}]"
        if any(item.name == earlier.name for earlier in items[:number]):
            problems.append(
                Problem(f"{place}.name", quote(item.name), "write another name: it stands there twice")
            )
            continue
        found = _by_latency(item, place) if item.template is None else _by_template(item, templates, place)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            objectives.append(found)
    return objectives, problems


def _by_latency(item: PolicyObjective, place: str) -> Objective | Problem:
    text = (item.max_latency or "").strip()
    try:
        bound = latency(text)
    except ValueError as refused:
        return Problem(f"{place}.maxLatency", quote(text), str(refused))
    if bound is None:
        return Problem(f"{place}.maxLatency", quote(text), "leave the objective out instead")
    return Objective(item.name, ObjectiveKind.LATENCY, *bound)


def _by_template(
    item: PolicyObjective, templates: Mapping[str, MetricTemplate] | None, place: str
) -> Objective | Problem:
    name, text = item.template or "", (item.max_bad or "").strip()
    if templates is not None and name not in templates:
        close = suggestion(name, sorted(templates))
        known = ", ".join(sorted(templates)) or "none"
        hint = f'did you mean "{close}"?' if close else f"this controller's metric templates are: {known}"
        return Problem(f"{place}.template", quote(name), hint)
    try:
        max_bad_ratio = bounded_percentage(text)
    except ValueError as refused:
        return Problem(f"{place}.maxBad", quote(text), str(refused))
    template = templates[name] if templates is not None else None
    return Objective(item.name, ObjectiveKind.TEMPLATE, max_bad_ratio, template=template)

"""Policies: the wishes of many services in one object, and what an administrator provides for all of them.

A ``PolicySpec`` is a ReleasePolicy's spec as it is stored; the defaults in the controller's settings have the
same form. Its values are the texts that annotations have, and are read by the same parsers; steps, gates and
routes are lists. What fits no annotation stands only here: further objectives
(``canary.domain.policy_objectives``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from canary.domain.duration import parse_duration
from canary.domain.metric_template import AnyTemplate
from canary.domain.plan import EvidenceRule, Gate, OnNoData
from canary.domain.policy_objectives import PolicyObjective
from canary.domain.wishes import NONE

__all__ = [
    "NOTHING_PROVIDED",
    "Policy",
    "PolicyObjective",
    "PolicySpec",
    "PolicyStep",
    "Provided",
    "Unavailable",
]


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
    dry_run: frozenset[str] | None = None

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
    templates: Mapping[str, AnyTemplate] | None = None
    """By name; None where they are not known: any name is taken for one then."""


NOTHING_PROVIDED: Final = Provided(Policy(PolicySpec(), ""), {})
"""Known to be nothing: our own defaults hold."""


def _text(value: object) -> str:
    if isinstance(value, frozenset | tuple):
        return ",".join(sorted(value) if isinstance(value, frozenset) else map(str, value)) or NONE
    return value.value if isinstance(value, StrEnum) else str(value)

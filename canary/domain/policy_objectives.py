"""Further objectives of policies: what fits no annotation.

A bound on latency, a bound on the share of bad events that a pair of counters tells, or a bound on a gauge's
value, by the threshold rule. Which of the last two a template is for, the template says; where the templates
are not known, the fields do.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from canary.domain.duration import format_duration
from canary.domain.errors import Problem
from canary.domain.metric_template import AnyTemplate, GaugeTemplate, MetricTemplate
from canary.domain.plan import (
    DEFAULT_CHECK_SECONDS,
    DEFAULT_FAILURES,
    TAKEN_NAMES,
    Objective,
    ObjectiveKind,
    Side,
    Threshold,
)
from canary.domain.wishes import bounded_percentage, check_interval, latency, quote, suggestion

__all__ = ["MOST_CHECKS", "MOST_OBJECTIVES", "PolicyObjective", "further_objectives"]

MOST_OBJECTIVES: Final = 10
MOST_CHECKS: Final = 1000
"""What failures and consecutive may be at most."""
_NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class PolicyObjective:
    """A further objective: a bound on latency, or by a metric template. Raises ``ValueError``."""

    name: str
    max_latency: str | None = None
    template: str | None = None
    max_bad: str | None = None
    """For a pair of counters: the largest share of bad things, such as 0.5%."""
    at_most: float | None = None
    """For a gauge: its largest value."""
    at_least: float | None = None
    """For a gauge: its smallest value."""
    failures: int | None = None
    """For a gauge: how many failed checks a step may have."""
    consecutive: int | None = None
    """For a gauge: so many failed checks in a row end the step, too."""
    every: str | None = None
    """For a gauge: the least time between checks."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                "name: write at most 40 lower case letters, digits and -, beginning with a letter"
            )
        if self.name in TAKEN_NAMES:
            raise ValueError(f'name: "{self.name}" is taken; write another one')
        if (self.max_latency is None) == (self.template is None):
            raise ValueError("write either maxLatency, or template and its bound")
        bounds = [self.max_bad, self.at_most, self.at_least]
        given = sum(bound is not None for bound in bounds)
        if (self.template is None) != (given == 0):
            raise ValueError(
                "template and its bound belong together: write maxBad with a pair of counters, atMost or "
                "atLeast with a gauge, and none without a template"
            )
        if given > 1:
            raise ValueError(
                "write one bound: maxBad with a pair of counters, atMost or atLeast with a gauge"
            )
        if self.limit is None:
            rules = {"failures": self.failures, "consecutive": self.consecutive, "every": self.every}
            for field, value in rules.items():
                if value is not None:
                    raise ValueError(f"{field}: leave it out; it belongs to atMost and atLeast of a gauge")

    @property
    def limit(self) -> tuple[Side, float] | None:
        """The bound on a gauge's value; None where it is another kind of objective."""
        if self.at_most is not None:
            return Side.AT_MOST, self.at_most
        return None if self.at_least is None else (Side.AT_LEAST, self.at_least)


def further_objectives(
    items: Sequence[PolicyObjective], place: str, templates: Mapping[str, AnyTemplate] | None
) -> tuple[list[Objective | Threshold], list[Problem]]:
    """Return the objectives that only a policy can name, and what is wrong with the others.

    ``place`` is how a person finds ``items``.
    """
    objectives: list[Objective | Threshold] = []
    problems: list[Problem] = []
    if len(items) > MOST_OBJECTIVES:
        problems.append(Problem(place, f"{len(items)} objectives", f"write at most {MOST_OBJECTIVES}"))
        return objectives, problems
    for number, item in enumerate(items):
        here = f"{place}[{number}]"
        if any(item.name == earlier.name for earlier in items[:number]):
            problems.append(
                Problem(f"{here}.name", quote(item.name), "write another name: it stands there twice")
            )
            continue
        found = _by_latency(item, here) if item.template is None else _by_template(item, templates, here)
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
    item: PolicyObjective, templates: Mapping[str, AnyTemplate] | None, place: str
) -> Objective | Threshold | Problem:
    name = item.template or ""
    template = templates.get(name) if templates is not None else None
    if templates is not None and template is None:
        close = suggestion(name, sorted(templates))
        known = ", ".join(sorted(templates)) or "none"
        hint = f'did you mean "{close}"?' if close else f"this controller's metric templates are: {known}"
        return Problem(f"{place}.template", quote(name), hint)
    if item.limit is None:
        if isinstance(template, GaugeTemplate):
            remedy = f'the template "{name}" is a gauge: write atMost or atLeast with a number instead'
            return Problem(f"{place}.maxBad", quote(item.max_bad or ""), remedy)
        return _counted(item, template, place)
    side, bound = item.limit
    if isinstance(template, MetricTemplate):
        remedy = f'the template "{name}" is a pair of counters: write maxBad with a percentage instead'
        return Problem(f"{place}.{side}", f"{bound:g}", remedy)
    return _looked_at(item, side, bound, template, place)


def _counted(item: PolicyObjective, template: MetricTemplate | None, place: str) -> Objective | Problem:
    text = (item.max_bad or "").strip()
    try:
        max_bad_ratio = bounded_percentage(text)
    except ValueError as refused:
        return Problem(f"{place}.maxBad", quote(text), str(refused))
    return Objective(item.name, ObjectiveKind.TEMPLATE, max_bad_ratio, template=template)


def _looked_at(
    item: PolicyObjective, side: Side, bound: float, template: GaugeTemplate | None, place: str
) -> Threshold | Problem:
    if not math.isfinite(bound):
        return Problem(f"{place}.{side}", f"{bound}", "write a number that is finite")
    failures = DEFAULT_FAILURES if item.failures is None else item.failures
    if not 0 <= failures <= MOST_CHECKS:
        return Problem(f"{place}.failures", f"{failures}", f"write a whole number from 0 to {MOST_CHECKS}")
    row = item.consecutive
    if row is not None and not 1 <= row <= MOST_CHECKS:
        return Problem(f"{place}.consecutive", f"{row}", f"write a whole number from 1 to {MOST_CHECKS}")
    if row is not None and row > failures + 1:
        remedy = (
            f"a step ends with its failed check number {failures + 1} already, as failures is {failures}; "
            f"write at most {failures + 1}, or failures: {row}"
        )
        return Problem(f"{place}.consecutive", f"{row}", remedy)
    text = format_duration(DEFAULT_CHECK_SECONDS) if item.every is None else item.every.strip()
    try:
        every_seconds = check_interval(text)
    except ValueError as refused:
        return Problem(f"{place}.every", quote(text), str(refused))
    return Threshold(item.name, side, bound, template, failures, row, every_seconds)

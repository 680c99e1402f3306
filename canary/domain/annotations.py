"""Annotations: from what an owner wrote on a Service to a ``Plan``, or to every problem that is in the way.

What may be written stands in ``canary.domain.reference``. An annotation under our prefix that is not in it is
an error: a typo must never silently mean a default.
"""

from collections.abc import Mapping
from typing import TypeVar

from canary.domain import reference as known
from canary.domain.duration import format_duration
from canary.domain.errors import InvalidPlan, Problem
from canary.domain.plan import Objective, ObjectiveKind, OnNoData, Plan, ServiceKey
from canary.domain.reference import PREFIX, REFERENCE, Annotation
from canary.domain.wishes import in_namespace, quote, shorten, suggestion

__all__ = ["PREFIX", "REFERENCE", "Annotation", "is_opted_in", "parse_plan"]

T = TypeVar("T")


class _Reader:
    """Reads annotations one by one and remembers every problem."""

    def __init__(self, annotations: Mapping[str, str]) -> None:
        self._annotations = annotations
        self.problems: list[Problem] = []

    def value(self, annotation: Annotation[T]) -> T | None:
        """Return what is asked for; None when it is absent without default, or not understood."""
        text = self._annotations.get(annotation.key)
        if text is None:
            return None if annotation.default is None else annotation.parse(annotation.default)
        try:
            return annotation.parse(text.strip())
        except ValueError as refused:
            self.problems.append(Problem(annotation.key, quote(text), str(refused)))
            return None

    def refuse_unknown(self) -> None:
        """Note every annotation under our prefix that does not exist."""
        names = {annotation.name for annotation in REFERENCE}
        for key in sorted(self._annotations):
            if key.startswith(PREFIX) and key.removeprefix(PREFIX) not in names:
                close = suggestion(key.removeprefix(PREFIX), sorted(names))
                remedy = (
                    f"did you mean {PREFIX}{close}?" if close else "there is no such annotation; remove it"
                )
                self.problems.append(Problem(shorten(key), quote(self._annotations[key]), remedy))


def is_opted_in(annotations: Mapping[str, str]) -> bool:
    """Whether the owner asks for anything: ``enabled`` is there and is not ``false``."""
    return annotations.get(known.ENABLED.key, "false").strip() != "false"


def parse_plan(key: ServiceKey, annotations: Mapping[str, str]) -> Plan | None:
    """Return what the owner of a service asks for; None when nothing is.

    Raises ``InvalidPlan`` with every problem there is: values that are not understood, annotations that do
    not exist, and wishes that contradict each other.
    """
    if not is_opted_in(annotations):
        return None
    reader = _Reader(annotations)
    reader.value(known.ENABLED)
    reader.value(known.EVIDENCE)
    steps = reader.value(known.STEPS) or ()
    stable = reader.value(known.STABLE) or key.name
    canary = reader.value(known.CANARY) or f"{key.name}-canary"
    deadline_seconds = reader.value(known.DEADLINE) or 0.0
    plan = Plan(
        stable=stable,
        canary=canary,
        steps=steps,
        objectives=_objectives(reader.value(known.MAX_ERROR_RATE), reader.value(known.MAX_LATENCY)),
        interval_seconds=reader.value(known.INTERVAL),
        tolerance=reader.value(known.TOLERANCE) or 1.0,
        min_requests=reader.value(known.MIN_REQUESTS) or 1,
        false_rollback_budget=reader.value(known.FALSE_ROLLBACK_BUDGET) or 0.01,
        gates=reader.value(known.GATES) or frozenset(),
        deadline_seconds=deadline_seconds,
        on_no_data=reader.value(known.ON_NO_DATA) or OnNoData.HOLD,
        drain_seconds=reader.value(known.DRAIN) or 1.0,
        policy=reader.value(known.POLICY),
        virtual_services=in_namespace(reader.value(known.VIRTUAL_SERVICES) or (), key.namespace),
        paused=reader.value(known.PAUSED) or False,
    )
    reader.refuse_unknown()
    problems = (*reader.problems, *_contradictions(plan, reader))
    if problems:
        raise InvalidPlan(problems)
    return plan


def _objectives(max_error_rate: float | None, latency: tuple[float, float] | None) -> tuple[Objective, ...]:
    objectives = []
    if max_error_rate is not None:
        objectives.append(Objective("error-rate", ObjectiveKind.ERRORS, max_error_rate))
    if latency is not None:
        max_bad_ratio, bound_ms = latency
        objectives.append(Objective("latency", ObjectiveKind.LATENCY, max_bad_ratio, bound_ms))
    return tuple(objectives)


def _contradictions(plan: Plan, reader: _Reader) -> list[Problem]:
    """Compare wishes with each other. One that was not understood is a stand-in and contradicts nothing."""
    misread = {problem.where for problem in reader.problems}
    problems = []
    if plan.stable == plan.canary and not misread & {known.STABLE.key, known.CANARY.key}:
        remedy = f"write another name than the workload of {known.STABLE.key}: they are two workloads"
        problems.append(Problem(known.CANARY.key, quote(plan.canary), remedy))
    baking_seconds = sum(step.bake_seconds for step in plan.steps)
    if not misread & {known.STEPS.key, known.DEADLINE.key} and baking_seconds >= plan.deadline_seconds:
        remedy = (
            f"the steps of {known.STEPS.key} take at least {format_duration(baking_seconds)}; write a longer "
            "deadline or shorter steps"
        )
        problems.append(Problem(known.DEADLINE.key, quote(format_duration(plan.deadline_seconds)), remedy))
    return problems

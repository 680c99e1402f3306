"""Annotations: from what an owner wrote on a Service to a ``Plan``, or to every problem that is in the way.

What may be written stands in ``canary.domain.reference``. Behind the annotations stand the policy that one of
them names, then an administrator's defaults, then our own: the first that says something holds. An annotation
under our prefix that is not in the reference is an error: a typo must never silently mean a default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from canary.domain import reference as known
from canary.domain.duration import format_duration
from canary.domain.errors import InvalidPlan, Problem
from canary.domain.plan import (
    ERROR_RATE,
    LATENCY,
    EvidenceRule,
    Objective,
    ObjectiveKind,
    OnNoData,
    Plan,
    PolicyRef,
    ServiceKey,
    Threshold,
)
from canary.domain.policy import (
    NOTHING_PROVIDED,
    Policy,
    Provided,
    Unavailable,
)
from canary.domain.policy_objectives import further_objectives
from canary.domain.reference import PREFIX, REFERENCE, Annotation
from canary.domain.wishes import in_namespace, quote, shorten, suggestion

__all__ = [
    "PREFIX",
    "REFERENCE",
    "Annotation",
    "is_opted_in",
    "is_paused",
    "parse_plan",
    "policy_named_by",
    "policy_problems",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Layer:
    """One place where wishes stand: their texts by the annotation's name, and how a person finds them."""

    texts: Mapping[str, str]
    place: str | None = None
    """What comes before a policy's field; None for the annotations themselves."""

    def where(self, annotation: Annotation[object]) -> str:
        return annotation.key if self.place is None else self.place + annotation.policy_field


class _Reader:
    """Reads wishes one by one from the first layer that has them, and remembers every problem."""

    def __init__(self, annotations: Mapping[str, str], policies: Sequence[Policy]) -> None:
        self._annotations = {key: text for key, text in annotations.items() if key.startswith(PREFIX)}
        named = {key.removeprefix(PREFIX): text for key, text in self._annotations.items()}
        self._layers = [_Layer(named), *(_Layer(policy.texts(), policy.place) for policy in policies)]
        self.problems: list[Problem] = []
        self.misread: set[str] = set()
        """Names of the annotations that were not understood: what was returned for them is a stand-in."""

    def value(self, annotation: Annotation[T]) -> T | None:
        """Return what is asked for; None when it is absent without default, or not understood."""
        layer = self._layer_of(annotation)
        if layer is None:
            return None if annotation.default is None else annotation.parse(annotation.default)
        text = layer.texts[annotation.name]
        try:
            return annotation.parse(text.strip())
        except ValueError as refused:
            self.misread.add(annotation.name)
            self.problems.append(Problem(layer.where(annotation), quote(text), str(refused)))
            return None

    def is_said(self, annotation: Annotation[object]) -> bool:
        """Whether any layer has the wish."""
        return self._layer_of(annotation) is not None

    def where(self, annotation: Annotation[object]) -> str:
        """Return where the wish stands, or would stand."""
        layer = self._layer_of(annotation)
        return layer.where(annotation) if layer is not None else annotation.key

    def _layer_of(self, annotation: Annotation[T]) -> _Layer | None:
        return next((layer for layer in self._layers if annotation.name in layer.texts), None)

    def refuse_unknown(self) -> None:
        """Note every annotation under our prefix that does not exist."""
        names = {annotation.name for annotation in REFERENCE}
        for key in sorted(self._annotations):
            if key.removeprefix(PREFIX) not in names:
                close = suggestion(key.removeprefix(PREFIX), sorted(names))
                remedy = (
                    f"did you mean {PREFIX}{close}?" if close else "there is no such annotation; remove it"
                )
                self.problems.append(Problem(shorten(key), quote(self._annotations[key]), remedy))


def is_opted_in(annotations: Mapping[str, str]) -> bool:
    """Whether the owner asks for anything: ``enabled`` is there and is not ``false``."""
    return annotations.get(known.ENABLED.key, "false").strip() != "false"


def is_paused(annotations: Mapping[str, str]) -> bool:
    """Whether the owner wants hands off; read by itself: a typo elsewhere must not undo it."""
    return annotations.get(known.PAUSED.key, "false").strip() != "false"


def policy_named_by(annotations: Mapping[str, str]) -> PolicyRef | None:
    """Return the policy behind the annotations; None when none is named that can be understood."""
    text = annotations.get(known.POLICY.key)
    if text is None or not is_opted_in(annotations):
        return None
    try:
        return known.POLICY.parse(text.strip())
    except ValueError:
        return None


def parse_plan(
    key: ServiceKey,
    annotations: Mapping[str, str],
    policy: Policy | Unavailable | None = None,
    provided: Provided = NOTHING_PROVIDED,
) -> Plan | None:
    """Return what the owner of a service asks for; None when nothing is.

    ``policy`` is the one that ``policy_named_by`` the annotations. Raises ``InvalidPlan`` with every problem
    there is: values that are not understood, annotations that do not exist, a policy that cannot be used, and
    wishes that contradict each other.
    """
    if not is_opted_in(annotations):
        return None
    policies = tuple(item for item in (policy, provided.defaults) if isinstance(item, Policy))
    reader = _Reader(annotations, policies)
    reader.value(known.ENABLED)
    named = reader.value(known.POLICY)
    objectives, problems = _objectives(reader, policies, provided)
    plan = Plan(
        stable=reader.value(known.STABLE) or key.name,
        canary=reader.value(known.CANARY) or f"{key.name}-canary",
        steps=reader.value(known.STEPS) or (),
        objectives=tuple(item for item in objectives if isinstance(item, Objective)),
        interval_seconds=reader.value(known.INTERVAL),
        tolerance=reader.value(known.TOLERANCE) or 1.0,
        min_requests=reader.value(known.MIN_REQUESTS) or 1,
        false_rollback_budget=reader.value(known.FALSE_ROLLBACK_BUDGET) or 0.01,
        evidence=reader.value(known.EVIDENCE) or EvidenceRule.BAKE,
        blast_radius_budget=reader.value(known.BLAST_RADIUS_BUDGET) or 0.005,
        false_promotion_budget=reader.value(known.FALSE_PROMOTION_BUDGET) or 0.01,
        gates=reader.value(known.GATES) or frozenset(),
        deadline_seconds=reader.value(known.DEADLINE) or 0.0,
        on_no_data=reader.value(known.ON_NO_DATA) or OnNoData.HOLD,
        drain_seconds=reader.value(known.DRAIN) or 1.0,
        policy=str(named) if named is not None else None,
        virtual_services=in_namespace(reader.value(known.VIRTUAL_SERVICES) or (), key.namespace),
        dry_run=reader.value(known.DRY_RUN) or frozenset(),
        paused=reader.value(known.PAUSED) or False,
        thresholds=tuple(item for item in objectives if isinstance(item, Threshold)),
    )
    reader.refuse_unknown()
    if named is not None and not isinstance(policy, Policy):
        # Without its policy a plan would silently mean defaults.
        missing = policy or Unavailable(f"{quote(str(named))}, which was not looked up", "try again")
        reader.problems.append(Problem(known.POLICY.key, missing.found, missing.remedy))
    elif not problems:
        problems = _unknown_objectives(plan, reader)
    problems = [*reader.problems, *problems, *_contradictions(plan, reader, provided)]
    if problems:
        raise InvalidPlan(tuple(problems))
    return plan


def policy_problems(policy: Policy, provided: Provided) -> tuple[Problem, ...]:
    """Return what is wrong with a policy by itself, whichever service names it."""
    # A service whose names are nobody's wish: a space is in no name.
    key = ServiceKey("", " ")
    try:
        parse_plan(key, {known.ENABLED.key: "true"}, policy, provided)
    except InvalidPlan as invalid:
        return invalid.problems
    return ()


def _objectives(
    reader: _Reader, policies: Sequence[Policy], provided: Provided
) -> tuple[tuple[Objective | Threshold, ...], list[Problem]]:
    objectives: list[Objective | Threshold] = []
    max_error_rate, latency = reader.value(known.MAX_ERROR_RATE), reader.value(known.MAX_LATENCY)
    if max_error_rate is not None:
        objectives.append(Objective(ERROR_RATE, ObjectiveKind.ERRORS, max_error_rate))
    if latency is not None:
        objectives.append(Objective(LATENCY, ObjectiveKind.LATENCY, *latency))
    said = next((policy for policy in policies if policy.spec.objectives is not None), None)
    if said is None:
        return tuple(objectives), []
    place = f"{said.place}objectives"
    further, problems = further_objectives(said.spec.objectives or (), place, provided.templates)
    return (*objectives, *further), problems


def _unknown_objectives(plan: Plan, reader: _Reader) -> list[Problem]:
    """Compare the names of what is to decide nothing with what there is, or may well be without this plan."""
    names = [*(item.name for item in plan.objectives), *(item.name for item in plan.thresholds)]
    return [
        Problem(reader.where(known.DRY_RUN), quote(name), f"write names of objectives: {', '.join(names)}")
        for name in sorted(plan.dry_run - {ERROR_RATE, LATENCY, *names})
    ]


def _contradictions(plan: Plan, reader: _Reader, provided: Provided) -> list[Problem]:
    """Compare wishes with each other. One that was not understood is a stand-in and contradicts nothing.

    Nor does one that nobody has where the defaults are not known: they may have it.
    """
    problems = []
    if plan.stable == plan.canary and not reader.misread & {known.STABLE.name, known.CANARY.name}:
        remedy = (
            f"write another name than the workload of {reader.where(known.STABLE)}: they are two workloads"
        )
        problems.append(Problem(reader.where(known.CANARY), quote(plan.canary), remedy))
    baking_seconds = sum(step.bake_seconds for step in plan.steps)
    understood = not reader.misread & {known.STEPS.name, known.DEADLINE.name}
    settled = provided.defaults is not None or (
        reader.is_said(known.STEPS) and reader.is_said(known.DEADLINE)
    )
    if understood and settled and baking_seconds >= plan.deadline_seconds:
        remedy = (
            f"the steps of {reader.where(known.STEPS)} take at least {format_duration(baking_seconds)}; "
            "write a longer deadline or shorter steps"
        )
        found = quote(format_duration(plan.deadline_seconds))
        problems.append(Problem(reader.where(known.DEADLINE), found, remedy))
    return problems

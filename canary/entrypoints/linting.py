"""Linting: what the controller would say of manifests, by its own rules, before it meets them. Pure.

What is an error here would keep a service from releasing; a warning is something that files alone cannot
prove wrong, or that has no effect.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from canary.adapters.kube.policies import POLICY_KIND, understand
from canary.adapters.kube.release_codec import GROUP
from canary.app.planning import plan_of
from canary.app.ports import AnnotatedService, StoredPolicy
from canary.domain.annotations import PREFIX, policy_named_by, policy_problems
from canary.domain.consent import SHARED_WITH
from canary.domain.errors import InvalidPlan, Problem
from canary.domain.plan import ServiceKey
from canary.domain.policy import Policy, PolicySpec, Provided
from canary.entrypoints.manifests import Manifest

__all__ = ["Finding", "Severity", "lint"]

_MEANT_FOR_SERVICES: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "VirtualService", "Pod"})
_WRITTEN_BY_THE_CONTROLLER: Final = frozenset({f"{PREFIX}promoted-revision"})

Key = tuple[str, str]


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend: where it stands, whose it is, what was found and what would be right."""

    file: str
    line: int
    severity: Severity
    object: str
    """Such as ``Service shop/checkout``; empty for a file as a whole."""
    message: str

    def __str__(self) -> str:
        """One line, as compilers write it."""
        subject = f"{self.object}: " if self.object else ""
        return f"{self.file}:{self.line}: {self.severity}: {subject}{self.message}"


def lint(manifests: Sequence[Manifest], provided: Provided, namespace: str) -> tuple[Finding, ...]:
    """Return what is wrong with ``manifests``, in the order of files and lines.

    Objects without a namespace are in ``namespace``. ``provided`` is what the controller's settings say;
    templates of None are not known, and then no name of one is called wrong.
    """
    policies = {
        _key(item, namespace): item for item in manifests if (item.group, item.kind) == (GROUP, POLICY_KIND)
    }
    found: list[Finding] = []
    for item in manifests:
        if (item.group, item.kind) == ("", "Service"):
            found += _of_service(item, policies, provided, namespace)
        elif (item.group, item.kind) == (GROUP, POLICY_KIND):
            found += _of_policy(item, provided, namespace)
        elif item.kind in _MEANT_FOR_SERVICES:
            found += _of_other(item, namespace)
    order = {item.file: number for number, item in reversed(list(enumerate(manifests)))}
    return tuple(sorted(found, key=lambda finding: (order[finding.file], finding.line)))


def _key(item: Manifest, namespace: str) -> Key:
    return str(item.metadata.get("namespace") or namespace), item.name


def _finding(
    item: Manifest, namespace: str, problem: Problem, line: int, severity: Severity = Severity.ERROR
) -> Finding:
    place, name = _key(item, namespace)
    return Finding(item.file, line, severity, f"{item.kind} {place}/{name}", str(problem))


def _annotations(item: Manifest) -> dict[str, Any]:
    """What is written, texts or not."""
    written = item.metadata.get("annotations")
    return {str(name): text for name, text in (written if isinstance(written, dict) else {}).items()}


def _line_of_annotation(item: Manifest, name: str) -> int:
    return item.line("metadata", "annotations", name)


def _of_service(
    item: Manifest, policies: Mapping[Key, Manifest], provided: Provided, namespace: str
) -> Iterator[Finding]:
    annotations = {name: text for name, text in _annotations(item).items() if name.startswith(PREFIX)}
    if not annotations:
        return
    wrong = [name for name, text in annotations.items() if not isinstance(text, str)]
    for name in wrong:
        problem = Problem(name, repr(annotations[name]), "put it in quotes: values of annotations are texts")
        yield _finding(item, namespace, problem, _line_of_annotation(item, name))
    if wrong:
        return
    key = ServiceKey(*_key(item, namespace))
    service = AnnotatedService(key, "", annotations)
    assumed: list[Key] = []

    def find(place: str, name: str) -> StoredPolicy | None:
        there = policies.get((place, name))
        if there is not None:
            return _stored(there, namespace)
        assumed.append((place, name))
        return StoredPolicy(place, name, PolicySpec(), consent={SHARED_WITH: "*"})

    try:
        plan_of(service, find, provided)
    except InvalidPlan as invalid:
        for problem in invalid.problems:
            line = _line_of_annotation(
                item, problem.where if problem.where in annotations else f"{PREFIX}policy"
            )
            yield _finding(item, namespace, problem, line)
    if assumed:
        named = policy_named_by(annotations)
        remedy = "lint its file together with this one: what it says was not looked at"
        problem = Problem(f"{PREFIX}policy", f'"{named}", which is not among the files', remedy)
        yield _finding(
            item, namespace, problem, _line_of_annotation(item, f"{PREFIX}policy"), Severity.WARNING
        )


def _stored(item: Manifest, namespace: str) -> StoredPolicy:
    texts = {name: text for name, text in _annotations(item).items() if isinstance(text, str)}
    return understand(*_key(item, namespace), texts, item.value.get("spec"))


def _of_policy(item: Manifest, provided: Provided, namespace: str) -> Iterator[Finding]:
    stored = _stored(item, namespace)
    problems: tuple[Problem, ...] = stored.problems
    if stored.spec is not None:
        # Alone: what a default says is not this policy's fault.
        problems = policy_problems(Policy(stored.spec, "spec."), Provided(templates=provided.templates))
    for problem in problems:
        yield _finding(item, namespace, problem, item.line_of(problem.where))


def _of_other(item: Manifest, namespace: str) -> Iterator[Finding]:
    known = _WRITTEN_BY_THE_CONTROLLER | ({SHARED_WITH} if item.kind == "VirtualService" else set())
    for name, text in _annotations(item).items():
        if name.startswith(PREFIX) and name not in known:
            remedy = f"it has no effect on a {item.kind}: annotate the Service"
            line = _line_of_annotation(item, name)
            yield _finding(item, namespace, Problem(name, repr(text), remedy), line, Severity.WARNING)

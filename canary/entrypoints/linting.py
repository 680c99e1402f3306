"""Linting: what the controller would say of manifests, by its own rules, before it meets them. Pure.

What is an error here would keep a service from releasing; a warning is something that files alone cannot
prove wrong, or that has no effect.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from canary.adapters.istio.hosts import DEFAULT_CLUSTER_DOMAIN
from canary.adapters.kube.policies import POLICY_KIND, understand
from canary.adapters.kube.release_codec import GROUP
from canary.app.planning import plan_of
from canary.app.ports import AnnotatedService, StoredPolicy
from canary.domain.annotations import PREFIX, is_opted_in, policy_named_by, policy_problems
from canary.domain.consent import SHARED_WITH, misread_consent
from canary.domain.errors import InvalidPlan, Problem
from canary.domain.plan import ServiceKey
from canary.domain.policy import NOTHING_PROVIDED, Policy, PolicySpec, Provided
from canary.domain.reference import ENABLED, POLICY, REFERENCE
from canary.domain.values import shown
from canary.domain.wishes import quote, suggestion
from canary.entrypoints.findings import Finding, Severity, finding
from canary.entrypoints.linting_heads import of_head, written_twice
from canary.entrypoints.linting_routes import doubts_around
from canary.entrypoints.linting_surroundings import Surroundings, surroundings_of
from canary.entrypoints.manifests import Manifest

__all__ = ["Installation", "lint"]

_MEANT_FOR_SERVICES: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "VirtualService", "Pod"})
_SHARED: Final = frozenset({"VirtualService", POLICY_KIND})
"""What another namespace may use with its owners' consent."""
_KNOWN: Final = frozenset(annotation.key for annotation in REFERENCE)
_WRITTEN_BY_THE_CONTROLLER: Final = frozenset({f"{PREFIX}promoted-revision"})


@dataclass(frozen=True, slots=True)
class Installation:
    """What a controller's settings say that matters to files."""

    provided: Provided = field(default_factory=Provided)
    """Templates of None are not known, and then no name of one is called wrong."""
    cluster_domain: str = DEFAULT_CLUSTER_DOMAIN
    namespaces: tuple[str, ...] = ()
    """Those that it works in; none: all."""


def lint(manifests: Sequence[Manifest], installation: Installation) -> tuple[Finding, ...]:
    """Return what is wrong with ``manifests``, in the order of files and lines."""
    files = _files(manifests, installation)
    found = list(written_twice(manifests))
    for item in manifests:
        found += of_head(item)
        if not item.is_object:
            continue
        if item.is_a("", "Service"):
            found += _of_service(item, files)
        elif item.is_a(GROUP, POLICY_KIND):
            found += _of_policy(item, installation.provided)
        elif item.kind in _MEANT_FOR_SERVICES:
            found += _of_annotations(item)
    order = {item.file: number for number, item in reversed(list(enumerate(manifests)))}
    return tuple(sorted(found, key=lambda finding: (order[finding.file], finding.line)))


@dataclass(frozen=True, slots=True)
class _Files:
    """All that is linted together, each part understood once."""

    installation: Installation
    policies: Mapping[tuple[str, str], StoredPolicy]
    """By namespace and name."""
    surroundings: Surroundings

    def policy(self, namespace: str, name: str) -> StoredPolicy | None:
        return self.policies.get((namespace, name))


def _files(manifests: Sequence[Manifest], installation: Installation) -> _Files:
    # Of two of one name the later counts, as it does when files are applied in turn.
    policies = {
        (item.namespace, item.name): _stored(item) for item in manifests if item.is_a(GROUP, POLICY_KIND)
    }
    return _Files(installation, policies, surroundings_of(manifests, installation.cluster_domain))


def _of_service(item: Manifest, files: _Files) -> Iterator[Finding]:
    ours = {name: text for name, text in item.annotations.items() if name.startswith(PREFIX)}
    texts = {name: text for name, text in ours.items() if isinstance(text, str)}
    for name in ours.keys() - texts.keys():
        is_scalar = not isinstance(ours[name], dict | list | None)
        remedy = "put it in quotes" if is_scalar else "write one text in quotes"
        problem = Problem(name, shown(ours[name]), f"{remedy}: values of annotations are texts")
        yield finding(item, problem, item.line_of_annotation(name))
    if not texts or len(texts) < len(ours):
        return
    if not is_opted_in(texts):
        for name in filter(_is_unknown, texts):
            close = suggestion(name, [annotation.key for annotation in REFERENCE])
            remedy = f"did you mean {close}?" if close else "there is no such annotation; remove it"
            yield finding(item, Problem(name, quote(texts[name]), remedy), item.line_of_annotation(name))
    yield from _of_wishes(item, AnnotatedService(ServiceKey(item.namespace, item.name), "", texts), files)


def _of_wishes(item: Manifest, service: AnnotatedService, files: _Files) -> Iterator[Finding]:
    named = policy_named_by(service.annotations)
    is_there = named is None or files.policy(named.namespace or item.namespace, named.name) is not None
    try:
        plan = plan_of(service, files.policy if is_there else _anything, files.installation.provided)
    except InvalidPlan as invalid:
        plan = None
        for problem in invalid.problems:
            # What stands in the policy is found where that is named, in the defaults where the owner opts in.
            behind = POLICY.key if named is not None else ENABLED.key
            where = problem.where if problem.where in service.annotations else behind
            yield finding(item, problem, item.line_of_annotation(where))
    if not is_there:
        remedy = "lint its file together with this one: what it says was not looked at"
        problem = Problem(POLICY.key, f'"{named}", which is not among the files', remedy)
        yield finding(item, problem, item.line_of_annotation(POLICY.key), Severity.WARNING)
    elif plan is not None:
        yield from _by_our_own_defaults(item, service, files)
        yield from _of_place(item, files.installation.namespaces)
        for doubt in doubts_around(item, plan, files.surroundings):
            place = doubt.item
            yield Finding(place.file, doubt.line, Severity.WARNING, str(item), str(doubt.problem))


def _by_our_own_defaults(item: Manifest, service: AnnotatedService, files: _Files) -> Iterator[Finding]:
    """Where an administrator's defaults are not known, say what would be wrong if there were none."""
    known = files.installation.provided
    if known.defaults is not None:
        return
    try:
        plan_of(service, files.policy, Provided(NOTHING_PROVIDED.defaults, known.templates))
    except InvalidPlan as invalid:
        for problem in invalid.problems:
            remedy = (
                f"{problem.remedy} (unless the controller's settings say otherwise: lint with --settings)"
            )
            told = Problem(problem.where, problem.found, remedy)
            yield finding(item, told, item.line_of_annotation(problem.where), Severity.WARNING)


def _of_place(item: Manifest, namespaces: Sequence[str]) -> Iterator[Finding]:
    if namespaces and item.namespace not in namespaces:
        remedy = f"the settings have the controller work in {', '.join(namespaces)} only"
        problem = Problem("namespace", quote(item.namespace), remedy)
        yield finding(item, problem, item.line("metadata", "namespace"), Severity.WARNING)


def _anything(namespace: str, name: str) -> StoredPolicy:
    """A policy that says nothing and is shared with all: of one that is not there nothing is wrong."""
    return StoredPolicy(namespace, name, PolicySpec(), consent={SHARED_WITH: "*"})


def _stored(item: Manifest) -> StoredPolicy:
    texts = {name: text for name, text in item.annotations.items() if isinstance(text, str)}
    return understand(item.namespace, item.name, texts, item.value.get("spec"))


def _of_policy(item: Manifest, provided: Provided) -> Iterator[Finding]:
    stored = _stored(item)
    problems = stored.problems
    if stored.spec is not None:
        # Alone: what a default says is not this policy's fault.
        problems = policy_problems(Policy(stored.spec, "spec."), Provided(templates=provided.templates))
    for problem in problems:
        yield finding(item, problem, item.line_of(problem.where))
    yield from _of_annotations(item)


def _is_unknown(name: str) -> bool:
    return name not in _KNOWN


def _of_annotations(item: Manifest) -> Iterator[Finding]:
    """Look at annotations of ours on what is no Service: consent to share, or without effect."""
    known = _WRITTEN_BY_THE_CONTROLLER | ({SHARED_WITH} if item.kind in _SHARED else set())
    texts = {name: text for name, text in item.annotations.items() if isinstance(text, str)}
    misread = misread_consent(texts) if item.kind in _SHARED else None
    if misread is not None:
        yield finding(item, misread, item.line_of_annotation(SHARED_WITH), Severity.WARNING)
    for name, text in item.annotations.items():
        if name.startswith(PREFIX) and name not in known:
            close = suggestion(name, [SHARED_WITH]) if item.kind in _SHARED and _is_unknown(name) else None
            hint = f"did you mean {close}?" if close else "annotate the Service"
            problem = Problem(name, shown(text), f"it has no effect on a {item.kind}: {hint}")
            yield finding(item, problem, item.line_of_annotation(name), Severity.WARNING)

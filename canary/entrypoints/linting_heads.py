"""Linting what objects say that they are: their kind, their metadata, and that each is there once. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from canary.adapters.kube.policies import POLICY_KIND
from canary.adapters.kube.release_codec import API_VERSION, GROUP, KIND
from canary.domain.errors import Problem
from canary.domain.values import kind_of, shown
from canary.domain.wishes import quote, suggestion
from canary.entrypoints.findings import Finding, Severity, finding
from canary.entrypoints.manifests import ISTIO, Manifest

__all__ = ["of_head", "written_twice"]

_OURS: Final = frozenset({KIND, POLICY_KIND})
_LOOKED_AT: Final = frozenset(
    {
        ("", "Service"),
        (GROUP, POLICY_KIND),
        ("apps", "Deployment"),
        (ISTIO, "VirtualService"),
        (ISTIO, "DestinationRule"),
    }
)
"""Group and kind of what a service's plan and routes are read from."""


def of_head(item: Manifest) -> Iterator[Finding]:
    """Look at what an object says that it is: where that is not understood, nothing else is looked at."""
    for part in ("apiVersion", "kind"):
        written = item.value.get(part)
        if not isinstance(written, str):
            said = f"{part} is missing" if written is None else f"{part} is {kind_of(written)} and no text"
            message = f"{said}: this is no Kubernetes object, and nothing in it was looked at"
            yield Finding(item.file, item.line(part), Severity.WARNING, "", message)
            return
    version = item.value["apiVersion"]
    if item.group == GROUP and item.kind not in _OURS:
        close = suggestion(item.kind, sorted(_OURS))
        remedy = f"did you mean {close}?" if close else f"{GROUP} has {' and '.join(sorted(_OURS))}"
        yield finding(item, Problem("kind", quote(item.kind), remedy), item.line("kind"))
    elif item.group == GROUP and version != API_VERSION:
        problem = Problem("apiVersion", quote(version), f"write {API_VERSION}")
        yield finding(item, problem, item.line("apiVersion"))
    yield from _of_metadata(item)


def _of_metadata(item: Manifest) -> Iterator[Finding]:
    metadata = item.value.get("metadata")
    if not isinstance(metadata, dict):
        problem = Problem("metadata", shown(metadata), "write a mapping with the object's name")
        yield finding(item, problem, item.line("metadata"))
        return
    for part in ("name", "namespace"):
        written = metadata.get(part)
        if written is not None and not isinstance(written, str):
            problem = Problem(f"metadata.{part}", shown(written), "write a text in quotes")
            yield finding(item, problem, item.line("metadata", part))
    annotations = metadata.get("annotations")
    if annotations is not None and not isinstance(annotations, dict):
        problem = Problem("metadata.annotations", shown(annotations), "write a mapping of texts")
        yield finding(item, problem, item.line("metadata", "annotations"))


def written_twice(manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Tell of every object that has one of the same kind and name before it, with both places."""
    before: dict[tuple[str, str, str, str], Manifest] = {}
    for item in manifests:
        identity = (item.group, item.kind, item.namespace, item.name)
        if not item.name or identity[:2] not in _LOOKED_AT:
            continue
        other = before.get(identity)
        before[identity] = item
        if other is not None:
            place = f"{other.file}:{other.line('metadata', 'name')}"
            remedy = f"{place} has it, too, and of the two this one counts: keep one of them"
            problem = Problem("metadata.name", quote(item.name), remedy)
            yield finding(item, problem, item.line("metadata", "name"), Severity.WARNING)

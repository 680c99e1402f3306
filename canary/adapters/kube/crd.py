"""The CustomResourceDefinitions of Release and ReleasePolicy, derived from the types that are stored.

``python -m canary.adapters.kube.crd`` writes config/crd; with ``--check`` it only says what is out of date.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from canary.adapters.kube.policies import POLICY_KIND, POLICY_PLURAL
from canary.adapters.kube.policy_rules import POLICY_RULES
from canary.adapters.kube.release_codec import GROUP, KIND, PLURAL, VERSION, ReleaseSpec, ReleaseStatus
from canary.adapters.kube.schema import Json, Schemas
from canary.domain.measurement import NoDataReason
from canary.domain.policy import PolicySpec
from canary.domain.verdict import Reason

__all__ = ["crd_files", "crds", "policy_crd", "release_crd", "spec_schema_of_policy"]

DIRECTORY = Path("config/crd")
OPEN_ENUMERATIONS: frozenset[type] = frozenset({Reason, NoDataReason})
"""New ones may come with any version; a cluster with an older CRD must still take them."""
DESCRIPTIONS: Mapping[str, str] = {
    "spec": "What is asked for.",
    "spec.service": "Name of the annotated Service.",
    "spec.revision": "The pod-template-hash that is judged, and the only one that may be promoted.",
    "spec.attempt": "1, and one more for every retry of the same revision.",
    "spec.plan": "The owner's wishes as they were when the release began.",
    "spec.windowSeconds": "The measurement grid: the targets' scrape interval.",
    "spec.abort": "Set it to end the release with all traffic on stable.",
    "spec.retry": "Set it on a finished release to have its revision tried again.",
    "spec.promote": "Set it to skip what is left of the steps; refused while an objective is breached.",
    "spec.approvals": "The gates that a person has opened.",
    "status": "What the controller knows; written by it alone.",
    "status.phase": "Where the release is.",
    "status.stage": "The part of Promoting or RollingBack.",
    "status.step": "Index into spec.plan.steps, from 0.",
    "status.progress": "The step as people count it, such as 2/3.",
    "status.weight": "Percent of requests that the canary should have.",
    "status.reason": "Why the phase is what it is, in a word that scripts can match.",
    "status.message": "The same for people.",
    "status.verdict": "What the analysis says, with every number that led to it.",
    "status.evidence": "The running state of the sequential tests.",
    "status.previousTemplate": "Stable's pod template before promotion, as JSON.",
    "status.originalWeights": "The canary's weights before the release, by virtualservice/route-index.",
}
FIXED = ("service", "revision", "attempt", "windowSeconds", "createdAt")
"""What a release is about: it never changes."""
RELEASE_RULES = [
    {
        "rule": " && ".join(f"self.{name} == oldSelf.{name}" for name in FIXED),
        "message": f"{', '.join(FIXED)} are fixed: deploy another revision, or set retry",
    },
    {
        "rule": "!has(oldSelf.abort) || has(self.abort)",
        "message": "an abort cannot be taken back: when the release has ended, set retry",
    },
]

PLAN_RULE = {
    "rule": "self == oldSelf",
    "message": "the plan is fixed: what the annotations say now holds for the next release",
}
"""Whoever may patch a release may abort it, but not point it at other workloads or routes."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One that ``kubectl get`` shows; with ``is_wide`` only for ``-o wide``."""

    name: str
    path: str
    kind: str = "string"
    is_wide: bool = False

    def wire(self) -> Json:
        column: Json = {"name": self.name, "type": self.kind, "jsonPath": self.path}
        return column | ({"priority": 1} if self.is_wide else {})


AGE = _Column("Age", ".metadata.creationTimestamp", "date")


def crds() -> tuple[Json, ...]:
    """Return both definitions."""
    return (release_crd(), policy_crd())


def release_crd() -> Json:
    """Return the definition of Release."""
    overlays: dict[str, Json] = {path: {"description": text} for path, text in DESCRIPTIONS.items()}
    overlays["spec"]["x-kubernetes-validations"] = RELEASE_RULES
    overlays["spec.plan"]["x-kubernetes-validations"] = [PLAN_RULE]
    spec = Schemas(overlays, with_defaults=True).of(ReleaseSpec, "spec")
    status = Schemas(overlays, open_enumerations=OPEN_ENUMERATIONS).of(ReleaseStatus, "status")
    spec["properties"]["plan"] = _open(spec["properties"]["plan"])
    columns = (
        _Column("Service", ".spec.service"),
        _Column("Phase", ".status.phase"),
        _Column("Step", ".status.progress"),
        _Column("Weight", ".status.weight", "integer"),
        _Column("Reason", ".status.reason"),
        AGE,
        _Column("Revision", ".spec.revision", is_wide=True),
        _Column("Verdict", ".status.verdict.outcome", is_wide=True),
        _Column("Message", ".status.message", is_wide=True),
    )
    schema = _object(
        "One attempt to replace stable by one canary revision.", {"spec": spec, "status": _open(status)}
    )
    return _definition((KIND, PLURAL, "crel"), schema, columns, {"subresources": {"status": {}}})


def policy_crd() -> Json:
    """Return the definition of ReleasePolicy."""
    columns = (
        _Column("Errors", ".spec.maxErrorRate"),
        _Column("Latency", ".spec.maxLatency"),
        _Column("Gates", ".spec.gates"),
        _Column("Deadline", ".spec.deadline"),
        AGE,
        _Column("Tolerance", ".spec.tolerance", is_wide=True),
    )
    schema = _object(
        "How services release: the wishes that stand behind the annotations of each that names it.",
        # What the server dropped nobody could call a typo: the controller has to see it.
        {"spec": _open(spec_schema_of_policy())},
    )
    return _definition((POLICY_KIND, POLICY_PLURAL, "cpol"), schema, columns, {})


def spec_schema_of_policy() -> Json:
    """Return the schema of a policy's spec, which the defaults in the controller's settings share."""
    return Schemas(POLICY_RULES).of(PolicySpec, "spec")


def _object(description: str, parts: Mapping[str, Json]) -> Json:
    own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {**own, **parts},
    }


def _definition(names: tuple[str, str, str], schema: Json, columns: tuple[_Column, ...], more: Json) -> Json:
    kind, plural, short = names
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        **more,
        "additionalPrinterColumns": [column.wire() for column in columns],
    }
    named = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": [short],
        "categories": ["canary"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "canary"}},
        "spec": {"group": GROUP, "names": named, "scope": "Namespaced", "versions": [version]},
    }


def _open(schema: Json) -> Json:
    """Have a schema keep what it does not know, at every depth.

    A controller that is newer than the cluster's CRD must not lose what it saves, and a typo must not be
    dropped in silence. Below a field that a schema knows, the server drops the unknown again unless it is
    told so there, too.
    """
    opened = {
        key: _open(inner) if key in {"items", "additionalProperties"} else inner
        for key, inner in schema.items()
    }
    if "properties" in schema:
        opened["properties"] = {name: _open(inner) for name, inner in schema["properties"].items()}
        opened["x-kubernetes-preserve-unknown-fields"] = True
    return opened


def crd_files() -> Mapping[str, str]:
    """Return the content of each file, by its name."""
    header = (
        "# Generated by `python -m canary.adapters.kube.crd` from the types that are stored; do not edit.\n"
    )
    return {
        f"{item['spec']['names']['plural']}.yaml": header + yaml.safe_dump(item, sort_keys=False, width=110)
        for item in crds()
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the files, or with ``--check`` return 1 when one is out of date."""
    parser = argparse.ArgumentParser(description="Write or check the CRDs of Release and ReleasePolicy.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is out of date")
    parser.add_argument("--directory", type=Path, default=DIRECTORY)
    asked = parser.parse_args(arguments)
    stale = {
        asked.directory / name: text
        for name, text in crd_files().items()
        if not (asked.directory / name).is_file()
        or (asked.directory / name).read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if asked.check:
            sys.stderr.write(f"{path} is out of date: run python -m canary.adapters.kube.crd\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return 1 if asked.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

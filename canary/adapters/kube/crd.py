"""The CustomResourceDefinition of Release, derived from the types that the codec stores.

``python -m canary.adapters.kube.crd`` writes config/crd/releases.yaml; with ``--check`` it only says whether
the file is up to date.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from canary.adapters.kube.release_codec import GROUP, KIND, PLURAL, VERSION, ReleaseSpec, ReleaseStatus
from canary.adapters.kube.wire import field_type, is_time, wire_name
from canary.domain.measurement import NoDataReason
from canary.domain.verdict import Reason

__all__ = ["crd", "crd_yaml", "schema_of"]

FILE = Path("config/crd/releases.yaml")
OPEN_ENUMERATIONS: frozenset[type] = frozenset({Reason, NoDataReason})
"""New ones may come with any version; a cluster with an older CRD must still take them."""
DESCRIPTIONS: Mapping[str, str] = {
    "spec.service": "Name of the annotated Service.",
    "spec.revision": "The pod-template-hash that is judged, and the only one that may be promoted.",
    "spec.attempt": "1, and one more for every retry of the same revision.",
    "spec.plan": "The owner's wishes as they were when the release began.",
    "spec.windowSeconds": "The measurement grid: the targets' scrape interval.",
    "spec.abort": "Set it to end the release with all traffic on stable.",
    "spec.retry": "Set it on a finished release to have its revision tried again.",
    "spec.promote": "Set it to skip what is left of the steps; refused while an objective is breached.",
    "spec.approvals": "The gates that a person has opened.",
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
COLUMNS = (
    ("Service", "string", ".spec.service", 0),
    ("Phase", "string", ".status.phase", 0),
    ("Step", "string", ".status.progress", 0),
    ("Weight", "integer", ".status.weight", 0),
    ("Reason", "string", ".status.reason", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Revision", "string", ".spec.revision", 1),
    ("Verdict", "string", ".status.verdict.outcome", 1),
    ("Message", "string", ".status.message", 1),
)

Json = dict[str, Any]
_PRIMITIVES: Mapping[Any, Json] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
}


def schema_of(kind: Any, path: str) -> Json:
    """Return the structural OpenAPI schema of a type's wire form."""
    if is_dataclass(kind):
        return _schema_of_dataclass(kind, path)
    origin, args = get_origin(kind), get_args(kind)
    if origin is frozenset:
        return {"type": "array", "items": schema_of(args[0], path), "x-kubernetes-list-type": "set"}
    if origin is tuple:
        return {"type": "array", "items": schema_of(args[0], path)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": schema_of(args[1], path)}
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        closed = {} if kind in OPEN_ENUMERATIONS else {"enum": [item.value for item in kind]}
        return {"type": "string", **closed}
    return dict(_PRIMITIVES[kind])


def _schema_of_dataclass(kind: Any, path: str) -> Json:
    hints = get_type_hints(kind)
    properties: Json = {}
    required: list[str] = []
    for item in fields(kind):
        name = wire_name(item.name)
        inner, optional = field_type(hints[item.name])
        where = f"{path}.{name}"
        schema = (
            {"type": "string", "format": "date-time"}
            if is_time(item.name, inner)
            else schema_of(inner, where)
        )
        described = {"description": DESCRIPTIONS[where]} if where in DESCRIPTIONS else {}
        properties[name] = described | schema
        if not optional and item.default is MISSING and item.default_factory is MISSING:
            required.append(name)
    return {"type": "object", "properties": properties} | ({"required": sorted(required)} if required else {})


def crd() -> Json:
    """Return the CustomResourceDefinition."""
    spec, status = schema_of(ReleaseSpec, "spec"), _open(schema_of(ReleaseStatus, "status"))
    spec["properties"]["plan"] = _open(spec["properties"]["plan"])
    schema = {
        "type": "object",
        "description": "One attempt to replace stable by one canary revision.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {"description": "What is asked for."} | spec,
            "status": {"description": "What the controller knows; written by it alone."} | status,
        },
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
    }
    names = {
        "kind": KIND,
        "listKind": f"{KIND}List",
        "plural": PLURAL,
        "singular": KIND.lower(),
        "shortNames": ["crel"],
        "categories": ["canary"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "canary"}},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _open(schema: Json) -> Json:
    """Have a schema keep what it does not know, at every depth.

    A controller that is newer than the cluster's CRD must not lose what it saves. Below a field that a schema
    knows, the server drops the unknown again unless it is told so there, too.
    """
    opened = {
        key: _open(inner) if key in {"items", "additionalProperties"} else inner
        for key, inner in schema.items()
    }
    if "properties" in schema:
        opened["properties"] = {name: _open(inner) for name, inner in schema["properties"].items()}
        opened["x-kubernetes-preserve-unknown-fields"] = True
    return opened


def _column(name: str, kind: str, path: str, priority: int) -> Json:
    column: Json = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": priority} if priority else {})


def crd_yaml() -> str:
    """Return the file's content."""
    header = "# Generated by `python -m canary.adapters.kube.crd` from the codec's types; do not edit.\n"
    return header + yaml.safe_dump(crd(), sort_keys=False, width=110)


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with ``--check`` return 1 when it is out of date."""
    parser = argparse.ArgumentParser(description="Write or check the CRD of Release.")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if the file is out of date"
    )
    parser.add_argument("--file", type=Path, default=FILE)
    asked = parser.parse_args(arguments)
    if not asked.check:
        asked.file.parent.mkdir(parents=True, exist_ok=True)
        asked.file.write_text(crd_yaml(), encoding="utf-8")
        return 0
    if asked.file.is_file() and asked.file.read_text(encoding="utf-8") == crd_yaml():
        return 0
    sys.stderr.write(f"{asked.file} is out of date: run python -m canary.adapters.kube.crd\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

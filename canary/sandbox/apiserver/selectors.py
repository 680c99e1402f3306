"""Label and field selectors: parsed once per request, then asked of each object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from canary.sandbox.apiserver.errors import bad_request
from canary.sandbox.apiserver.objects import Json

Operator = Literal["in", "notin", "exists", "absent", "gt", "lt"]

_KEY = r"(?P<key>[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?)"
_SET = re.compile(rf"^{_KEY}\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(rf"^{_KEY}\s*(?P<op>==|!=|=|>|<)\s*(?P<value>[-A-Za-z0-9_.]*)$")
_EXISTS = re.compile(rf"^(?P<not>!\s*)?{_KEY}$")

# The fields besides metadata.name and metadata.namespace that the API can select by.
FIELDS: Mapping[str, frozenset[str]] = {
    "pods": frozenset({"spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase"}),
    "namespaces": frozenset({"status.phase"}),
    "services": frozenset({"spec.clusterIP", "spec.type"}),
    "secrets": frozenset({"type"}),
    "replicasets.apps": frozenset({"status.replicas"}),
    "events": frozenset(
        {
            *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion")),
            *(f"regarding.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion")),
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One clause of a label selector."""

    key: str
    operator: Operator
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels satisfy the clause; an absent label satisfies ``notin``."""
        present = self.key in labels
        match self.operator:
            case "exists":
                return present
            case "absent":
                return not present
            case "in":
                return present and labels[self.key] in self.values
            case "notin":
                return not present or labels[self.key] not in self.values
            case "gt" | "lt":
                return present and self._compares(labels[self.key])

    def _compares(self, text: str) -> bool:
        (bound,) = self.values
        if not text.lstrip("-").isdigit():
            return False
        return int(text) > int(bound) if self.operator == "gt" else int(text) < int(bound)


@dataclass(frozen=True, slots=True)
class Selector:
    """What a list or watch asks for: all clauses must hold."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[tuple[str, bool, str], ...] = ()

    @property
    def is_empty(self) -> bool:
        """True when everything matches."""
        return not self.labels and not self.fields

    def matches(self, obj: Json) -> bool:
        """Tell whether the object satisfies every clause."""
        found = obj["metadata"].get("labels") or {}
        return all(clause.matches(found) for clause in self.labels) and all(
            (_field(obj, path) == value) is wanted for path, wanted, value in self.fields
        )


def parse_selector(resource: str, custom: frozenset[str] | None, labels: str, fields: str) -> Selector:
    """Parse both parameters; ``custom``: a CRD's selectable fields, None for a built-in. Raises 400."""
    return Selector(parse_labels(labels), _parse_fields(resource, custom, fields))


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Parse ``a=b,c!=d,e in (f,g),h,!i``; raises 400."""
    return tuple(_clause(part.strip()) for part in _split(text) if part.strip())


def from_label_selector(selector: Json | None) -> Callable[[Json], bool]:
    """Turn a ``LabelSelector`` object (matchLabels, matchExpressions) into a predicate on objects."""
    clauses = [
        Requirement(key, "in", frozenset({value}))
        for key, value in ((selector or {}).get("matchLabels") or {}).items()
    ]
    names: Mapping[str, Operator] = {
        "In": "in",
        "NotIn": "notin",
        "Exists": "exists",
        "DoesNotExist": "absent",
    }
    for expression in (selector or {}).get("matchExpressions") or ():
        operator = names[expression["operator"]]
        clauses.append(Requirement(expression["key"], operator, frozenset(expression.get("values") or ())))
    return Selector(tuple(clauses)).matches


def _split(text: str) -> list[str]:
    return re.split(r",(?![^()]*\))", text)


def _clause(text: str) -> Requirement:
    if found := _SET.match(text):
        values = frozenset(value.strip() for value in found["values"].split(","))
        return Requirement(found["key"], "in" if found["op"] == "in" else "notin", values)
    if found := _EQUAL.match(text):
        names: Mapping[str, Operator] = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}
        operator = names[found["op"]]
        if operator in {"gt", "lt"} and not found["value"].lstrip("-").isdigit():
            raise bad_request(f"unable to parse requirement: {text!r}: the value must be an integer")
        return Requirement(found["key"], operator, frozenset({found["value"]}))
    if found := _EXISTS.match(text):
        return Requirement(found["key"], "absent" if found["not"] else "exists")
    raise bad_request(
        f"unable to parse requirement: found {text!r}, expected: =, !=, in, notin, or a label's name"
    )


def _parse_fields(
    resource: str, custom: frozenset[str] | None, text: str
) -> tuple[tuple[str, bool, str], ...]:
    known = (
        FIELDS.get(resource, frozenset()) | (custom or frozenset()) | {"metadata.name", "metadata.namespace"}
    )
    clauses = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.match(r"^(?P<path>[^=!]+)(?P<op>==|!=|=)(?P<value>.*)$", part)
        if found is None:
            raise bad_request(f"invalid selector: {part!r}; can't understand {part!r}")
        if found["path"] not in known:
            raise bad_request(_unknown_field(resource, custom, found["path"]))
        clauses.append((found["path"], found["op"] != "!=", found["value"]))
    return tuple(clauses)


def _unknown_field(resource: str, custom: frozenset[str] | None, path: str) -> str:
    """Say it in the words of the resource: those with fields of their own have an older sentence."""
    if resource in FIELDS or custom is not None:
        return f"field label not supported: {path}"
    return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _field(obj: Json, path: str) -> str:
    if path.startswith("regarding."):
        path = path.replace("regarding", "involvedObject", 1)
    if path == "source":
        path = "source.component"
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)

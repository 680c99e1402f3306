"""What a request needs, and what the chart grants, in Kubernetes' own terms.

``python -m tests.chart.permissions`` writes the table of docs/kubernetes.md again.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final
from urllib.parse import parse_qs

from canary.sandbox.apiserver.seam import RequestRecord
from tests.chart.rendering import NAMESPACE as HOME
from tests.chart.rendering import NEEDED, ROOT, render

Json = dict[str, Any]

RESOURCE: Final = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>v[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?"
)
NAMESPACE_ITSELF: Final = re.compile(r"/api/v1/namespaces/(?P<name>[^/]+)")
"""A Namespace is an object in itself: a Role in it may grant to read it."""
DISCOVERY: Final = re.compile(r"/(api|apis|version|livez|readyz|openapi)(/v1)?|/apis/[^/]+(/[^/]+)?")
"""What Kubernetes lets every account read: the ClusterRole system:discovery."""
NAMED: Final = frozenset({"leases"})
"""The resources that the chart grants by name."""
VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
ORDER: Final = ("get", "list", "watch", "create", "update", "patch", "delete")
EVERYWHERE: Final = "*"
DOCUMENT: Final = ROOT / "docs" / "kubernetes.md"
PART: Final = re.compile(r"(<!-- granted -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """A verb on a resource in a namespace; ``name`` is empty but where a rule names objects."""

    namespace: str
    group: str
    resource: str
    name: str
    verb: str


def asked_for(record: RequestRecord) -> Permission | None:
    """What a request needs, as Kubernetes reads it; None for discovery."""
    if DISCOVERY.fullmatch(record.path):
        assert record.method == "GET"
        return None
    if itself := NAMESPACE_ITSELF.fullmatch(record.path):
        return Permission(itself["name"], "", "namespaces", "", "get")
    found = RESOURCE.fullmatch(record.path)
    assert found is not None, record.path
    query = parse_qs(record.query)
    reading = "get" if found["name"] else "watch" if query.get("watch") == ["true"] else "list"
    verb = reading if record.method == "GET" else VERBS[record.method]
    resource = "/".join(part for part in (found["resource"], found["subresource"]) if part)
    name = found["name"] if resource in NAMED and found["name"] else ""
    return Permission(found["namespace"] or EVERYWHERE, found["group"] or "", resource, name, verb)


def granted_by(objects: list[Json]) -> set[Permission]:
    """What the roles that are bound to the controller's account grant."""
    bound = {
        (item["roleRef"]["kind"], item["metadata"].get("namespace"), item["roleRef"]["name"])
        for item in objects
        if item["kind"] in {"RoleBinding", "ClusterRoleBinding"}
    }
    return {
        Permission(role["metadata"].get("namespace", EVERYWHERE), group, resource, name, verb)
        for role in objects
        if role["kind"] in {"Role", "ClusterRole"}
        and (role["kind"], role["metadata"].get("namespace"), role["metadata"]["name"]) in bound
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def wherever(permissions: Iterable[Permission]) -> set[Permission]:
    """The same for whichever namespaces are looked after; what is needed at home stays apart."""
    return {item if item.namespace == HOME else replace(item, namespace=EVERYWHERE) for item in permissions}


def as_table(permissions: Iterable[Permission], tell: Callable[[Permission], str]) -> str:
    """Permissions as a table in Markdown, one resource a line; ``tell`` says what to write of each verb."""
    rows = ["| resource | API group | where | verbs |", "| --- | --- | --- | --- |"]
    for (namespace, group, resource, name), items in groupby(sorted(wherever(permissions)), key=_place):
        where = "the controller's own namespace" if namespace == HOME else "every namespace looked after"
        only = f", only `{name}`" if name else ""
        verbs = ", ".join(tell(item) for item in sorted(items, key=lambda item: ORDER.index(item.verb)))
        rows.append(f"| {resource}{only} | {group or 'core'} | {where} | {verbs} |")
    return "\n".join(rows)


def _place(permission: Permission) -> tuple[str, str, str, str]:
    return permission.namespace, permission.group, permission.resource, permission.name


def documented(text: str) -> str:
    """The document with the table of what the chart grants as it is."""
    table = as_table(granted_by(render(NEEDED)), lambda item: item.verb)
    return PART.sub(lambda part: f"{part[1]}{table}\n{part[2]}", text, count=1)


if __name__ == "__main__":
    DOCUMENT.write_text(documented(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")

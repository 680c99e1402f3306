"""What the server itself says that the controller's account may do: what the chart grants, no more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from canary.adapters.kube.connection import connect
from canary.adapters.kube.transport import Transport
from canary.sandbox.apiserver import RunningApiServer
from canary.sandbox.control_plane import create
from tests.chart.permissions import EVERYWHERE, Permission, granted_by
from tests.chart.rendering import NAMESPACE as HOME
from tests.chart.rendering import NEEDED, Json, render
from tests.cluster.accounts import install_account, kubeconfig_of, may

SHOP, SYSTEM = "shop", "kube-system"
WIDE: Json = NEEDED
NARROW: Json = NEEDED | {"namespaces": [SHOP], "fullnameOverride": "narrow"}
ISTIO = "networking.istio.io"
RBAC = "rbac.authorization.k8s.io"
NOBODY = "nobody"
"""An account that nobody has granted anything: it may what Kubernetes lets every account do."""


@dataclass(frozen=True)
class Account:
    """Somebody whom a chart's values make, and what the chart says of it."""

    transport: Transport
    granted: frozenset[Permission]


@pytest.fixture(scope="module")
def accounts(
    kube_server: RunningApiServer, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Account]:
    admin, directory = connect(kube_server.kubeconfig), tmp_path_factory.mktemp("accounts")
    for name in (HOME, SHOP):
        create(admin, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    metadata = {"name": NOBODY, "namespace": HOME}
    create(admin, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    nobody = kubeconfig_of(admin, kube_server.url, NOBODY, directory)
    found = {NOBODY: Account(connect(nobody), frozenset())}
    for who, values in (("wide", WIDE), ("narrow", NARROW)):
        variables = install_account(admin, kube_server.url, values, directory)
        granted = frozenset(granted_by(render(values)))
        found[who] = Account(connect(Path(variables["KUBECONFIG"])), granted)
    return found


def rules(account: Account, namespace: str) -> set[Permission]:
    """All that the server lets an account do with the resources of a namespace."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    status = msgspec.json.decode(account.transport.request("POST", path, body=review))["status"]
    assert not status["incomplete"]
    return {
        Permission(namespace, group, resource, name, verb)
        for rule in status["resourceRules"]
        for group in rule.get("apiGroups", [])
        for resource in rule.get("resources", [])
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


@pytest.mark.parametrize("namespace", [SHOP, SYSTEM, HOME, "default"])
@pytest.mark.parametrize("who", ["wide", "narrow"])
def test_an_account_may_do_in_each_namespace_what_the_chart_says_and_nothing_else(
    accounts: Mapping[str, Account], who: str, namespace: str
) -> None:
    there = {item for item in accounts[who].granted if item.namespace in {namespace, EVERYWHERE}}
    of_the_chart = rules(accounts[who], namespace) - rules(accounts[NOBODY], namespace)
    assert of_the_chart == {replace(item, namespace=namespace) for item in there}


def test_an_account_for_some_namespaces_may_do_no_more_than_anybody_in_others(
    accounts: Mapping[str, Account],
) -> None:
    assert rules(accounts["narrow"], SHOP) > rules(accounts[NOBODY], SHOP)
    for namespace in (SYSTEM, "default"):
        assert rules(accounts["narrow"], namespace) == rules(accounts[NOBODY], namespace)


def test_at_home_an_account_has_its_lease_and_no_other(accounts: Mapping[str, Account]) -> None:
    for who, lease in (("wide", "canary"), ("narrow", "narrow")):
        where = {"group": "coordination.k8s.io", "namespace": HOME}
        for verb in ("get", "update"):
            assert may(accounts[who].transport, verb, "leases", where | {"name": lease})
            assert not may(accounts[who].transport, verb, "leases", where | {"name": "kube-scheduler"})
        assert not may(accounts[who].transport, "delete", "leases", where | {"name": lease})


@pytest.mark.parametrize("namespace", [SHOP, SYSTEM, HOME])
@pytest.mark.parametrize(
    ("verb", "resource", "where"),
    [
        *[(verb, "secrets", {}) for verb in ("get", "list", "watch", "create", "update", "patch", "delete")],
        *[(verb, "configmaps", {}) for verb in ("get", "list", "create", "update", "patch")],
        *[(verb, "pods", {"subresource": "exec"}) for verb in ("get", "create")],
        ("create", "pods", {"subresource": "portforward"}),
        ("get", "pods", {"subresource": "log"}),
        *[(verb, "pods", {}) for verb in ("create", "patch", "delete")],
        *[(verb, "deployments", {"group": "apps"}) for verb in ("create", "update", "delete")],
        *[(verb, "virtualservices", {"group": ISTIO}) for verb in ("create", "update", "delete")],
        *[(verb, "destinationrules", {"group": ISTIO}) for verb in ("create", "patch", "delete")],
        *[(verb, "services", {}) for verb in ("create", "update", "patch", "delete")],
        *[(verb, "releases", {"group": "canaryctl.dev"}) for verb in ("update", "patch")],
        ("create", "serviceaccounts", {"subresource": "token"}),
        *[
            (verb, role, {"group": RBAC})
            for verb in ("escalate", "bind", "create")
            for role in ("roles", "clusterroles")
        ],
        *[("create", binding, {"group": RBAC}) for binding in ("rolebindings", "clusterrolebindings")],
        *[("impersonate", whom, {}) for whom in ("users", "groups", "serviceaccounts")],
        ("patch", "customresourcedefinitions", {"group": "apiextensions.k8s.io"}),
        ("patch", "validatingwebhookconfigurations", {"group": "admissionregistration.k8s.io"}),
        ("delete", "namespaces", {}),
        ("get", "nodes", {}),
    ],
)
def test_an_account_may_not(
    accounts: Mapping[str, Account], verb: str, resource: str, where: Mapping[str, str], namespace: str
) -> None:
    for account in accounts.values():
        assert not may(account.transport, verb, resource, {**where, "namespace": namespace})

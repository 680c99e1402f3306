"""The controller's ServiceAccount with the rights that the chart gives it, and a token of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from canary.adapters.kube.transport import Transport
from canary.sandbox.apiserver.kubeconfig import write_kubeconfig
from canary.sandbox.control_plane import create
from tests.chart.rendering import NAMESPACE, only, render, settings_of

Json = dict[str, Any]
RIGHTS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def install_account(admin: Transport, url: str, values: Json, directory: Path) -> Mapping[str, str]:
    """Create the account and its rights as the chart does; return the variables that make a controller it.

    ``url`` is where it is to find the API server, without TLS.
    """
    objects = render(values)
    account = only(objects, "ServiceAccount")["metadata"]
    bound = {item["roleRef"]["name"] for item in objects if item["kind"].endswith("RoleBinding")}
    for item in objects:
        # ClusterRoles that nobody is bound to are for people.
        if item["kind"] in RIGHTS and (item["kind"] != "ClusterRole" or item["metadata"]["name"] in bound):
            create(admin, item)
    kubeconfig = kubeconfig_of(admin, url, account["name"], directory)
    settings = yaml.safe_load(settings_of(objects))
    return {
        "KUBECONFIG": str(kubeconfig),
        "CANARY_KUBERNETES__NAMESPACES": ",".join(settings["kubernetes"]["namespaces"]),
        "CANARY_LEADERSHIP__NAME": settings["leadership"]["name"],
        "CANARY_LEADERSHIP__NAMESPACE": settings["leadership"]["namespace"],
    }


def kubeconfig_of(admin: Transport, url: str, name: str, directory: Path) -> Path:
    """Write a kubeconfig with a token of a ServiceAccount in the chart's namespace."""
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}/token"
    token = msgspec.json.decode(admin.request("POST", path, body=request))["status"]["token"]
    kubeconfig = directory / f"{name}.kubeconfig"
    write_kubeconfig(kubeconfig, url, token)
    return kubeconfig


def may(account: Transport, verb: str, resource: str, where: Mapping[str, str]) -> bool:
    """Ask the server whether whoever ``account`` is may do something; ``where``: namespace, group, name..."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": verb, "resource": resource, **where}},
    }
    answer = account.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    return bool(msgspec.json.decode(answer)["status"]["allowed"])

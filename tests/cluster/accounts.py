"""The controller's ServiceAccount with the rights that the chart gives it, and a token of it."""

from pathlib import Path

import helm_python as helm
import msgspec
import yaml

from canary.adapters.kube.transport import Transport
from canary.sandbox.control_plane import ControlPlane, create
from canary.sandbox.control_plane.credentials import write_kubeconfig
from tests.adapters.conftest import Json

CHART = Path(__file__).parents[2] / "charts" / "canary"
RELEASE = "canary"
"""Of the chart; the account and the lease have the same name."""
NAMESPACE = "canary-system"
TEMPLATES = ("serviceaccount.yaml", "rbac-controller.yaml")
VALUES: Json = {
    "image": {"repository": "sandbox.local/canary"},
    "config": {"prometheus": {"url": "http://prometheus.invalid:9090"}},
}


def controller_kubeconfig(plane: ControlPlane, admin: Transport, path: Path) -> None:
    """Create the account as the chart does, and write a kubeconfig with a token of it."""
    create(admin, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for item in _account_and_rights():
        create(admin, item)
    answer = admin.request(
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{RELEASE}/token",
        body={
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        },
    )
    token = msgspec.json.decode(answer)["status"]["token"]
    write_kubeconfig(path, plane.url, plane.authority, token)


def may(account: Transport, verb: str, resource: str, group: str = "", subresource: str = "") -> bool:
    """Ask the server whether whoever ``account`` is may do something in the namespace ``shop``."""
    attributes = {"namespace": "shop", "verb": verb, "group": group, "resource": resource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes | {"subresource": subresource}},
    }
    answer = account.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    return bool(msgspec.json.decode(answer)["status"]["allowed"])


def _account_and_rights() -> list[Json]:
    rendered = helm.Chart.load(str(CHART)).render(VALUES, name=RELEASE, namespace=NAMESPACE)
    texts = [rendered[f"canary/templates/{name}"] for name in TEMPLATES]
    return [item for text in texts for item in yaml.safe_load_all(text) if item]

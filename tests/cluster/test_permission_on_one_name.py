"""A gateway's namespace that is not looked after: a Role held to one name is all that is needed there."""

from pathlib import Path

import msgspec
import pytest

from canary.adapters.istio.patches import patch_for
from canary.adapters.istio.routes import PairRoute
from canary.adapters.istio.shared import read_shared
from canary.adapters.kube.connection import connect
from canary.adapters.kube.transport import JSON_PATCH, Transport
from canary.app.errors import TerminalError
from canary.domain.plan import RouteRef
from canary.sandbox.control_plane import ControlPlane, create
from canary.sandbox.control_plane.credentials import write_kubeconfig
from tests.adapters.conftest import Json
from tests.adapters.istio_objects import HOST, found, split, virtual_service

GATEWAYS = "istio-ingress"
VERSION = "networking.istio.io/v1"
VIRTUAL_SERVICES = f"/apis/{VERSION}/namespaces/{GATEWAYS}/virtualservices"
NAMED = RouteRef("gateway", None, GATEWAYS)
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def admin(plane: ControlPlane) -> Transport:
    made = connect(plane.kubeconfig)
    create(made, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": GATEWAYS}})
    for name in ("gateway", "other"):
        item = virtual_service(split(host=HOST), name=name, namespace=GATEWAYS)
        del item["metadata"]["resourceVersion"]
        item["metadata"]["annotations"] = {"canaryctl.dev/shared-with": "shop"}
        create(made, item)
    return made


@pytest.fixture(scope="module")
def account(plane: ControlPlane, admin: Transport, tmp_path_factory: pytest.TempPathFactory) -> Transport:
    """An account that may do nothing yet."""
    metadata = {"name": "canary", "namespace": "default"}
    create(admin, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = "/api/v1/namespaces/default/serviceaccounts/canary/token"
    token = msgspec.json.decode(admin.request("POST", path, body=request))["status"]["token"]
    kubeconfig: Path = tmp_path_factory.mktemp("account") / "kubeconfig"
    write_kubeconfig(kubeconfig, plane.url, plane.authority, token)
    return connect(kubeconfig)


def gateway(account: Transport) -> Json:
    return account.get(f"{VIRTUAL_SERVICES}/gateway", Json)


def permit(admin: Transport) -> None:
    """What docs/install.md tells an administrator to create."""
    metadata: Json = {"name": "canary-shop", "namespace": GATEWAYS}
    rule = {
        "apiGroups": ["networking.istio.io"],
        "resources": ["virtualservices"],
        "resourceNames": ["gateway"],
        "verbs": ["get", "patch"],
    }
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]}
    create(admin, role)
    create(
        admin,
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "canary-shop"},
            "subjects": [{"kind": "ServiceAccount", "name": "canary", "namespace": "default"}],
        },
    )


def test_a_missing_permission_is_named_until_it_is_given_for_that_one_name(
    admin: Transport, account: Transport
) -> None:
    """One story, for each part needs the one before."""
    none, (problem,) = read_shared(account, VERSION, "shop", [NAMED])
    assert none == ()
    assert (
        f"not permitted to get virtualservices.networking.istio.io in namespace {GATEWAYS}" in problem.found
    )
    # Nor does the refusal tell whether there is such an object.
    _, (missing,) = read_shared(account, VERSION, "shop", [RouteRef("missing", None, GATEWAYS)])
    assert str(missing) == str(problem).replace("gateway.", "missing.")

    permit(admin)
    (item,), withheld = read_shared(account, VERSION, "shop", [NAMED])
    assert withheld == ()
    routes = found(gateway(account), only=(NAMED,)).routes
    operations = patch_for(
        [route for route in routes if isinstance(route, PairRoute)], item.metadata.resource_version, 10
    )
    account.request("PATCH", item.home.path(VERSION), body=operations, content_type=JSON_PATCH, guarded=True)
    assert [leg["weight"] for leg in gateway(account)["spec"]["http"][0]["route"]] == [90, 10]

    _, (other,) = read_shared(account, VERSION, "shop", [RouteRef("other", None, GATEWAYS)])
    assert "not permitted" in other.found
    with pytest.raises(TerminalError):
        account.request("GET", VIRTUAL_SERVICES)

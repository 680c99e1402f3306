"""A gateway's VirtualService in its owners' namespace, beside the stage's own, and what is seen of both."""

from typing import Any, Final

from canary.sandbox.showcase import NAMESPACE, SERVICE
from tests.e2e.stage import HOST, VIRTUAL_SERVICES, Stage, create

Json = dict[str, Any]

GATEWAYS: Final = "istio-ingress"
GATEWAY: Final = "gateway"
GATEWAY_PATH: Final = f"/apis/networking.istio.io/v1/namespaces/{GATEWAYS}/virtualservices/{GATEWAY}"
NAMED: Final = f"{SERVICE},{GATEWAY}.{GATEWAYS}/shop"
SHARED_WITH: Final = "canaryctl.dev/shared-with"


def share_a_gateway(made: Stage, *, consents: bool = True) -> None:
    """Create it at 100/0, shared with the service's namespace or another, and have the service name it."""
    create(made.transport, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": GATEWAYS}})
    legs = [
        {"destination": {"host": HOST, "subset": subset}, "weight": weight}
        for subset, weight in (("stable", 100), ("canary", 0))
    ]
    others = {"name": "others", "route": [{"destination": {"host": "other.pay.svc.cluster.local"}}]}
    metadata = {
        "name": GATEWAY,
        "namespace": GATEWAYS,
        "annotations": {SHARED_WITH: f"pay,{NAMESPACE}" if consents else "pay"},
    }
    create(
        made.transport,
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": metadata,
            "spec": {
                "hosts": ["shop.example"],
                "gateways": ["public"],
                "http": [{"name": "shop", "match": [{"uri": {"prefix": "/shop"}}], "route": legs}, others],
            },
        },
    )
    made.annotate(virtual_services=NAMED)


def share(made: Stage, value: str | None) -> None:
    """Have the gateway's owners change their consent."""
    made.patch(GATEWAY_PATH, {"metadata": {"annotations": {SHARED_WITH: value}}})


def gateway(made: Stage) -> Json:
    """The gateway's VirtualService."""
    return made.get(GATEWAY_PATH)


def weights(made: Stage) -> tuple[int, int]:
    """The canary's weight in the mesh and at the gateway."""
    return made.percent(), gateway(made)["spec"]["http"][0]["route"][1]["weight"]


def patched(made: Stage) -> list[tuple[str, bool]]:
    """The controller's patches of both so far: the namespace, and whether it was a dry run."""
    paths = {f"{VIRTUAL_SERVICES}/{SERVICE}": NAMESPACE, GATEWAY_PATH: GATEWAYS}
    return [
        (paths[item.path], "dryRun" in item.query)
        for item in list(made.api.seam.requests)
        if item.method == "PATCH" and item.path in paths and item.user_agent.startswith("canary/")
    ]

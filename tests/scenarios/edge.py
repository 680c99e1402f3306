"""A gateway's VirtualService in its owners' namespace, which routes to a service of another."""

from typing import Any, Final

from canary.adapters.kube.transport import Transport
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import SERVICE

__all__ = ["GATEWAY", "SHARED_WITH", "gateway_path", "install_gateway", "named"]

Json = dict[str, Any]

GATEWAY: Final = "gateway"
SHARED_WITH: Final = "canaryctl.dev/shared-with"


def gateway_path(owners: str) -> str:
    """Where the gateway's VirtualService is, in the namespace of its owners."""
    return f"/apis/networking.istio.io/v1/namespaces/{owners}/virtualservices/{GATEWAY}"


def named(owners: str) -> str:
    """What a service's ``virtual-services`` says: its VirtualService, and its route at the gateway."""
    return f"{SERVICE},{GATEWAY}.{owners}/shop"


def install_gateway(transport: Transport, owners: str, shop: str, *, shared_with: str) -> None:
    """Create the owners' namespace and VirtualService: two routes, one to the shop's service at 100/0."""
    create(transport, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": owners}})
    legs = [
        {"destination": {"host": f"{SERVICE}.{shop}.svc.cluster.local", "subset": subset}, "weight": weight}
        for subset, weight in (("stable", 100), ("canary", 0))
    ]
    others = {"name": "others", "route": [{"destination": {"host": "other.pay.svc.cluster.local"}}]}
    ours = {"name": "shop", "match": [{"uri": {"prefix": "/shop"}}], "route": legs}
    metadata = {"name": GATEWAY, "namespace": owners, "annotations": {SHARED_WITH: shared_with}}
    spec = {"hosts": ["shop.example"], "gateways": ["public"], "http": [ours, others]}
    create(
        transport,
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": metadata,
            "spec": spec,
        },
    )

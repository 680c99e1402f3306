"""VirtualServices as people write and spoil them: whole routes, further objects, single edits."""

from canary.adapters.kube.transport import JSON_PATCH, MERGE_PATCH
from canary.sandbox.control_plane import create
from canary.sandbox.showcase import SERVICE
from tests.scenarios.shop import Json, Shop

__all__ = ["GATEWAY", "add", "edit", "pair", "set_subsets", "with_routes"]

GATEWAY = "istio-system/sandbox"


def pair(stable: int = 100, canary: int = 0, host: str = SERVICE) -> list[Json]:
    weights = {"stable": stable, "canary": canary}
    return [
        {"destination": {"host": host, "subset": subset}, "weight": weight}
        for subset, weight in weights.items()
    ]


def with_routes(shop: Shop, *main: Json) -> None:
    """Replace the main route of the shop's VirtualService; its first stays, as Shop counts on it."""
    status_page = shop.virtual_service()["spec"]["http"][0]
    change = {"spec": {"http": [status_page, *main]}}
    shop.patch(f"{shop.virtual_services_path}/{SERVICE}", change, MERGE_PATCH)


def edit(shop: Shop, *operations: Json) -> None:
    """Change the shop's VirtualService where it stands, whatever the controller writes meanwhile."""
    shop.patch(f"{shop.virtual_services_path}/{SERVICE}", list(operations), JSON_PATCH)


def add(
    shop: Shop, name: str, spec: Json, namespace: str = "", kind: str = "VirtualService", **annotations: str
) -> None:
    metadata = {"name": name, "namespace": namespace or shop.namespace, "annotations": annotations}
    head = {"apiVersion": "networking.istio.io/v1", "kind": kind}
    create(shop.transport, {**head, "metadata": metadata, "spec": spec})


def set_subsets(shop: Shop, **labels: Json) -> None:
    """Let the shop's DestinationRule define these subsets and no others."""
    subsets = [{"name": name, "labels": wanted} for name, wanted in labels.items()]
    shop.patch(shop.destination_rule_path, {"spec": {"subsets": subsets}})

"""What the API server itself recorded: every state that an object had, where polling would miss some."""

from typing import Any

from canary.sandbox.showcase import SERVICE
from tests.e2e.stage import VIRTUAL_SERVICES, Stage

Json = dict[str, Any]


def version_now(made: Stage) -> int:
    """The version of the last change of anything."""
    return int(made.api.call(lambda api: api.store.version))


def history(made: Stage, resource: str, since: int) -> list[Json]:
    """Every state of the objects of a resource after a version, without exception."""
    changes = made.api.call(lambda api: api.store.changes_since(since))
    return [change.object for change in changes if change.resource == resource]


def shifts(made: Stage, since: int) -> list[int]:
    """The canary's weight after each write to the VirtualService: one that changes nothing shows too."""
    states = history(made, "virtualservices.networking.istio.io", since)
    return [int(state["spec"]["http"][1]["route"][1]["weight"]) for state in states]


def virtual_service(made: Stage) -> Json:
    return made.get(f"{VIRTUAL_SERVICES}/{SERVICE}")


def without_weights(found: Json) -> Json:
    """All of a VirtualService but the pair's weights, and what the server itself counts."""
    kept = {name: found["metadata"].get(name) for name in ("name", "uid", "labels", "annotations")}
    first, main = found["spec"]["http"]
    legs = [{name: leg[name] for name in leg if name != "weight"} for leg in main["route"]]
    spec = found["spec"] | {"http": [first, main | {"route": legs}]}
    return {"metadata": kept, "spec": spec}

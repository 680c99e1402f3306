"""Events of the sandbox's controllers, in the words of the real ones."""

from __future__ import annotations

from canary.sandbox.apiserver.api import Api
from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.objects import Json, name_of, namespace_of
from canary.sandbox.apiserver.writes import WriteOptions

# Real events expire after an hour; here the oldest of a namespace go when there are more than this.
MAX_EVENTS = 1000


def record_event(api: Api, about: Json, component: str, reason: str, message: str) -> None:
    """Write a Normal event about an object; never raises: an announcement must not stop the work."""
    namespace, now = namespace_of(about), api.now()
    metadata = about["metadata"]
    event: Json = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{name_of(about)}.", "namespace": namespace},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": name_of(about),
            "namespace": namespace,
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "reason": reason,
        "message": message,
        "type": "Normal",
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
    }
    try:
        api.create(api.target("events", namespace), event, WriteOptions(component))
    except ApiError:
        return
    _trim(api, namespace)


def _trim(api: Api, namespace: str) -> None:
    events = api.store.items("events", namespace)
    if len(events) > MAX_EVENTS:
        events.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        for event in events[: MAX_EVENTS // 10]:
            api.store.remove("events", event)

"""Events: one per thing that happened, repeats counted, and never in the way of the work."""

from collections.abc import Callable, Iterator

import pytest

from canary.adapters.kube.events import QUEUE_SIZE, KubeEvents
from canary.app.ports import Announcement
from canary.domain.plan import ServiceKey
from canary.sandbox.apiserver import Fault, SeenRequest
from tests.adapters.conftest import Cluster, Json, eventually
from tests.adapters.test_kube_codec import SIMPLE

Install = Callable[[Callable[[SeenRequest], Fault | None]], None]
STARTED = Announcement("Started", "step 1 of 3")


@pytest.fixture
def events(kube: Cluster) -> Iterator[KubeEvents]:
    found = KubeEvents(kube.transport, kube.clock, lambda _: "u-1", "replica-a")
    found.start()
    yield found
    found.stop()


def written(kube: Cluster) -> list[Json]:
    return [item for item in kube.items("v1/events") if item["source"]["component"] == "canary"]


def test_an_announcement_becomes_an_event_on_the_service(kube: Cluster, events: KubeEvents) -> None:
    events.announce(
        ServiceKey(kube.namespace, "checkout"), SIMPLE, Announcement("RolledBack", "bad", warning=True)
    )
    (event,) = eventually(lambda: written(kube))
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "RolledBack", "bad")
    about = event["involvedObject"]
    assert (about["kind"], about["name"], about["uid"]) == ("Service", "checkout", "u-1")
    assert (event["related"]["kind"], event["related"]["name"]) == ("Release", SIMPLE.name)
    assert event["firstTimestamp"] == "2023-11-14T22:13:20Z"


def test_repeats_within_ten_minutes_are_counted_in_one_event(kube: Cluster, events: KubeEvents) -> None:
    key = ServiceKey(kube.namespace, "checkout")
    for _ in range(3):
        events.announce(key, None, STARTED)
        kube.clock.advance(60)
    eventually(lambda: [item["count"] for item in written(kube)] == [3])
    kube.clock.advance(700)
    events.announce(key, None, STARTED)
    eventually(lambda: sorted(item["count"] for item in written(kube)) == [1, 3])


def test_different_messages_are_different_events(kube: Cluster, events: KubeEvents) -> None:
    key = ServiceKey(kube.namespace, "checkout")
    events.announce(key, None, STARTED)
    events.announce(key, None, Announcement("Started", "step 2 of 3"))
    eventually(lambda: len(written(kube)) == 2)


def test_an_event_that_cannot_be_written_is_dropped_and_the_next_is_not(
    kube: Cluster, events: KubeEvents, faults: Install
) -> None:
    key = ServiceKey(kube.namespace, "checkout")
    faults(lambda seen: Fault(status=500) if seen.method == "POST" else None)
    events.announce(key, None, STARTED)
    eventually(lambda: events.dropped == 1)
    faults(lambda _: None)
    events.announce(key, None, STARTED)
    eventually(lambda: len(written(kube)) == 1)


def test_too_many_announcements_push_out_the_oldest_and_never_block(kube: Cluster) -> None:
    idle = KubeEvents(kube.transport, kube.clock, lambda _: None, "replica-a")
    for number in range(QUEUE_SIZE + 5):
        idle.announce(ServiceKey(kube.namespace, "checkout"), None, Announcement("X", str(number)))
    assert idle.dropped == 5


def test_an_event_that_expired_on_the_server_is_written_anew(kube: Cluster, events: KubeEvents) -> None:
    key = ServiceKey(kube.namespace, "checkout")
    events.announce(key, None, STARTED)
    (event,) = eventually(lambda: written(kube))
    kube.delete("v1/events", event["metadata"]["name"])
    events.announce(key, None, STARTED)
    eventually(lambda: [item["count"] for item in written(kube)] == [1])

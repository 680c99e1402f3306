"""List and watch: the cache follows the cluster whatever happens to the connection, and says so by keys."""

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from canary.adapters.kube.connection import connect
from canary.adapters.kube.follow import watch_deployments
from canary.adapters.kube.services import ServiceWatch
from canary.domain.plan import ServiceKey
from canary.entrypoints.clock import SystemClock
from canary.sandbox.apiserver import Fault, SeenRequest
from tests.adapters.conftest import Cluster, Json, eventually
from tests.adapters.kube_workloads import DEPLOYMENTS, deployment
from tests.clocks import HandClock

Install = Callable[[Callable[[SeenRequest], Fault | None]], None]
ENABLED = "canaryctl.dev/enabled"


def service(name: str, **annotations: str) -> Json:
    named = {f"canaryctl.dev/{key}": value for key, value in annotations.items()} | {"team": "blue"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": named},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    }


class Following:
    """A started watch of one namespace's Services, and the keys that it reported."""

    def __init__(self, kube: Cluster) -> None:
        self.namespace = kube.namespace
        self.seen: list[ServiceKey] = []
        self.watch = ServiceWatch(
            connect(kube.server.kubeconfig), SystemClock(), lambda: 0.0, self.seen.append, [kube.namespace]
        )
        self.watch.start()
        assert self.watch.wait_synced(5)

    def annotations(self, name: str) -> dict[str, str] | None:
        found = self.watch.get(ServiceKey(self.namespace, name))
        return None if found is None else dict(found.annotations)

    def has_seen(self, number: int) -> bool:
        return len(self.seen) == number

    def keys(self) -> list[str]:
        return [key.name for key in self.seen]


@pytest.fixture
def follow(kube: Cluster) -> Iterator[Callable[[], Following]]:
    started: list[Following] = []

    def start() -> Following:
        started.append(Following(kube))
        return started[-1]

    yield start
    for item in started:
        item.watch.stop()
        assert all(watch.join(3) for watch in item.watch._watches), "a stopped watch must end at once"


def test_annotated_services_are_there_when_synced(kube: Cluster, follow: Callable[[], Following]) -> None:
    made = kube.create("v1/services", service("checkout", enabled="true"))
    kube.create("v1/services", service("plain"))
    following = follow()
    found = following.watch.get(ServiceKey(kube.namespace, "checkout"))
    assert found is not None
    assert (found.uid, dict(found.annotations)) == (made["metadata"]["uid"], {ENABLED: "true"})
    assert following.annotations("plain") is None
    assert following.keys() == ["checkout"]


def test_gaining_changing_losing_and_deleting_are_reported(
    kube: Cluster, follow: Callable[[], Following]
) -> None:
    following = follow()
    kube.create("v1/services", service("checkout"))
    for number, value in enumerate(["true", "false", None], start=1):
        kube.merge("v1/services", "checkout", {"metadata": {"annotations": {ENABLED: value}}})
        eventually(partial(following.has_seen, number))
        assert following.annotations("checkout") == (None if value is None else {ENABLED: value})
    kube.merge("v1/services", "checkout", {"metadata": {"annotations": {ENABLED: "true"}}})
    eventually(lambda: following.annotations("checkout"))
    kube.delete("v1/services", "checkout")
    eventually(lambda: following.annotations("checkout") is None)
    assert following.keys() == ["checkout"] * 5


def test_what_does_not_concern_us_is_not_reported(kube: Cluster, follow: Callable[[], Following]) -> None:
    kube.create("v1/services", service("checkout", enabled="true"))
    following = follow()
    kube.merge("v1/services", "checkout", {"metadata": {"annotations": {"team": "red"}}})
    kube.create("v1/services", service("later", enabled="true"))
    eventually(lambda: following.annotations("later"))
    assert following.keys() == ["checkout", "later"]


def test_a_deletion_missed_while_disconnected_is_found_by_the_next_list(
    kube: Cluster, follow: Callable[[], Following], faults: Install
) -> None:
    for name in ("checkout", "stays"):
        kube.create("v1/services", service(name, enabled="true"))
    failing = threading.Event()
    failing.set()

    def hook(seen: SeenRequest) -> Fault | None:
        if "watch=true" not in seen.query:
            return None
        return Fault(status=503) if failing.is_set() else Fault(status=410) if failing_over() else None

    over = [True]

    def failing_over() -> bool:
        was, over[0] = over[0], False
        return was

    faults(hook)
    following = follow()
    kube.delete("v1/services", "checkout")
    assert following.annotations("checkout") is not None
    failing.clear()
    eventually(lambda: following.annotations("checkout") is None)
    assert following.annotations("stays") is not None
    assert following.keys().count("checkout") == 2
    eventually(lambda: not following.watch.failures())


def test_a_watch_that_is_refused_backs_off_and_says_why(
    kube: Cluster,
    follow: Callable[[], Following],
    faults: Install,
    caplog: pytest.LogCaptureFixture,
) -> None:
    faults(lambda seen: Fault(status=503) if "watch=true" in seen.query else None)
    following = follow()
    mark = kube.mark
    failures = eventually(following.watch.failures)
    assert "503" in next(iter(failures.values()))
    eventually(lambda: kube.mark - mark >= 2)
    assert kube.mark - mark < 10
    # Whoever reads the log learns of it, too, and ever more rarely.
    told = [each.getMessage() for each in caplog.records if "is not followed" in each.getMessage()]
    assert "services is not followed (attempt 1)" in told[0]
    assert "503" in told[0]
    assert all("(attempt 3)" not in message for message in told)


def test_a_dropped_list_is_tried_again(
    kube: Cluster, follow: Callable[[], Following], faults: Install
) -> None:
    left = [1]

    def hook(seen: SeenRequest) -> Fault | None:
        left[0] -= 1
        return Fault(status=0) if left[0] >= 0 else None

    kube.create("v1/services", service("checkout", enabled="true"))
    faults(hook)
    assert follow().annotations("checkout") is not None


def test_the_watch_asks_for_bookmarks_and_an_end_in_four_to_five_minutes(
    kube: Cluster, follow: Callable[[], Following]
) -> None:
    mark = kube.mark
    following = follow()
    kube.create("v1/services", service("checkout", enabled="true"))
    eventually(lambda: following.annotations("checkout"))
    following.watch.stop()
    asked = eventually(
        lambda: [
            item.query
            for item in list(kube.server.seam.requests)[mark:]
            if "watch=true" in item.query and kube.namespace in item.path
        ]
    )
    assert all("allowWatchBookmarks=true" in query and "timeoutSeconds=240" in query for query in asked)


def test_the_age_says_since_when_nothing_was_heard(kube: Cluster) -> None:
    clock = HandClock()
    watch = ServiceWatch(kube.transport, clock, lambda: 0.0, lambda _: None, [kube.namespace])
    clock.advance(42)
    assert list(watch.ages().values()) == [42]


def test_changes_of_deployments_are_reported_by_name(kube: Cluster) -> None:
    seen: list[tuple[str, str]] = []
    watch = watch_deployments(
        kube.transport, SystemClock(), lambda: 0.0, lambda *name: seen.append(name), [kube.namespace]
    )
    watch.start()
    try:
        assert watch.wait_synced(5)
        kube.create(DEPLOYMENTS, deployment("checkout", "stable"))
        eventually(lambda: (kube.namespace, "checkout") in seen)
        count = len(seen)
        kube.merge(DEPLOYMENTS, "checkout", {"spec": {"replicas": 2}})
        eventually(lambda: len(seen) > count)
    finally:
        watch.stop()


def test_all_namespaces_are_watched_when_none_is_named(kube: Cluster) -> None:
    kube.create("v1/services", service("checkout", enabled="true"))
    watch = ServiceWatch(connect(kube.server.kubeconfig), SystemClock(), lambda: 0.0, lambda _: None)
    watch.start()
    try:
        assert watch.wait_synced(5)
        assert watch.get(ServiceKey(kube.namespace, "checkout")) is not None
    finally:
        watch.stop()


def test_namespace_that_holds_nothing_is_known_all_the_same(follow: Callable[[], Following]) -> None:
    following = follow()
    assert following.watch.all() == ()
    assert following.watch.is_synced(following.namespace)


def test_namespace_that_may_not_be_watched_keeps_no_other_waiting(kube: Cluster, faults: Install) -> None:
    faults(lambda seen: Fault(status=403) if "/namespaces/forbidden/" in seen.path else None)
    kube.create("v1/services", service("checkout", enabled="true"))
    namespaces = [kube.namespace, "forbidden"]
    watch = ServiceWatch(
        connect(kube.server.kubeconfig), SystemClock(), lambda: 0.0, lambda key: None, namespaces
    )
    watch.start()
    try:
        eventually(lambda: watch.is_synced(kube.namespace))
        eventually(watch.failures)
        assert not watch.is_synced("forbidden")
        assert not watch.is_synced("elsewhere")
        assert watch.kept(kube.namespace, "checkout") is not None
        assert list(watch.failures()) == [watch.namespaces["forbidden"]]
    finally:
        watch.stop()

"""Release objects on a real server: created once, saved with their version, steered by people."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from canary.adapters.kube.follow import watch_releases
from canary.adapters.kube.release_codec import Abort, encode_object
from canary.adapters.kube.releases import KubeReleases, Wish
from canary.app.errors import ConflictError, NotFound, Retryable, TerminalError
from canary.domain.plan import Gate, ServiceKey
from canary.domain.release import Phase, Release
from canary.entrypoints.clock import SystemClock
from canary.sandbox.apiserver import Fault, SeenRequest
from tests.adapters.conftest import Cluster, eventually
from tests.adapters.test_kube_codec import SIMPLE

Install = Callable[[Callable[[SeenRequest], Fault | None]], None]
RELEASES = "canaryctl.dev/v1alpha1/releases"


def release_in(kube: Cluster, **changes: object) -> Release:
    key = ServiceKey(kube.namespace, "checkout")
    return replace(SIMPLE, key=key, original_weights={"checkout/0": 0}, **changes)  # type: ignore[arg-type]


def test_a_release_is_listed_as_it_was_created(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    made = store.create(release_in(kube))
    assert made.release == release_in(kube)
    assert store.list(made.release.key) == (made,)


def test_creating_again_returns_what_is_there(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    made = store.create(release_in(kube))
    moved = store.save(made, made.release.to(Phase.PROGRESSING, made.release.reason, "go", 1_700_000_100.0))
    assert store.create(release_in(kube)) == moved


def test_a_crash_between_creation_and_first_save_heals(kube: Cluster) -> None:
    kube.create(RELEASES, encode_object(release_in(kube)))
    store = KubeReleases(kube.transport)
    (found,) = store.list(ServiceKey(kube.namespace, "checkout"))
    assert found.release.phase is Phase.PENDING
    assert store.create(release_in(kube)).release == release_in(kube)


def test_a_lost_reply_to_a_creation_heals(kube: Cluster, faults: Install) -> None:
    store = KubeReleases(kube.transport)
    faults(lambda seen: Fault(status=0, after=True) if seen.method == "POST" else None)
    with pytest.raises(Retryable):
        store.create(release_in(kube))
    faults(lambda _: None)
    assert store.create(release_in(kube)).release == release_in(kube)


def test_a_status_decided_on_an_old_version_is_not_written(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    made = store.create(release_in(kube))
    store.ask(made, Wish(abort=Abort("ada", "smoke")))
    with pytest.raises(ConflictError):
        store.save(made, replace(made.release, message="too late"))
    (found,) = store.list(made.release.key)
    assert (found.requests.abort, found.release.message) == ("aborted by ada: smoke", "")


def test_fields_that_became_none_are_gone_from_the_status(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    made = store.create(release_in(kube, previous_template="{}"))
    assert store.save(made, release_in(kube)).release.previous_template is None


def test_a_definition_keeps_what_a_newer_controller_saves_at_every_depth(kube: Cluster) -> None:
    made = KubeReleases(kube.transport).create(release_in(kube))
    path = kube.path(RELEASES, made.release.name)
    found = kube.get(RELEASES, made.release.name)
    counts = {"canary": {"requests": 1, "bad": 0, "newer": 1}, "stable": {"requests": 1, "bad": 0}}
    status = found["status"] | {"newer": {"a": [1]}}
    status["evidence"] |= {"newer": 1, "releaseCounts": {"error-rate": counts}}
    status["conditions"][0]["newer"] = "x"
    body = found | {"status": status}
    kube.transport.request("PUT", f"{path}/status", body=body)
    assert kube.get(RELEASES, made.release.name)["status"] == status
    body = encode_object(release_in(kube, revision="later"))
    body["spec"]["plan"]["steps"][0]["newer"] = body["spec"]["plan"]["newer"] = True
    plan = kube.create(RELEASES, body)["spec"]["plan"]
    assert (plan["newer"], plan["steps"][0]["newer"]) == (True, True)


def test_release_that_lost_the_label_by_which_it_is_found_is_told_of_and_not_made_again(
    kube: Cluster,
) -> None:
    store = KubeReleases(kube.transport)
    made = store.create(release_in(kube))
    kube.merge(RELEASES, made.release.name, {"metadata": {"labels": {"canaryctl.dev/service": None}}})
    assert store.list(made.release.key) == ()
    with pytest.raises(TerminalError, match="has lost its label"):
        store.create(release_in(kube))


def test_releases_come_oldest_first_and_only_those_of_the_service(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    for revision, created in (("zz", 100.0), ("aa", 300.0), ("mm", 200.0)):
        store.create(release_in(kube, revision=revision, created_at=created))
    store.create(replace(release_in(kube), key=ServiceKey(kube.namespace, "other")))
    found = store.list(ServiceKey(kube.namespace, "checkout"))
    assert [item.release.revision for item in found] == ["zz", "mm", "aa"]
    assert len(store.list_all(kube.namespace)) == 4
    assert len(store.list_all()) >= 4


def test_deleting_what_is_gone_is_fine(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    made = store.create(release_in(kube))
    store.delete(made)
    store.delete(made)
    assert store.list(made.release.key) == ()
    with pytest.raises(NotFound):
        store.get(kube.namespace, made.release.name)


def test_wishes_add_up(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    made = store.create(release_in(kube))
    first = store.ask(made, Wish(approve=frozenset({Gate.FIRST_STEP})))
    second = store.ask(first, Wish(approve=frozenset({Gate.PROMOTION}), promote=True, retry=True))
    assert second.requests.approved == frozenset(Gate)
    assert (second.requests.promote, second.requests.retry) == (True, True)
    with pytest.raises(ConflictError):
        store.ask(first, Wish(approve=frozenset({Gate.PROMOTION})))


def test_a_spoilt_release_is_named(kube: Cluster) -> None:
    body = encode_object(release_in(kube))
    body["metadata"]["name"] = "by-hand"
    kube.create(RELEASES, body)
    with pytest.raises(
        TerminalError, match=f"Release {kube.namespace}/by-hand: spec: describes checkout-5d9c7"
    ):
        KubeReleases(kube.transport).list(ServiceKey(kube.namespace, "checkout"))


def test_the_server_refuses_a_gate_that_does_not_exist(kube: Cluster) -> None:
    made = KubeReleases(kube.transport).create(release_in(kube))
    with pytest.raises(TerminalError, match="approvals"):
        kube.merge(RELEASES, made.release.name, {"spec": {"approvals": ["maybe"]}})


def test_a_persons_wish_wakes_the_service_and_our_own_saving_does_not(kube: Cluster) -> None:
    woken: list[ServiceKey] = []
    store = KubeReleases(kube.transport)
    watch = watch_releases(kube.transport, SystemClock(), lambda: 0.5, woken.append, [kube.namespace])
    watch.start()
    try:
        assert watch.wait_synced(5)
        made = store.create(release_in(kube))
        eventually(lambda: len(woken) == 1)
        saved = store.save(made, replace(made.release, message="x"))
        store.ask(saved, Wish(abort=Abort("ada")))
        eventually(lambda: len(woken) == 2)
        store.delete(saved)
        eventually(lambda: len(woken) == 3)
    finally:
        watch.stop()
    assert set(woken) == {ServiceKey(kube.namespace, "checkout")}

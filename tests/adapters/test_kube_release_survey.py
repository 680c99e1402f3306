"""A survey shows every service with its newest release and its history, whatever one of them holds."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from canary.adapters.kube import release_survey
from canary.adapters.kube.release_codec import encode_object, encode_status
from canary.adapters.kube.release_survey import MOST_HISTORY, ReleasesOfService, ReleaseSurvey
from canary.adapters.kube.releases import KubeReleases
from canary.app.errors import WorldError
from canary.domain.plan import ServiceKey
from canary.domain.release import Phase, Release
from canary.entrypoints.status_view import newest
from canary.sandbox.apiserver import Fault, SeenRequest
from tests.adapters.conftest import Cluster
from tests.adapters.test_kube_codec import SIMPLE
from tests.adapters.test_kube_scripted import scripted

Install = Callable[[Callable[[SeenRequest], Fault | None]], None]
RELEASES = "canaryctl.dev/v1alpha1/releases"
BEGAN = SIMPLE.created_at


def release_in(kube: Cluster, service: str = "checkout", revision: str = "r1", age: float = 0.0) -> Release:
    return replace(SIMPLE, key=ServiceKey(kube.namespace, service), revision=revision, created_at=BEGAN - age)


def finished(release: Release) -> Release:
    return replace(release, phase=Phase.ROLLED_BACK, finished_at=BEGAN)


def looked_at(kube: Cluster) -> tuple[ReleasesOfService, ...]:
    survey = ReleaseSurvey(kube.transport, (kube.namespace,)).look()
    assert survey.left_out == 0
    return survey.services


def test_every_service_has_its_newest_release_whole_and_a_line_for_each_other(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    old = store.create(finished(release_in(kube, revision="old", age=60)))
    new = store.create(release_in(kube, revision="new"))
    other = store.create(release_in(kube, service="cart"))
    cart, checkout = looked_at(kube)
    assert (cart.newest, checkout.newest) == (other, new)
    assert [line.name for line in checkout.history] == [new.release.name, old.release.name]
    assert checkout.history[1].phase == "RolledBack"
    assert (checkout.count, cart.count) == (2, 1)


@pytest.mark.parametrize("ages", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("active", [None, 0, 1, 2])
def test_newest_is_the_one_that_canaryctl_shows(
    kube: Cluster, ages: tuple[int, ...], active: int | None
) -> None:
    store = KubeReleases(kube.transport)
    for number, age in enumerate(ages):
        release = release_in(kube, revision=f"r{number}", age=age)
        store.create(release if number == active else finished(release))
    (service,) = looked_at(kube)
    assert service.newest == newest(store.list(release_in(kube).key))


def test_release_without_a_status_yet_is_pending(kube: Cluster) -> None:
    kube.create(RELEASES, encode_object(release_in(kube)))
    (service,) = looked_at(kube)
    assert service.newest is not None
    assert service.newest.release.phase is Phase.PENDING
    assert service.history[0].phase == "Pending"


def test_second_look_sees_what_has_changed_and_what_is_gone(kube: Cluster) -> None:
    store, survey = KubeReleases(kube.transport), ReleaseSurvey(kube.transport, (kube.namespace,))
    changing = store.create(release_in(kube))
    going = store.create(finished(release_in(kube, service="cart")))
    assert len(survey.look().services) == 2
    changed = store.save(changing, replace(changing.release, message="1 of 2 pods are ready"))
    store.delete(going)
    (service,) = survey.look().services
    assert service.newest == changed


def test_what_has_not_changed_is_not_decoded_again(kube: Cluster) -> None:
    KubeReleases(kube.transport).create(release_in(kube))
    survey = ReleaseSurvey(kube.transport, (kube.namespace,))
    first, second = survey.look(), survey.look()
    assert second == first
    assert second.services[0].newest is first.services[0].newest


def test_release_that_cannot_be_read_leaves_the_others_as_they_are(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    good = store.create(release_in(kube, service="cart"))
    broken = release_in(kube)
    kube.create(RELEASES, encode_object(broken))
    status = encode_status(broken) | {"step": 7}
    with scripted(lambda _: [listing(good.release, broken, status)]) as transport:
        cart, checkout = ReleaseSurvey(transport).look().services
    assert cart.newest is not None
    assert cart.problem == ""
    assert checkout.newest is None
    assert "status.step: 7 is none of the plan's" in checkout.problem


def listing(good: Release, broken: Release, status: dict[str, object]) -> bytes:
    """A list with one release as it is stored, and one with a status that no controller would write."""
    items = []
    for release, written in ((good, encode_status(good)), (broken, status)):
        item = encode_object(release) | {"status": written}
        item["metadata"] |= {"uid": release.name, "resourceVersion": "1"}
        items.append(item)
    return json.dumps({"metadata": {"resourceVersion": "1"}, "items": items}).encode()


def test_history_is_cut_to_the_newest(kube: Cluster) -> None:
    store = KubeReleases(kube.transport)
    for age in range(MOST_HISTORY + 2):
        store.create(finished(release_in(kube, revision=f"r{age:02}", age=age)))
    (service,) = looked_at(kube)
    assert service.count == MOST_HISTORY + 2
    assert [line.revision for line in service.history] == [f"r{age:02}" for age in range(MOST_HISTORY)]


def test_services_beyond_the_bound_are_counted_and_those_under_way_are_kept(
    kube: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_survey, "MOST_SERVICES", 1)
    store = KubeReleases(kube.transport)
    store.create(finished(release_in(kube, service="a")))
    store.create(finished(release_in(kube, service="b")))
    store.create(release_in(kube, service="z"))
    survey = ReleaseSurvey(kube.transport, (kube.namespace,)).look()
    assert [item.key.name for item in survey.services] == ["z"]
    assert survey.left_out == 2


def test_one_look_is_one_list_for_each_namespace_and_all_without_any(kube: Cluster) -> None:
    KubeReleases(kube.transport).create(release_in(kube))
    mark = kube.mark
    ReleaseSurvey(kube.transport, (kube.namespace, "elsewhere")).look()
    ReleaseSurvey(kube.transport).look()
    asked = [f"{item.method} {item.path}" for item in list(kube.server.seam.requests)[mark:]]
    root = "GET /apis/canaryctl.dev/v1alpha1"
    assert [line.partition("?")[0] for line in asked] == [
        f"{root}/namespaces/{kube.namespace}/releases",
        f"{root}/namespaces/elsewhere/releases",
        f"{root}/releases",
    ]


def test_server_that_does_not_answer_is_an_error_of_the_world(kube: Cluster, faults: Install) -> None:
    faults(lambda _: Fault(status=403))
    with pytest.raises(WorldError):
        ReleaseSurvey(kube.transport).look()


def test_namespace_that_refuses_hides_no_other_and_is_named(kube: Cluster, faults: Install) -> None:
    store = KubeReleases(kube.transport)
    stored = store.create(release_in(kube))
    faults(lambda seen: Fault(status=403) if "/namespaces/elsewhere/" in seen.path else None)
    survey = ReleaseSurvey(kube.transport, ("elsewhere", kube.namespace)).look()
    assert [item.newest for item in survey.services] == [stored]
    (sentence,) = survey.unseen
    assert "/namespaces/elsewhere/releases" in sentence

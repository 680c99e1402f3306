"""Deployments on a real server: what they run, whether it is rolled out, and promotion there and back."""

from collections.abc import Callable
from typing import Any

import pytest

from canary.adapters.kube.workloads import KubeDeployments
from canary.app.errors import ConflictError, NotFound
from canary.domain.observation import Workload
from tests.adapters.conftest import Cluster, eventually
from tests.adapters.kube_workloads import (
    DEPLOYMENTS,
    PLAN,
    REPLICASETS,
    deployment,
    key_of,
    live_pods,
    make_pair,
    say,
    set_image,
    settle,
)


def revision_of(kube: Cluster, name: str) -> str:
    """The hash of the only ReplicaSet of a Deployment, found without the adapter's help."""
    for item in eventually(lambda: kube.items(REPLICASETS)):
        if item["metadata"]["ownerReferences"][0]["name"] == name:
            return str(item["metadata"]["labels"]["pod-template-hash"])
    raise AssertionError(f"{name} has no ReplicaSet")


def ready_pair(kube: Cluster, workloads: KubeDeployments, **images: str) -> tuple[Workload, Workload]:
    make_pair(kube, **images)
    settle(kube, "checkout", "stable")
    settle(kube, "checkout-canary", "canary")
    return both(kube, workloads)


def both(kube: Cluster, workloads: KubeDeployments) -> tuple[Workload, Workload]:
    found = workloads.read(key_of(kube), PLAN)
    assert found.stable is not None
    assert found.canary is not None
    return found.stable, found.canary


def observe_and(kube: Cluster, workloads: KubeDeployments, act: Callable[[Workload, Workload], None]) -> None:
    """Act on what is observed, and again on a conflict, as the loop does."""

    def attempt() -> bool:
        try:
            act(*both(kube, workloads))
        except ConflictError:
            return False
        return True

    eventually(attempt)


def holds(kube: Cluster, workloads: KubeDeployments, revision: str) -> bool:
    """Whether stable holds the template of ``revision``, asked of stable as it was observed."""
    answers: list[bool] = []
    observe_and(
        kube,
        workloads,
        lambda stable, _: answers.append(workloads.holds_template_of(key_of(kube), PLAN, stable, revision)),
    )
    return answers[-1]


def labels_of(kube: Cluster, name: str) -> Any:
    return kube.get(DEPLOYMENTS, name)["spec"]["template"]["metadata"]["labels"]


def image_of(kube: Cluster, name: str) -> Any:
    return kube.get(DEPLOYMENTS, name)["spec"]["template"]["spec"]["containers"][0]["image"]


def test_a_missing_workload_is_none(kube: Cluster) -> None:
    kube.create(DEPLOYMENTS, deployment("checkout", "stable"))
    found = KubeDeployments(kube.transport).read(key_of(kube), PLAN)
    assert found.stable is not None
    assert (found.canary, found.canary_matches_stable) == (None, False)


def test_the_revision_is_the_newest_replica_sets_hash(kube: Cluster) -> None:
    workloads = KubeDeployments(kube.transport)
    stable, canary = ready_pair(kube, workloads)
    assert stable.revision == revision_of(kube, "checkout")
    assert canary.revision == revision_of(kube, "checkout-canary")
    assert (canary.replicas, canary.ready, canary.rolled_out, canary.trouble) == (1, 1, True, None)


def test_a_new_template_is_a_new_revision_that_is_not_rolled_out(kube: Cluster) -> None:
    workloads = KubeDeployments(kube.transport)
    _, before = ready_pair(kube, workloads)
    set_image(kube, "checkout-canary", "shop:3")
    changed = eventually(lambda: (w := both(kube, workloads)[1]).revision not in {"", before.revision} and w)
    assert (changed.ready, changed.rolled_out) == (1, False)


def test_going_back_to_an_earlier_template_is_the_earlier_revision(kube: Cluster) -> None:
    workloads = KubeDeployments(kube.transport)
    _, before = ready_pair(kube, workloads)
    set_image(kube, "checkout-canary", "shop:3")
    eventually(lambda: both(kube, workloads)[1].revision not in {"", before.revision})
    set_image(kube, "checkout-canary", "shop:2")
    eventually(lambda: both(kube, workloads)[1].revision == before.revision)


def test_a_workload_without_pods_is_not_rolled_out(kube: Cluster) -> None:
    kube.create(DEPLOYMENTS, deployment("checkout-canary", "canary", replicas=0))
    workloads = KubeDeployments(kube.transport)
    found = eventually(lambda: (c := workloads.read(key_of(kube), PLAN).canary) and c.revision and c)
    assert (found.replicas, found.ready, found.rolled_out) == (0, 0, False)


def test_a_crash_loop_is_told_in_words_as_long_as_the_rollout_is_not_complete(kube: Cluster) -> None:
    workloads = KubeDeployments(kube.transport)
    make_pair(kube)
    (pod,) = eventually(lambda: live_pods(kube, "canary"))
    waiting = {
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "restartCount": 4,
    }
    say(kube, pod, ready=False, container=waiting)
    trouble = eventually(lambda: both(kube, workloads)[1].trouble)
    assert trouble.startswith(
        f"container app of pod {pod['metadata']['name']}: CrashLoopBackOff after 4 restarts"
    )


def test_a_healthy_pair_costs_two_requests_a_look(kube: Cluster) -> None:
    workloads = KubeDeployments(kube.transport)
    ready_pair(kube, workloads)
    both(kube, workloads)
    mark = kube.mark
    stable, canary = both(kube, workloads)
    workloads.stable_template(key_of(kube), stable)
    assert (stable.rolled_out, canary.rolled_out) == (True, True)
    assert kube.mark - mark == 2


def test_the_same_template_but_for_the_telling_labels_matches(kube: Cluster) -> None:
    make_pair(kube, stable_image="shop:1", canary_image="shop:1")
    workloads = KubeDeployments(kube.transport)
    assert workloads.read(key_of(kube), PLAN).canary_matches_stable
    set_image(kube, "checkout-canary", "shop:2")
    assert not workloads.read(key_of(kube), PLAN).canary_matches_stable


def test_promotion_gives_stable_the_judged_template_and_lets_it_keep_its_labels(kube: Cluster) -> None:
    workloads, key = KubeDeployments(kube.transport), key_of(kube)
    _, canary = ready_pair(kube, workloads)
    assert not holds(kube, workloads, canary.revision)
    observe_and(kube, workloads, lambda stable, _: workloads.promote(key, PLAN, stable, canary.revision))
    assert image_of(kube, "checkout") == "shop:2"
    assert labels_of(kube, "checkout") == {"app": "checkout", "track": "stable"}
    annotations = kube.get(DEPLOYMENTS, "checkout")["metadata"]["annotations"]
    assert annotations["canaryctl.dev/promoted-revision"] == canary.revision
    assert holds(kube, workloads, canary.revision)


def test_what_was_judged_is_promoted_and_not_what_the_canary_holds_by_then(kube: Cluster) -> None:
    workloads, key = KubeDeployments(kube.transport), key_of(kube)
    _, canary = ready_pair(kube, workloads)
    set_image(kube, "checkout-canary", "shop:3")
    eventually(lambda: both(kube, workloads)[1].revision not in {"", canary.revision})
    observe_and(kube, workloads, lambda stable, _: workloads.promote(key, PLAN, stable, canary.revision))
    assert image_of(kube, "checkout") == "shop:2"


def test_a_revision_that_kubernetes_has_forgotten_is_not_found(kube: Cluster) -> None:
    workloads, key = KubeDeployments(kube.transport), key_of(kube)
    stable, _ = ready_pair(kube, workloads)
    with pytest.raises(NotFound, match="no ReplicaSet of revision 0000"):
        workloads.promote(key, PLAN, stable, "0000")
    with pytest.raises(NotFound):
        workloads.holds_template_of(key, PLAN, stable, "0000")


def test_a_promotion_is_taken_back_to_the_letter(kube: Cluster) -> None:
    workloads, key = KubeDeployments(kube.transport), key_of(kube)
    _, canary = ready_pair(kube, workloads)
    before = kube.get(DEPLOYMENTS, "checkout")["spec"]["template"]
    kept: list[str] = []
    held: list[bool] = []
    observe_and(kube, workloads, lambda stable, _: kept.append(workloads.stable_template(key, stable)))
    observe_and(
        kube, workloads, lambda stable, _: held.append(workloads.holds_template(key, stable, kept[0]))
    )
    observe_and(kube, workloads, lambda stable, _: workloads.promote(key, PLAN, stable, canary.revision))
    observe_and(
        kube, workloads, lambda stable, _: held.append(workloads.holds_template(key, stable, kept[0]))
    )
    observe_and(kube, workloads, lambda stable, _: workloads.restore(key, stable, kept[0]))
    assert held == [True, False]
    restored = kube.get(DEPLOYMENTS, "checkout")
    assert restored["spec"]["template"] == before
    assert "canaryctl.dev/promoted-revision" not in restored["metadata"]["annotations"]


def test_no_write_lands_on_a_version_that_was_not_seen(kube: Cluster) -> None:
    workloads, key = KubeDeployments(kube.transport), key_of(kube)
    stable, canary = ready_pair(kube, workloads)
    kept = "{}"
    kube.merge(DEPLOYMENTS, "checkout", {"metadata": {"labels": {"touched": "yes"}}})
    fresh = KubeDeployments(kube.transport)
    for adapter in (workloads, fresh):
        with pytest.raises(ConflictError):
            adapter.promote(key, PLAN, stable, canary.revision)
        with pytest.raises(ConflictError):
            adapter.restore(key, stable, kept)
        with pytest.raises(ConflictError):
            adapter.scale(key, stable, 5)
    assert (image_of(kube, "checkout"), kube.get(DEPLOYMENTS, "checkout")["spec"]["replicas"]) == (
        "shop:1",
        1,
    )


def test_scaling_changes_the_replicas_and_nothing_else(kube: Cluster) -> None:
    workloads, key = KubeDeployments(kube.transport), key_of(kube)
    ready_pair(kube, workloads)
    observe_and(kube, workloads, lambda _, canary: workloads.scale(key, canary, 3))
    eventually(lambda: both(kube, workloads)[1].replicas == 3)
    assert image_of(kube, "checkout-canary") == "shop:2"


def test_a_paused_deployments_edited_template_is_no_revision_yet(kube: Cluster) -> None:
    workloads = KubeDeployments(kube.transport)
    _, before = ready_pair(kube, workloads)
    kube.merge(DEPLOYMENTS, "checkout-canary", {"spec": {"paused": True}})
    eventually(lambda: both(kube, workloads)[1].revision == before.revision)
    set_image(kube, "checkout-canary", "shop:9")
    eventually(lambda: _observed(kube))
    assert both(kube, workloads)[1].revision == ""


def _observed(kube: Cluster) -> bool:
    found = kube.get(DEPLOYMENTS, "checkout-canary")
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])

"""ReleasePolicies are followed: understood once, reported by name, absent where the kind is unknown."""

from collections.abc import Callable, Iterator

import pytest

from canary.adapters.kube.connection import connect
from canary.adapters.kube.policies import PolicyWatch, read_policy
from canary.app.ports import StoredPolicy
from canary.domain.plan import Gate
from canary.domain.policy import PolicyObjective, PolicySpec, PolicyStep
from canary.entrypoints.clock import SystemClock
from canary.sandbox.apiserver import Fault, SeenRequest
from tests.adapters.conftest import Cluster, Json, eventually

POLICIES = "canaryctl.dev/v1alpha1/releasepolicies"
Install = Callable[[Callable[[SeenRequest], Fault | None]], None]


def policy(name: str, **spec: object) -> Json:
    return {
        "apiVersion": "canaryctl.dev/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": name, "annotations": {"canaryctl.dev/shared-with": "pay", "team": "blue"}},
        "spec": spec,
    }


@pytest.fixture
def seen() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def follow(kube: Cluster, seen: list[tuple[str, str]]) -> Iterator[Callable[[], PolicyWatch]]:
    started: list[PolicyWatch] = []

    def start() -> PolicyWatch:
        transport = connect(kube.server.kubeconfig)
        watch = PolicyWatch(
            transport, SystemClock(), lambda: 0.0, lambda *name: seen.append(name), [kube.namespace]
        )
        watch.start()
        started.append(watch)
        assert watch.wait_synced(5)
        return watch

    yield start
    for watch in started:
        watch.stop()


def test_policy_is_understood_whole(kube: Cluster, follow: Callable[[], PolicyWatch]) -> None:
    steps = [{"weight": 10, "bake": "2m"}, {"weight": 100}]
    objectives = [{"name": "tail", "maxLatency": "99.9% < 2.5s"}]
    said = {
        "steps": steps,
        "objectives": objectives,
        "gates": ["promotion"],
        "minRequests": 200,
        "deadline": "2h",
    }
    kube.create(POLICIES, policy("standard", **said))
    found = follow().get(kube.namespace, "standard")
    spec = PolicySpec(
        steps=(PolicyStep(10, "2m"), PolicyStep(100)),
        objectives=(PolicyObjective("tail", max_latency="99.9% < 2.5s"),),
        gates=frozenset({Gate.PROMOTION}),
        min_requests=200,
        deadline="2h",
    )
    consent = {"canaryctl.dev/shared-with": "pay"}
    assert found == StoredPolicy(kube.namespace, "standard", spec, (), consent)
    assert read_policy(connect(kube.server.kubeconfig), kube.namespace, "standard") == found


def test_changes_of_what_is_said_and_of_consent_are_reported_and_nothing_else(
    kube: Cluster, follow: Callable[[], PolicyWatch], seen: list[tuple[str, str]]
) -> None:
    watch = follow()
    assert watch.get(kube.namespace, "standard") is None
    kube.create(POLICIES, policy("standard", deadline="2h"))
    eventually(lambda: len(seen) == 1)
    kube.merge(POLICIES, "standard", {"metadata": {"annotations": {"team": "red"}}})
    kube.merge(POLICIES, "standard", {"spec": {"deadline": "3h"}})
    eventually(lambda: len(seen) == 2)
    kube.merge(POLICIES, "standard", {"metadata": {"annotations": {"canaryctl.dev/shared-with": None}}})
    eventually(lambda: len(seen) == 3)
    kube.delete(POLICIES, "standard")
    eventually(lambda: watch.get(kube.namespace, "standard") is None)
    assert seen == [(kube.namespace, "standard")] * 4


def test_policy_that_no_parser_of_ours_could_have_let_in_is_kept_with_what_is_wrong(
    kube: Cluster, follow: Callable[[], PolicyWatch]
) -> None:
    # The schema lets through what only the parser of durations knows.
    kube.create(POLICIES, policy("odd", steps=[{"weight": 10, "bake": "m"}]))
    found = follow().get(kube.namespace, "odd")
    assert found is not None
    assert found.spec is None
    assert [problem.where for problem in found.problems] == ["spec.steps[0]"]
    assert "bake: write a duration" in str(found.problems[0])


def test_typo_in_a_policy_is_no_silent_default(kube: Cluster, follow: Callable[[], PolicyWatch]) -> None:
    steps = [{"weight": 10, "bakeTime": "10m"}]
    kube.create(POLICIES, policy("typo", maxErorRate="0.1%", steps=steps))
    found = follow().get(kube.namespace, "typo")
    assert found is not None
    assert found.spec is None
    assert {problem.where for problem in found.problems} == {"spec.maxErorRate", "spec.steps[0].bakeTime"}


def test_cluster_that_does_not_know_policies_has_none_and_keeps_nobody_waiting(
    kube: Cluster, follow: Callable[[], PolicyWatch], faults: Install
) -> None:
    faults(lambda seen: Fault(status=404) if "/releasepolicies" in seen.path else None)
    watch = follow()
    assert watch.get(kube.namespace, "standard") is None
    assert watch.failures() == {}
    assert watch.read(kube.namespace, "standard") is None


def test_namespace_that_is_not_looked_after_has_no_policies(
    kube: Cluster, follow: Callable[[], PolicyWatch]
) -> None:
    watch = follow()
    assert watch.get("elsewhere", "standard") is None
    assert watch.read("elsewhere", "standard") is None

"""The transport: bounded, retried only where repeating is harmless, errors named by what to do next."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kube.connection import connect
from canary.adapters.kube.failures import failure_of
from canary.adapters.kube.transport import JSON_PATCH, Expired
from canary.adapters.kube.workloads import KubeDeployments
from canary.app.errors import ConflictError, NotFound, Retryable, TerminalError
from canary.sandbox.apiserver import Fault, SeenRequest
from tests.adapters.conftest import Cluster
from tests.adapters.kube_workloads import PLAN, key_of

Install = Callable[[Callable[[SeenRequest], Fault | None]], None]


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def fail_first(times: int, fault: Fault) -> Callable[[SeenRequest], Fault | None]:
    left = [times]

    def hook(_: SeenRequest) -> Fault | None:
        left[0] -= 1
        return fault if left[0] >= 0 else None

    return hook


def test_a_read_survives_two_dropped_connections(kube: Cluster, faults: Install) -> None:
    kube.create("v1/configmaps", config_map("a", colour="red"))
    faults(fail_first(2, Fault(status=0)))
    assert kube.get("v1/configmaps", "a")["data"] == {"colour": "red"}


def test_a_read_gives_up_after_three_attempts(kube: Cluster, faults: Install) -> None:
    faults(fail_first(99, Fault(status=503)))
    mark = kube.mark
    with pytest.raises(Retryable):
        kube.get("v1/configmaps", "a")
    assert kube.mark - mark == 3


@pytest.mark.parametrize("name", ["../../other/deployments/x", "..", ".", "x/../../y"])
def test_no_name_leads_out_of_its_namespace(kube: Cluster, name: str) -> None:
    plan = replace(PLAN, stable=name)
    mark = kube.mark
    with pytest.raises(TerminalError, match="which no object has"):
        KubeDeployments(kube.transport).read(key_of(kube), plan)
    with pytest.raises(TerminalError, match="which no object has"):
        kube.transport.request("PATCH", kube.path("apps/v1/deployments", name), body={})
    assert kube.mark == mark


def test_a_write_whose_answer_is_lost_is_not_repeated(kube: Cluster, faults: Install) -> None:
    faults(fail_first(1, Fault(status=0, after=True)))
    mark = kube.mark
    with pytest.raises(Retryable):
        kube.create("v1/configmaps", config_map("once"))
    assert kube.written_since(mark) == [f"POST {kube.path('v1/configmaps')}"]


def test_retry_after_is_passed_on(kube: Cluster, faults: Install) -> None:
    faults(fail_first(1, Fault(status=429, retry_after_seconds=7)))
    with pytest.raises(Retryable) as caught:
        kube.create("v1/configmaps", config_map("x"))
    assert caught.value.retry_after_seconds == 7


def test_retry_after_beyond_the_budget_is_not_waited_for_here(kube: Cluster, faults: Install) -> None:
    faults(fail_first(9, Fault(status=429, retry_after_seconds=60)))
    mark = kube.mark
    with pytest.raises(Retryable) as caught:
        kube.get("v1/configmaps", "x")
    assert (kube.mark - mark, caught.value.retry_after_seconds) == (1, 60)


def test_what_is_missing_is_not_found(kube: Cluster) -> None:
    with pytest.raises(NotFound, match='configmaps "nothing" not found'):
        kube.get("v1/configmaps", "nothing")


def test_creating_twice_is_a_conflict(kube: Cluster) -> None:
    kube.create("v1/configmaps", config_map("twice"))
    with pytest.raises(ConflictError, match="already exists"):
        kube.create("v1/configmaps", config_map("twice"))


@pytest.mark.parametrize(("guarded", "error"), [(True, ConflictError), (False, TerminalError)])
def test_a_failed_test_is_a_conflict_when_the_patch_was_guarded(
    kube: Cluster, guarded: bool, error: type[Exception]
) -> None:
    kube.create("v1/configmaps", config_map("p", colour="red"))
    operations = [{"op": "test", "path": "/data/colour", "value": "blue"}]
    with pytest.raises(error):
        kube.transport.request(
            "PATCH",
            kube.path("v1/configmaps", "p"),
            body=operations,
            content_type=JSON_PATCH,
            guarded=guarded,
        )


def test_a_guarded_patch_that_makes_nonsense_is_terminal_with_the_servers_words(kube: Cluster) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}}
    kube.create("coordination.k8s.io/v1/leases", lease)
    path = kube.path("coordination.k8s.io/v1/leases", "l")
    operations = [{"op": "add", "path": "/metadata/labels", "value": {"a b": "c"}}]
    with pytest.raises(TerminalError):
        kube.transport.request("PATCH", path, body=operations, content_type=JSON_PATCH, guarded=True)


def test_a_wrong_token_is_refused_in_the_servers_words(kube: Cluster, tmp_path: Path) -> None:
    text = kube.server.kubeconfig.read_text(encoding="utf-8").replace(kube.server.token, "wrong")
    other = tmp_path / "kubeconfig"
    other.write_text(text, encoding="utf-8")
    with pytest.raises(TerminalError, match="401 Unauthorized"):
        connect(other).request("GET", "/api/v1/namespaces")


def test_credentials_in_the_servers_address_are_never_shown(kube: Cluster) -> None:
    assert kube.server.token in kube.server.kubeconfig.read_text(encoding="utf-8")
    assert kube.transport.server == kube.server.url


def test_lists_come_in_pages_and_whole(kube: Cluster) -> None:
    for number in range(7):
        kube.create("v1/configmaps", config_map(f"c{number}"))
    names = [item["metadata"]["name"] for item in kube.items("v1/configmaps")]
    assert [name for name in names if name.startswith("c")] == [f"c{number}" for number in range(7)]


def test_a_stopped_process_does_not_wait_between_attempts(kube: Cluster, faults: Install) -> None:
    stop = threading.Event()
    stop.set()
    faults(fail_first(1, Fault(status=429, retry_after_seconds=3)))
    assert connect(kube.server.kubeconfig, stop=stop).request("GET", "/api/v1/namespaces")


def test_nobody_listening_is_retryable(tmp_path: Path, kube: Cluster) -> None:
    port = kube.server.url.rpartition(":")[2]
    text = kube.server.kubeconfig.read_text(encoding="utf-8").replace(f"127.0.0.1:{port}", "127.0.0.1:9")
    other = tmp_path / "kubeconfig"
    other.write_text(text, encoding="utf-8")
    with pytest.raises(Retryable, match="POST /api/v1/namespaces"):
        connect(other).request("POST", "/api/v1/namespaces", body={})


def test_no_cluster_anywhere_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(TerminalError, match=r"KUBECONFIG is not set, .*config does not exist"):
        connect()


def test_a_named_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="nowhere does not exist"):
        connect(tmp_path / "nowhere")


def test_an_unknown_context_is_named(kube: Cluster) -> None:
    with pytest.raises(TerminalError, match="context elsewhere"):
        connect(kube.server.kubeconfig, "elsewhere")


def test_a_webhooks_denial_is_terminal_whatever_its_code() -> None:
    words = 'admission webhook \\"policy\\" denied the request: weights are frozen on Fridays'
    for code in (400, 403, 409, 500):
        body = f'{{"kind":"Status","message":"{words}"}}'.encode()
        error = failure_of(code, body, {}, "PATCH /x", guarded=True)
        assert isinstance(error, TerminalError)
        assert "frozen on Fridays" in str(error)


def test_a_proxys_page_keeps_its_first_words() -> None:
    error = failure_of(502, b"<html>Bad Gateway</html>", {}, "GET /x", guarded=False)
    assert isinstance(error, Retryable)
    assert "Bad Gateway" in str(error)


def test_gone_means_list_again() -> None:
    assert isinstance(failure_of(410, b"{}", {}, "GET /x", guarded=False), Expired)

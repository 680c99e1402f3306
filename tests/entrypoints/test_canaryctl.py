"""canaryctl against a real HTTP API: what it shows, what it asks for, and how it refuses."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from canary.adapters.kube.objects import path_of
from canary.adapters.kube.transport import MERGE_PATCH
from canary.domain.plan import Gate
from canary.sandbox.apiserver import Fault
from canary.sandbox.showcase import SERVICE
from tests.entrypoints.examples import (
    AT_THE_GATE,
    BAKING,
    CONVICTED,
    GATED,
    PENDING,
    PROMOTING,
    ROLLED_BACK,
    ROLLING_BACK,
    SUCCEEDED,
)

USER = "canary-sandbox-admin"
KUBECTL = Path(sys.executable).parent / "kubectl"


def test_a_service_without_release_is_listed(shop):
    header, row = shop.run("status").splitlines()
    assert header.split()[:2] == ["SERVICE", "PHASE"]
    assert row.split()[:2] == [SERVICE, "Waiting"]


def test_an_invalid_plan_is_listed_with_what_would_be_right(shop):
    shop.annotate(stpes="10")
    assert "InvalidPlan" in shop.run("status")
    assert "did you mean canaryctl.dev/steps?" in shop.run("status", SERVICE)


def test_a_missing_canary_is_listed_as_what_is_waited_for(shop):
    shop.annotate(canary="myapp-next")
    assert "workload myapp-next does not exist: deploy it" in shop.run("status")


@pytest.mark.parametrize("command", [["status"], ["status", SERVICE], ["explain", SERVICE]])
def test_what_a_tenant_wrote_cannot_steer_the_readers_terminal(shop, command):
    shop.begin(replace(BAKING, message="\x1b[2J all is well"))
    shop.annotate(steps="\x1b[31m")
    assert "\x1b" not in shop.run(*command, FORCE_COLOR="")


def test_all_namespaces_are_listed_with_their_names(shop):
    lines = shop.ctl("status", "-A").stdout.splitlines()
    assert lines[0].startswith("NAMESPACE")
    assert any(line.startswith(shop.namespace) for line in lines)


def test_all_namespaces_win_over_one_as_with_kubectl(shop):
    for arguments in (["-n", "elsewhere", "-A"], ["-A", "-n", "elsewhere"]):
        lines = shop.ctl("status", *arguments).stdout.splitlines()
        assert any(line.startswith(shop.namespace) for line in lines)


def test_a_selector_chooses_by_the_labels_of_services(shop):
    path = path_of("v1", shop.namespace, "services", SERVICE)
    body = {"metadata": {"labels": {"team": "shop"}}}
    shop.transport.request("PATCH", path, body=body, content_type=MERGE_PATCH)
    shop.begin(BAKING)
    assert SERVICE in shop.run("status", "-l", "team=shop")
    assert shop.run("status", "-l", "team=other") == ""


def test_options_work_before_and_after_the_command(shop):
    before = shop.ctl("-n", shop.namespace, "status", "-o", "name")
    assert before.stdout == shop.run("status", "-o", "name") == f"service/{SERVICE}\n"


def test_the_namespace_of_the_context_is_the_default(shop, tmp_path):
    config = yaml.safe_load(shop.server.kubeconfig.read_text())
    config["contexts"].append(
        {"name": "team", "context": {"cluster": "sandbox", "user": "sandbox", "namespace": shop.namespace}}
    )
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    result = shop.ctl("status", "--kubeconfig", str(file), "--context", "team")
    assert SERVICE in result.stdout
    elsewhere = shop.ctl("status", "--kubeconfig", str(file))
    assert "namespace default" in elsewhere.stderr


def test_json_and_yaml_hold_the_same_rows(shop):
    shop.begin(SUCCEEDED)
    from_json = json.loads(shop.run("status", "-o", "json"))["items"]
    from_yaml = yaml.safe_load(shop.run("status", "-o", "yaml"))["items"]
    assert [row["phase"] for row in from_json] == [row["phase"] for row in from_yaml] == ["Succeeded"]


def test_detail_shows_steps_weights_objectives_verdict_and_history(shop):
    shop.begin(BAKING)
    text = shop.run("status", SERVICE)
    assert "[10 %] ─ 50 % ─ 100 %" in text
    assert "wanted 10 %, routes 10 %, observed 10.0 % of requests in this step" in text
    assert "requests slower than 500 ms" in text
    assert "HOLD baking" in text
    assert "STALE" in text
    assert "\x1b" not in text


def test_detail_as_a_document_has_the_numbers_behind_the_text(shop):
    shop.begin(BAKING)
    document = json.loads(shop.run("status", SERVICE, "-o", "json"))
    objective = document["live"]["objectives"][0]
    assert objective["canary"]["counts"] == {"requests": 300, "bad": 0}
    assert document["live"]["isStale"] is True


def test_detail_shows_the_controllers_latest_events(shop):
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "one", "namespace": shop.namespace},
        "involvedObject": {"kind": "Service", "namespace": shop.namespace, "name": SERVICE},
        "reason": "ReleaseCreated",
        "message": "revision abc is to replace stable",
        "type": "Normal",
        "lastTimestamp": "2026-01-31T12:00:00Z",
        "reportingComponent": "canaryctl.dev/canary",
        "reportingInstance": "one",
    }
    foreign = event | {"metadata": {"name": "two", "namespace": shop.namespace}, "reason": "Sync"}
    for body in (event, foreign | {"reportingComponent": "somebody-else"}):
        shop.transport.request("POST", path_of("v1", shop.namespace, "events"), body=body)
    text = shop.run("status", SERVICE)
    assert "ReleaseCreated   revision abc is to replace stable" in text
    assert "Sync" not in text


def test_a_release_is_found_by_its_own_name_too(shop):
    stored = shop.begin(ROLLED_BACK)
    shop.begin(replace(SUCCEEDED, revision="later", created_at=SUCCEEDED.created_at + 5))
    assert f"({ROLLED_BACK.revision}" not in shop.run("status", SERVICE)
    assert "RolledBack" in shop.run("status", stored.release.name).splitlines()[1]


def test_explain_has_queries_and_a_way_out_that_kubectl_takes(shop):
    shop.begin(CONVICTED)
    text = shop.run("explain", SERVICE)
    assert CONVICTED.message in text
    assert f'destination_service="myapp.{shop.namespace}.svc.cluster.local"' in text
    (command,) = [line.strip() for line in text.splitlines() if line.strip().startswith("kubectl patch")]
    shell = f'{KUBECTL} --kubeconfig "{shop.server.kubeconfig}" {command.removeprefix("kubectl ")}'
    subprocess.run(["sh", "-c", shell], check=True, capture_output=True, timeout=20)
    assert "myapp http[1]: stable 100, canary 0" in shop.run("explain", SERVICE)


def test_explain_without_a_release_is_not_found(shop):
    assert shop.refused(3, "explain", SERVICE) == f"canaryctl: service {shop.key} has no release yet"


def test_abort_is_written_with_who_and_why(shop):
    stored = shop.begin(BAKING)
    text = shop.run("abort", SERVICE, "--reason", "customers complain")
    assert "the controller returns all traffic to stable" in text
    assert shop.requests(stored).abort == f"aborted by {USER}: customers complain"


@pytest.mark.parametrize("release", [PENDING, BAKING, PROMOTING, ROLLING_BACK], ids=lambda r: r.phase)
def test_abort_can_be_asked_for_in_every_phase_that_is_not_the_end(shop, release):
    shop.begin(release)
    shop.run("abort", SERVICE)


def test_a_second_abort_tells_of_the_first(shop):
    shop.begin(BAKING)
    shop.run("abort", SERVICE, "--reason", "first")
    assert f"has been asked to end before: aborted by {USER}: first" in shop.run("abort", SERVICE)


def test_a_finished_release_cannot_be_aborted_or_promoted(shop):
    shop.begin(SUCCEEDED)
    for verb in ("abort", "promote"):
        line = shop.refused(1, verb, SERVICE)
        assert "is finished (Succeeded" in line
        assert f"there is nothing to {verb}" in line


def test_what_a_paused_service_is_asked_for_waits_and_says_so(shop):
    shop.begin(BAKING)
    shop.annotate(paused="true")
    result = shop.ctl("abort", SERVICE, "-n", shop.namespace)
    assert "ends a release that is aborted, and does nothing else" in result.stderr


def test_promote_is_asked_for_once_there_is_something_to_skip(shop):
    stored = shop.begin(BAKING)
    shop.run("promote", SERVICE)
    assert shop.requests(stored).promote


@pytest.mark.parametrize(
    ("release", "why"), [(ROLLING_BACK, "is rolling back"), (PROMOTING, "is being promoted already")]
)
def test_promote_is_refused_when_it_is_too_late(shop, release, why):
    shop.begin(release)
    assert why in shop.refused(1, "promote", SERVICE)


def test_an_approved_gate_is_open(shop):
    stored = shop.begin(AT_THE_GATE)
    shop.run("approve", SERVICE, "promotion")
    assert shop.requests(stored).approved == {Gate.PROMOTION}
    shop.run("approve", SERVICE, "first-step")
    assert shop.requests(stored).approved == {Gate.PROMOTION, Gate.FIRST_STEP}
    assert "was approved before" in shop.run("approve", SERVICE, "promotion")


def test_an_approval_survives_a_status_that_is_written_at_the_same_time(shop):
    stored = shop.begin(replace(PENDING, plan=GATED))
    failed = []

    def conflict_once(seen):
        if seen.method == "PATCH" and "/releases/" in seen.path and not failed:
            failed.append(seen)
            return Fault(status=409)
        return None

    shop.server.seam.before_response = conflict_once
    try:
        shop.run("approve", SERVICE, "first-step")
    finally:
        shop.server.seam.before_response = None
    assert failed
    assert shop.requests(stored).approved == {Gate.FIRST_STEP}


def test_a_gate_that_the_plan_lacks_cannot_be_approved(shop):
    shop.begin(BAKING)
    assert "has no gate promotion; its gates: none" in shop.refused(1, "approve", SERVICE, "promotion")
    assert shop.ctl("approve", SERVICE, "lunch").exit_code == 2


def test_retry_is_for_what_was_rolled_back(shop):
    stored = shop.begin(ROLLED_BACK)
    shop.run("retry", SERVICE)
    assert shop.requests(stored).retry


@pytest.mark.parametrize(
    ("release", "why"), [(BAKING, "abort it first"), (SUCCEEDED, "only what was rolled back is retried")]
)
def test_retry_of_anything_else_is_refused(shop, release, why):
    shop.begin(release)
    assert why in shop.refused(1, "retry", SERVICE)


def test_a_name_that_nothing_has_is_not_found(shop):
    assert "has no service or release nothing" in shop.refused(3, "status", "nothing")


def test_a_service_that_is_not_looked_after_says_how_to_opt_in(shop):
    shop.annotate(
        **dict.fromkeys(("enabled", "steps", "max_error_rate", "max_latency", "min_requests", "drain"))
    )
    assert "annotate it with canaryctl.dev/enabled=true" in shop.refused(3, "status", SERVICE)


@pytest.mark.parametrize("command", ["status", "explain", "abort", "promote", "retry"])
def test_a_name_that_is_empty_or_can_be_none_is_never_asked_for(shop, command):
    """As by a variable that is not set: the collection would answer instead of an object."""
    assert "NAME is empty" in shop.ctl(command, "").stderr
    assert "can be no name" in shop.ctl(command, "a/b").stderr
    assert shop.ctl(command, "").exit_code == 2


def test_a_name_is_not_looked_for_in_all_namespaces(shop):
    assert shop.ctl("status", SERVICE, "-A").exit_code == 2


def test_a_cluster_without_our_resource_says_what_is_missing(shop):
    def without_releases(seen):
        return Fault(status=404) if "/releases" in seen.path else None

    shop.server.seam.before_response = without_releases
    try:
        line = shop.refused(3, "status")
    finally:
        shop.server.seam.before_response = None
    assert "is canary installed?" in line


def test_who_may_not_list_deployments_still_sees_services_and_releases(shop):
    shop.begin(BAKING)

    def without_deployments(seen):
        return Fault(status=403) if "/deployments" in seen.path else None

    shop.server.seam.before_response = without_deployments
    try:
        text = shop.run("status")
    finally:
        shop.server.seam.before_response = None
    assert "Progressing" in text

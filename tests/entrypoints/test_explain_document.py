"""An explanation for scripts holds the same numbers, and its commands reach the cluster that was asked."""

import json
import shlex

from tests.entrypoints.examples import CONVICTED, SUSPECTED


def test_the_document_has_counts_evidence_windows_and_queries(shop):
    shop.begin(SUSPECTED)
    found = json.loads(shop.run("explain", "myapp", "-o", "json"))
    assert found["verdict"]["findings"][0]["canary"] == {"requests": 350, "bad": 7}
    assert found["evidence"]["logThreshold"] > found["evidence"]["log"] > 0
    tests = {item["test"]: item for item in found["evidence"]["tests"]}
    assert tests["errors/stable"]["windows"] == 7
    assert tests["errors/stable"]["counts"]
    assert set(found["queries"]) == {"istio_requests_total", "istio_request_duration_milliseconds_bucket"}
    assert found["windows"]["until"].startswith("2023-11-14T22:13:20")


def test_a_command_to_paste_names_the_cluster_that_was_asked(shop):
    shop.begin(CONVICTED)
    result = shop.ctl(
        *("explain", "myapp", "-o", "json", "-n", shop.namespace),
        *("--kubeconfig", str(shop.server.kubeconfig), "--context", "sandbox"),
    )
    (command,) = json.loads(result.stdout)["byHand"]
    assert shlex.split(command)[:3] == [
        "kubectl",
        "--context=sandbox",
        f"--kubeconfig={shop.server.kubeconfig}",
    ]


def test_the_way_out_by_hand_warns_of_a_controller_that_runs_and_of_a_stable_that_does_not(shop):
    shop.begin(CONVICTED)
    text = shop.run("explain", "myapp")
    assert f"canaryctl abort myapp -n {shop.namespace}" in text
    assert "has ready pods" in text

"""What the chart makes of values: valid objects, settings that the controller takes, refusals in words."""

from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from canary.domain.metric_template import Aggregate
from canary.entrypoints.settings_loading import load_settings
from tests.chart.rendering import (
    ALONE,
    BRING_YOUR_OWN,
    CHART,
    DIGEST,
    EVERYTHING,
    NAMESPACE,
    NEEDED,
    VALUE_SETS,
    container_of,
    kinds,
    only,
    pod_of,
    render,
    settings_of,
)

Json = dict[str, Any]
OPERATORS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
"""Kinds of the Prometheus Operator, which Kubernetes' own schemas do not have."""
OLDEST = "1.27"
"""What Chart.yaml asks for at least."""


def problems(values: Json) -> list[str]:
    report = helm_python.lint(CHART, values, strict=True, namespace=NAMESPACE)
    found = [f"{item['path']}: {item['error']}" for item in report["messages"] if item["severity"] > 1]
    return found + list(report["errors"])


@pytest.mark.parametrize("name", VALUE_SETS)
def test_helm_finds_nothing_to_complain_of(name: str) -> None:
    assert problems(VALUE_SETS[name]) == []


def test_chart_lints_without_any_values() -> None:
    assert problems({}) == []


NEWEST = kubernetes_validate.latest_version()


@pytest.mark.parametrize(
    ("name", "version"), [*((name, NEWEST) for name in VALUE_SETS), ("everything", OLDEST)]
)
def test_every_object_is_what_kubernetes_defines_and_no_field_more(name: str, version: str) -> None:
    for item in render(VALUE_SETS[name]):
        if item["kind"] not in OPERATORS:
            kubernetes_validate.validate(item, version, strict=True)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_no_two_objects_have_the_same_name(name: str) -> None:
    objects = render(VALUE_SETS[name])
    named = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects]
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("name", VALUE_SETS)
def test_controller_takes_the_settings_as_they_are_rendered(name: str, tmp_path: Any) -> None:
    objects = render(VALUE_SETS[name])
    file = tmp_path / "config.yaml"
    file.write_text(settings_of(objects))
    settings = load_settings({}, {}, file)
    assert settings.prometheus.url == VALUE_SETS[name]["config"]["prometheus"]["url"]
    assert list(settings.kubernetes.namespaces) == VALUE_SETS[name].get("namespaces", [])
    assert settings.leadership.namespace == NAMESPACE
    assert settings.leadership.name == only(objects, "Deployment")["metadata"]["name"]
    assert settings.http.port == container_of(objects)["ports"][0]["containerPort"]


def test_gauges_and_large_bounds_arrive_as_they_were_written(tmp_path: Any) -> None:
    bound = {"name": "memory", "template": "memory", "atMost": 1_000_000_000}
    plans = {
        "defaults": {"objectives": [bound]},
        "metric_templates": {"memory": {"gauge": {"metric": "memory_bytes"}, "aggregate": "sum"}},
    }
    config = NEEDED["config"] | {"plans": plans}
    file = tmp_path / "controller.yaml"
    file.write_text(settings_of(render(NEEDED | {"config": config})))
    loaded = load_settings({}, {}, file).plans
    assert loaded.metric_templates["memory"].aggregate is Aggregate.SUM
    assert loaded.defaults.objectives[0].at_most == 1e9


def test_other_settings_make_other_pods_and_the_same_settings_the_same() -> None:
    other = NEEDED | {"config": {"prometheus": {"url": "http://elsewhere:9090"}}}
    assert pod_of(render(NEEDED)) == pod_of(render(NEEDED))
    assert pod_of(render(NEEDED))["metadata"] != pod_of(render(other))["metadata"]


def test_labels_of_the_chart_that_pods_are_found_by_cannot_be_overridden() -> None:
    objects = render(EVERYTHING)
    wanted = only(objects, "Deployment")["spec"]["selector"]["matchLabels"]
    assert wanted["app.kubernetes.io/name"] == "progressive"
    assert wanted.items() <= pod_of(objects)["metadata"]["labels"].items()
    for kind in ("PodDisruptionBudget", "ServiceMonitor", "PodMonitor"):
        assert only(objects, kind)["spec"]["selector"]["matchLabels"] == wanted
    for suffix in ("-metrics", "-page"):
        assert only(objects, "Service", suffix)["spec"]["selector"] == wanted
    assert only(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == wanted


def test_selector_does_not_change_with_the_version() -> None:
    labels = only(render(NEEDED), "Deployment")["spec"]["selector"]["matchLabels"]
    assert not {"app.kubernetes.io/version", "helm.sh/chart"} & labels.keys()


def test_what_users_of_charts_expect_arrives_where_it_belongs() -> None:
    objects = render(EVERYTHING)
    pod, container = pod_of(objects), container_of(objects)
    assert container["image"] == f"team/canary@{DIGEST}"
    assert container["imagePullPolicy"] == "Always"
    assert container["args"] == ["controller", "--workers=2"]
    assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in container["env"]
    assert container["envFrom"] == EVERYTHING["extraEnvFrom"]
    assert EVERYTHING["extraVolumeMounts"][0] in container["volumeMounts"]
    assert EVERYTHING["extraVolumes"][0] in pod["spec"]["volumes"]
    for name in ("nodeSelector", "tolerations", "affinity", "priorityClassName", "topologySpreadConstraints"):
        assert pod["spec"][name] == EVERYTHING[name]
    assert pod["spec"]["imagePullSecrets"] == [{"name": "regcred"}]
    assert pod["metadata"]["labels"]["cost-center"] == "42"
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == "9091"
    account = only(objects, "ServiceAccount")
    assert account["metadata"]["annotations"] == {"iam.example/role": "canary"}
    assert pod["spec"]["serviceAccountName"] == account["metadata"]["name"] == "robot"


def test_two_replicas_elect_a_leader_and_hand_over_before_the_old_pod_is_gone() -> None:
    spec = only(render(NEEDED), "Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    # Ten seconds for each worker to finish its write, five for Events, and the lease itself.
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] >= 60


def test_without_an_election_two_controllers_never_run_at_once() -> None:
    assert only(render(ALONE), "Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    with pytest.raises(helm_python.HelmError, match="two controllers would both write"):
        render(ALONE | {"replicas": 2})


def test_probes_ask_what_the_controller_answers() -> None:
    container = container_of(render(NEEDED))
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert probes == {
        "startup": {"path": "/livez", "port": "http"},
        "liveness": {"path": "/livez", "port": "http"},
        "readiness": {"path": "/readyz", "port": "http"},
    }


def test_monitors_leave_the_labels_of_releases_as_they_are() -> None:
    objects = render(EVERYTHING)
    assert only(objects, "ServiceMonitor")["spec"]["endpoints"][0]["honorLabels"] is True
    assert only(objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["honorLabels"] is True
    assert only(objects, "ServiceMonitor")["metadata"]["labels"]["release"] == "prometheus"


def test_replica_that_is_not_ready_is_still_scraped() -> None:
    assert only(render(NEEDED), "Service")["spec"]["publishNotReadyAddresses"] is True


def test_network_policy_lets_out_to_what_the_settings_name_and_in_to_metrics_and_page_only() -> None:
    spec = only(render(EVERYTHING), "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    wanted = EVERYTHING["networkPolicy"]
    assert spec["ingress"] == [
        {"ports": [{"port": "http", "protocol": "TCP"}], "from": wanted["metricsFrom"]},
        {"ports": [{"port": "page", "protocol": "TCP"}], "from": wanted["pageFrom"]},
    ]
    api, prometheus, dns, extra = spec["egress"]
    assert api == {
        "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
        "ports": [{"port": 6443, "protocol": "TCP"}],
    }
    assert prometheus["ports"] == [{"port": 443, "protocol": "TCP"}]  # of https, as none is written
    assert {port["protocol"] for port in dns["ports"]} == {"UDP", "TCP"}
    assert extra == EVERYTHING["networkPolicy"]["extraEgress"][0]
    open_to = only(render(BRING_YOUR_OWN), "NetworkPolicy")["spec"]["egress"][1]
    assert open_to["ports"] == [{"port": 9090, "protocol": "TCP"}]


def test_what_is_switched_off_is_not_there() -> None:
    assert not {"CustomResourceDefinition", "PodDisruptionBudget", "Lease"} & kinds(render(ALONE))
    theirs = render(BRING_YOUR_OWN)
    assert not {"ServiceAccount", "ClusterRole", "Role", "RoleBinding", "ClusterRoleBinding"} & kinds(theirs)
    assert pod_of(theirs)["spec"]["serviceAccountName"] == "theirs"
    assert only(theirs, "Deployment")["metadata"]["name"] == "judge"


def test_alerts_and_dashboard_of_the_chart_are_the_ones_of_config() -> None:
    objects = render(EVERYTHING)
    monitoring = CHART.parents[1] / "config" / "monitoring"
    assert only(objects, "PrometheusRule")["spec"] == yaml.safe_load((monitoring / "alerts.yaml").read_text())
    board = only(objects, "ConfigMap", "-dashboard")
    assert board["data"]["canary.json"] == (monitoring / "dashboard.json").read_text()
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_annotations_of_the_pods_are_the_users_before_they_are_ours() -> None:
    theirs = {"prometheus.io/port": "15020", "team": "edge"}
    wished = {"metrics": {"scrapeAnnotations": True}, "podAnnotations": theirs}
    annotations = pod_of(render(NEEDED | wished))["metadata"]["annotations"]
    assert annotations.items() >= {"prometheus.io/scrape": "true", **theirs}.items()
    other = NEEDED | wished | {"config": {"prometheus": {"url": "http://other:9090"}}}
    checksum = "canaryctl.dev/config-checksum"
    assert pod_of(render(other))["metadata"]["annotations"][checksum] != annotations[checksum]


@pytest.mark.parametrize(
    "repository", ["canary", "team/canary", "r.example/a/b_c", "r.example:5000/canary", "localhost:5000/x"]
)
def test_schema_takes_the_repositories_that_there_are(repository: str) -> None:
    rendered = render(NEEDED | {"image": {"repository": repository}})
    assert container_of(rendered)["image"].startswith(f"{repository}:")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"config": {"controller": {"tik": "2s"}}}, "'tik' not allowed"),
        ({"config": {"log": {"level": "loud"}}}, "/config/log/level"),
        ({"config": {"kubernetes": {"namespaces": ["shop"]}}}, "'kubernetes' not allowed"),
        ({"config": {"leadership": {"namespace": "other"}}}, "'namespace' not allowed"),
        ({"replica": 2}, "'replica' not allowed"),
        ({"namespaces": "shop"}, "got string, want array"),
        ({"namespaces": ["Shop"]}, "/namespaces/0"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"image": {"repository": "r.example/canary:1.0"}}, "/image/repository"),
        ({"image": {"repository": "R.example/Canary"}}, "/image/repository"),
        ({"image": {"tag": "1.0@sha256:ab"}}, "/image/tag"),
        ({"fullnameOverride": "Foo_Bar"}, "/fullnameOverride"),
        ({"terminationGracePeriodSeconds": 5}, "/terminationGracePeriodSeconds"),
        ({"config": {"http": {"port": 0}}}, "/config/http/port"),
        ({"config": {"prometheus": {"url": "prometheus:9090"}}}, "/config/prometheus/url"),
        ({"config": {"prometheus": {"scrape_interval": "15"}}}, "/config/prometheus/scrape_interval"),
        ({"config": {"controller": {"tick": 2}}}, "/config/controller/tick"),
        ({"config": {"plans": {"defaults": {"maxErrorrate": "1%"}}}}, "'maxErrorrate' not allowed"),
        ({"config": {"plans": {"defaults": {"steps": [{"bake": "1m"}]}}}}, "missing property 'weight'"),
        ({"config": {"plans": {"metric_templates": {"x": {"bad": {"metric": "b"}}}}}}, "'total'"),
        (
            {"config": {"plans": {"metric_templates": {"x": {"gauge": {"metric": "b"}, "bad": {}}}}}},
            "'bad' not allowed",
        ),
    ],
)
def test_schema_refuses_what_would_mean_nothing(values: Json, words: str) -> None:
    with helm_python.Chart.load(CHART) as chart, pytest.raises(helm_python.HelmValuesError) as refused:
        chart.validate_schema(values)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"config": NEEDED["config"]}, "image.repository: name the repository"),
        ({"image": NEEDED["image"]}, "config.prometheus.url: name the Prometheus"),
    ],
)
def test_what_has_no_default_is_asked_for_by_name(values: Json, words: str) -> None:
    with pytest.raises(helm_python.HelmError, match=words):
        render(values)


def test_notes_give_the_next_command() -> None:
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(EVERYTHING, name="canary", namespace=NAMESPACE)
    notes = files["canary/templates/NOTES.txt"]
    assert "the namespaces shop, pay" in notes
    assert f"kubectl --namespace {NAMESPACE} rollout status deployment/canary-progressive" in notes
    assert "kubectl annotate service" in notes

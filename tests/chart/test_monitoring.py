"""Alerts fire when they should, and Prometheus understands every query of alerts and dashboard."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from canary.entrypoints.telemetry import PrometheusTelemetry
from canary.sandbox.processes import Processes
from canary.sandbox.prometheus import scrape_configuration, start_prometheus
from tests.chart.rendering import ROOT
from tests.entrypoints.examples import KEY, ROLLED_BACK

Json = dict[str, Any]
MONITORING = ROOT / "config" / "monitoring"
VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "1h",
    "$namespace": "shop|pay",
    "$service": ".*",
}
LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), \w+\)")


def dashboard() -> Json:
    found: Json = json.loads((MONITORING / "dashboard.json").read_text())
    return found


def dashboard_queries() -> list[str]:
    queries = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    variables = [
        item["query"]["query"] for item in dashboard()["templating"]["list"] if item["type"] == "query"
    ]
    queries += [LABEL_VALUES.fullmatch(each)["selector"] for each in variables]  # type: ignore[index]
    assert len(queries) > 15
    return queries


def alert_queries() -> list[str]:
    document = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
    return [rule["expr"] for group in document["groups"] for rule in group["rules"]]


def as_grafana_sends(query: str) -> str:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


def promtool(*arguments: str, directory: Path = ROOT) -> str:
    done = subprocess.run(
        ["promtool", *arguments], cwd=directory, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_alerts_are_rules_that_prometheus_takes() -> None:
    assert "10 rules found" in promtool("check", "rules", str(MONITORING / "alerts.yaml"))


def test_alerts_fire_when_they_should_and_not_before() -> None:
    promtool("test", "rules", "alerts.test.yaml", directory=ROOT / "tests" / "chart")


def test_every_alert_is_tested_both_ways() -> None:
    document = yaml.safe_load((ROOT / "tests" / "chart" / "alerts.test.yaml").read_text())
    checks = [check for each in document["tests"] for check in each["alert_rule_test"]]
    fires = {check["alertname"] for check in checks if check.get("exp_alerts")}
    silent = {check["alertname"] for check in checks if not check.get("exp_alerts")}
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    assert fires == silent == {rule["alert"] for group in rules for rule in group["rules"]}


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("prometheus")
    with Processes(directory) as processes:
        # It scrapes nothing that is there: what it is asked is whether it understands.
        yield start_prometheus(processes, directory, scrape_configuration("http://127.0.0.1:9")).url


def test_every_query_runs_on_a_real_prometheus(prometheus_url: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        for query in [*dashboard_queries(), *alert_queries()]:
            asked = {"query": as_grafana_sends(query)}
            answer = session.get(f"{prometheus_url}/api/v1/query", params=asked, timeout=10)
            assert answer.json()["status"] == "success", f"{query}: {answer.text}"


def test_no_variable_of_grafana_is_left_in_a_query() -> None:
    assert not [query for query in dashboard_queries() if "$" in as_grafana_sends(query)]


def exported() -> dict[str, set[str]]:
    """By name: the labels of everything that a scrape of the controller brings."""
    telemetry = PrometheusTelemetry()
    telemetry.report_watches(lambda: {"/api/v1/services": 1.0})
    telemetry.pass_finished(KEY, "done", 0.1)
    telemetry.query_finished("default", "ok", 0.1)
    telemetry.release_observed(ROLLED_BACK)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(telemetry.registry).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize("query", sorted({*dashboard_queries(), *alert_queries()}))
def test_queries_ask_for_metrics_that_the_controller_has(query: str) -> None:
    wanted = set(re.findall(r"\bcanary_[a-z_]+", query))
    assert wanted
    assert wanted <= exported().keys()


@pytest.mark.parametrize("query", sorted({*dashboard_queries(), *alert_queries()}))
def test_queries_choose_by_labels_that_the_metrics_have(query: str) -> None:
    for name, matchers in re.findall(r"(canary_[a-z_]+)\{([^}]*)\}", query):
        assert set(re.findall(r"(\w+)\s*[!=]~?", matchers)) <= exported()[name], query


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23

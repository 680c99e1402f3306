"""The page in the chart: off unless asked for, never together with metrics, behind an Ingress by values."""

from typing import Any

import helm_python
import pytest
import yaml

from tests.chart.rendering import (
    CHART,
    EVERYTHING,
    NAMESPACE,
    NEEDED,
    PAGE,
    container_of,
    kinds,
    only,
    render,
    settings_of,
)

Json = dict[str, Any]


def page_with(**ingress: object) -> Json:
    return {**NEEDED, "page": {"enabled": True, "ingress": {"enabled": True, **ingress}}}


def ports_of(values: Json) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container_of(render(values))["ports"]}


def notes(values: Json) -> str:
    with helm_python.Chart.load(CHART) as chart:
        return str(chart.render(values, name="canary", namespace=NAMESPACE)["canary/templates/NOTES.txt"])


def test_page_is_off_unless_it_is_asked_for() -> None:
    objects = render({**NEEDED, "networkPolicy": {"enabled": True}})
    assert yaml.safe_load(settings_of(objects))["page"] == {"enabled": False}
    assert ports_of(NEEDED) == {"http": 8080}
    assert "Ingress" not in kinds(objects)
    assert [item["metadata"]["name"] for item in objects if item["kind"] == "Service"] == ["canary-metrics"]
    assert len(only(objects, "NetworkPolicy")["spec"]["ingress"]) == 1


@pytest.mark.parametrize(("values", "port"), [(PAGE, 8081), (EVERYTHING, 9092)])
def test_service_leads_to_the_pages_port_alone(values: Json, port: int) -> None:
    objects = render(values)
    assert yaml.safe_load(settings_of(objects))["page"]["enabled"] is True
    assert ports_of(values)["page"] == port
    spec = only(objects, "Service", "-page")["spec"]
    assert [(each["name"], each["targetPort"]) for each in spec["ports"]] == [("page", "page")]
    # One that is not ready is not asked, and the Service has an address of its own.
    assert not {"publishNotReadyAddresses", "clusterIP", "type"} & spec.keys()


def test_ingress_is_what_the_values_say() -> None:
    objects = render(EVERYTHING)
    ingress, wanted = only(objects, "Ingress"), EVERYTHING["page"]["ingress"]
    assert ingress["metadata"]["annotations"] == wanted["annotations"]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["spec"]["tls"] == wanted["tls"]
    routes = [
        (rule["host"], path["path"], path["pathType"])
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    assert routes == [("canary.example.com", "/", "Prefix"), ("tools.example.com", "/canary", "Exact")]


def test_ingress_leads_to_nothing_but_the_page() -> None:
    objects = render(EVERYTHING)
    backends = [
        path["backend"]["service"]
        for rule in only(objects, "Ingress")["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]
    name = only(objects, "Service", "-page")["metadata"]["name"]
    assert backends == 2 * [{"name": name, "port": {"name": "page"}}]


def test_nothing_of_the_ingress_is_made_up() -> None:
    ingress = only(render(page_with(hosts=[{"host": "canary.example.com"}])), "Ingress")
    assert "annotations" not in ingress["metadata"]
    assert ingress["spec"].keys() == {"rules"}


def test_network_policy_lets_everybody_read_the_page_unless_told_whom() -> None:
    metrics, page = only(render(PAGE), "NetworkPolicy")["spec"]["ingress"]
    assert page == {"ports": [{"port": "page", "protocol": "TCP"}]}
    assert metrics["ports"] == [{"port": "http", "protocol": "TCP"}]


def test_monitors_do_not_scrape_the_page() -> None:
    objects = render(EVERYTHING)
    (endpoint,) = only(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["port"] not in {
        port["name"] for port in only(objects, "Service", "-page")["spec"]["ports"]
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({**NEEDED, "page": {"ingress": {"enabled": True}}}, "there is no page to lead to; enable both"),
        (page_with(), "page.ingress.hosts is empty: name a host"),
        (
            {**PAGE, "config": {**NEEDED["config"], "page": {"port": 8080}}},
            "the page would share its port with the metrics",
        ),
    ],
)
def test_page_that_could_not_be_reached_or_would_show_too_much_is_refused(values: Json, words: str) -> None:
    with pytest.raises(helm_python.HelmError, match=words):
        render(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"config": {"page": {"enabled": True}}}, "'enabled' not allowed"),
        ({"page": {"port": 8081}}, "'port' not allowed"),
        ({"page": {"ingress": {"hosts": ["canary.example.com"]}}}, "/page/ingress/hosts/0"),
        ({"page": {"ingress": {"hosts": [{"paths": []}]}}}, "/page/ingress/hosts/0"),
        (
            {"page": {"ingress": {"hosts": [{"host": "a", "paths": [{"path": "canary"}]}]}}},
            "/page/ingress/hosts/0/paths/0/path",
        ),
    ],
)
def test_schema_refuses_what_the_page_does_not_have(values: Json, words: str) -> None:
    with helm_python.Chart.load(CHART) as chart, pytest.raises(helm_python.HelmValuesError) as refused:
        chart.validate_schema(values)
    assert words in str(refused.value)


def test_notes_say_how_to_reach_the_page_and_that_it_has_no_login() -> None:
    assert "page" not in notes(NEEDED)
    forwarded = notes(PAGE)
    assert f"kubectl --namespace {NAMESPACE} port-forward service/canary-page 8081:80" in forwarded
    assert "it has no login" in forwarded
    exposed = notes(EVERYTHING)
    assert "https://canary.example.com/\n" in exposed
    assert "https://tools.example.com/canary\n" in exposed
    assert "port-forward" not in exposed
    assert "http://canary.example.com/\n" in notes(page_with(hosts=[{"host": "canary.example.com"}]))

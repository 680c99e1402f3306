"""Claims about which series are asked for: one query a metric, all that is counted, and nobody's PromQL."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.adapters.prometheus.access import PrometheusAccess
from canary.adapters.prometheus.client import PrometheusSource
from canary.adapters.prometheus.promql import InvalidName
from canary.adapters.prometheus.selectors import selectors
from canary.app.ports import MetricsUnavailable, MetricTarget
from canary.domain.measurement import NoDataReason
from canary.domain.metric_template import Counter, MetricTemplate
from canary.domain.plan import ServiceKey
from canary.entrypoints.clock import SystemClock
from tests.adapters.prometheus_rig import FaultServer
from tests.adapters.test_prometheus_promql import NASTY, TEXT, read_literal
from tests.app.metrics_world import EPOCH, ERRORS, LATENCY, PAYMENT_TEMPLATE, PAYMENTS, TARGET

PAID = replace(TARGET, objectives=(ERRORS, PAYMENTS))


def target(namespace: str, *templates: MetricTemplate) -> MetricTarget:
    """A release in a namespace, with an objective for each template."""
    objectives = [replace(PAYMENTS, name=f"own-{n}", template=each) for n, each in enumerate(templates)]
    return replace(TARGET, key=ServiceKey(namespace, "checkout"), objectives=(ERRORS, *objectives))


def of_templates(*targets: MetricTarget) -> dict[str, str]:
    found = dict(selectors(targets))
    del found["istio_requests_total"]
    return found


def read_matchers(selector: str) -> list[tuple[str, str, str]]:
    """The matchers of a selector: label, operator, value."""
    rest = selector[selector.index("{") + 1 :]
    found = []
    while rest != "}":
        label, operator = re.match(r"(\w+)(=~|=)", rest).groups()  # type: ignore[union-attr]
        value, rest = read_literal(rest[len(label) + len(operator) :])
        found.append((label, operator, value))
        rest = rest.removeprefix(",")
    return found


def selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether Prometheus would return the series; a label that is not there is an empty one."""

    def holds(label: str, operator: str, value: str) -> bool:
        actual = labels.get(label, "")
        return actual == value if operator == "=" else re.fullmatch(value, actual) is not None

    is_metric = selector.partition("{")[0] == labels["__name__"]
    return is_metric and all(holds(*each) for each in read_matchers(selector))


def test_total_and_bad_of_one_metric_come_with_one_query() -> None:
    assert of_templates(PAID) == {"payments_total": 'payments_total{namespace="shop"}'}


def test_all_releases_share_a_query_that_is_limited_to_their_namespaces() -> None:
    others = [replace(PAID, key=ServiceKey(name, "checkout")) for name in ("shop", "outlet", "shop-2")]
    without = replace(TARGET, key=ServiceKey("elsewhere", "checkout"))
    assert of_templates(*others, without) == {
        "payments_total": 'payments_total{namespace=~"outlet|shop|shop-2"}'
    }


def test_a_label_narrows_the_query_only_when_all_counters_of_the_metric_need_it() -> None:
    posts = {"method": ("POST", "PUT")}
    bad = Counter("calls_total", {**posts, "code": ("500",)})
    both = MetricTemplate(Counter("calls_total", posts), bad)
    assert of_templates(target("shop", both)) == {
        "calls_total": 'calls_total{namespace="shop",method=~"POST|PUT"}'
    }
    gets = MetricTemplate(Counter("calls_total", {"method": ("GET",)}), bad)
    assert of_templates(target("shop", both), target("outlet", gets)) == {
        "calls_total": 'calls_total{namespace=~"outlet|shop",method=~"GET|POST|PUT"}'
    }
    every = MetricTemplate(Counter("calls_total"), bad)
    assert of_templates(target("shop", both, every)) == {"calls_total": 'calls_total{namespace="shop"}'}


def test_two_metrics_are_two_queries_each_as_narrow_as_its_counter() -> None:
    apart = MetricTemplate(Counter("jobs_total", {"queue": ("main",)}), Counter("job_failures_total"))
    assert of_templates(target("shop", apart)) == {
        "jobs_total": 'jobs_total{namespace="shop",queue="main"}',
        "job_failures_total": 'job_failures_total{namespace="shop"}',
    }


def test_a_metric_whose_namespace_stands_in_two_labels_is_asked_for_by_each() -> None:
    elsewhere = replace(PAYMENT_TEMPLATE, namespace_label="k8s_namespace")
    assert of_templates(target("shop", PAYMENT_TEMPLATE), target("outlet", elsewhere)) == {
        "payments_total": 'payments_total{namespace="shop"}',
        "payments_total by k8s_namespace": 'payments_total{k8s_namespace="outlet"}',
    }


LABELS = st.sampled_from(["result", "method", "kind"])
VALUES = st.sampled_from(["", "a", "b", "a|b", ".*"])
COUNTERS = st.builds(
    Counter,
    st.sampled_from(["one_total", "two_total"]),
    st.dictionaries(LABELS, st.lists(VALUES, min_size=1, max_size=3).map(tuple)),
)
TEMPLATES = st.tuples(COUNTERS, COUNTERS).filter(lambda pair: pair[0] != pair[1])
SERIES = st.fixed_dictionaries(
    {"__name__": st.sampled_from(["one_total", "two_total"]), "namespace": st.just("shop")},
    optional={"result": VALUES, "method": VALUES, "kind": VALUES},
)


@given(st.lists(TEMPLATES, min_size=1, max_size=3), SERIES)
def test_whatever_a_template_counts_is_fetched(
    pairs: list[tuple[Counter, Counter]], labels: dict[str, str]
) -> None:
    templates = [MetricTemplate(total, bad) for total, bad in pairs]
    is_counted = any(each.total.selects(labels) or each.bad.selects(labels) for each in templates)
    if is_counted:
        found = of_templates(target("shop", *templates)).values()
        assert sum(selects(each, labels) for each in found) == 1


@given(st.lists((TEXT | NASTY).filter(str.isprintable), min_size=1, max_size=3).map(tuple))
def test_a_value_to_look_for_stays_a_value(values: tuple[str, ...]) -> None:
    where = {"result": values}
    template = MetricTemplate(Counter("a_total", where), Counter("a_total", {**where, "b": ("c",)}))
    (selector,) = of_templates(target("shop", template)).values()
    assert [label for label, _, _ in read_matchers(selector)] == ["namespace", "result"]
    for value in values:
        assert selects(selector, {"__name__": "a_total", "namespace": "shop", "result": value})


@pytest.mark.parametrize("namespace", ['shop"} or up{a="', "", "Shop", "a|b", ".*"])
def test_a_namespace_that_is_none_is_never_put_into_a_query(namespace: str) -> None:
    with pytest.raises(InvalidName):
        selectors([replace(PAID, key=ServiceKey(namespace, "checkout"))])


@pytest.fixture
def server() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


def test_a_look_at_many_releases_is_one_query_for_each_metric(server: FaultServer) -> None:
    source = PrometheusSource(PrometheusAccess(f"http://127.0.0.1:{server.port}"), SystemClock())
    all_kinds = replace(PAID, objectives=(ERRORS, LATENCY, PAYMENTS))
    source.fetch([replace(all_kinds, key=ServiceKey(f"shop-{n}", "checkout")) for n in range(30)], EPOCH, 10)
    queries = [parse_qs(body)["query"][0] for _, _, body in server.requests]
    assert [query.partition("{")[0] for query in queries] == [
        "istio_requests_total",
        "istio_request_duration_milliseconds_bucket",
        "payments_total",
    ]
    assert all(query.endswith("[10000ms]") for query in queries)
    source.close()


def test_a_namespace_that_is_none_is_refused_before_anything_is_sent(server: FaultServer) -> None:
    source = PrometheusSource(PrometheusAccess(f"http://127.0.0.1:{server.port}"), SystemClock())
    with pytest.raises(MetricsUnavailable) as caught:
        source.fetch([replace(PAID, key=ServiceKey('x"} or up{a="', "checkout"))], EPOCH, 10)
    assert caught.value.no_data.reason is NoDataReason.REJECTED
    assert server.requests == []
    source.close()


def test_queries_for_explain_name_the_templates_metrics(server: FaultServer) -> None:
    source = PrometheusSource(PrometheusAccess(f"http://127.0.0.1:{server.port}"), SystemClock())
    assert source.queries(PAID)["payments_total"] == 'payments_total{namespace="shop"}[5000ms]'
    source.close()

"""A template is counters and labels; whatever else is written is refused with what would be right."""

import pytest

from canary.domain.metric_template import Aggregate, Counter, Gauge, GaugeTemplate, MetricTemplate

TOTAL = Counter("payments_total")
FAILED = Counter("payments_total", {"result": ("failed", "refused")})


@pytest.mark.parametrize(
    ("metric", "remedy"),
    [
        ("sum(payments_total)", "write the name of a counter"),
        ('payments_total{result="x"}', "write the name of a counter"),
        ("", "write the name of a counter"),
        ("istio_requests_total", "a counter of the application's own"),
        ("istio_request_duration_milliseconds_bucket", "a counter of the application's own"),
        ("up", "is no counter"),
        ("process_start_time_seconds", "is no counter"),
    ],
)
def test_what_is_no_counter_of_an_application_is_refused(metric, remedy):
    with pytest.raises(ValueError, match=remedy):
        Counter(metric)


@pytest.mark.parametrize("label", ["namespace_label", "pod_label", "workload_label"])
@pytest.mark.parametrize("name", ["", "a-b", 'pod"}', "__name__"])
def test_what_is_no_label_is_refused(label, name):
    with pytest.raises(ValueError, match="the name of a label"):
        MetricTemplate(TOTAL, FAILED, **{label: name})


@pytest.mark.parametrize("metric", ["max(queue_length)", "", "istio_requests_total", "up"])
def test_what_is_no_gauge_of_an_application_is_refused(metric):
    with pytest.raises(ValueError, match=r"(a|no) gauge"):
        Gauge(metric)


@pytest.mark.parametrize("label", ["namespace_label", "pod_label", "workload_label"])
def test_a_gauge_is_found_by_labels_and_nothing_else(label):
    with pytest.raises(ValueError, match="the name of a label"):
        GaugeTemplate(Gauge("queue_length"), **{label: 'pod"}'})


def test_a_gauge_over_itself_is_refused():
    with pytest.raises(ValueError, match="their ratio would always be 1"):
        GaugeTemplate(Gauge("queue_length"), over=Gauge("queue_length"))


def test_a_gauge_template_reads_as_a_formula():
    used = Gauge("queue_used", {"queue": ("orders",)})
    assert str(GaugeTemplate(used)) == 'max(queue_used{queue="orders"})'
    assert (
        str(GaugeTemplate(used, Aggregate.SUM, Gauge("queue_size")))
        == 'sum(queue_used{queue="orders"}) / sum(queue_size)'
    )


def test_a_counter_reads_as_people_write_it():
    assert str(TOTAL) == "payments_total"
    assert str(FAILED) == 'payments_total{result="failed|refused"}'


def test_a_label_that_a_series_lacks_is_an_empty_one():
    assert Counter("a", {"b": ("",)}).selects({"__name__": "a"})
    assert not Counter("a", {"b": ("c",)}).selects({"__name__": "a"})

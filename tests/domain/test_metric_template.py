"""A template is counters and labels; whatever else is written is refused with what would be right."""

import pytest

from canary.domain.metric_template import Counter, MetricTemplate

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


def test_a_counter_reads_as_people_write_it():
    assert str(TOTAL) == "payments_total"
    assert str(FAILED) == 'payments_total{result="failed|refused"}'


def test_a_label_that_a_series_lacks_is_an_empty_one():
    assert Counter("a", {"b": ("",)}).selects({"__name__": "a"})
    assert not Counter("a", {"b": ("c",)}).selects({"__name__": "a"})

"""Claims about gauges in a real Prometheus: what it holds is read as it was at the end of each window."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from canary.adapters.prometheus.access import PrometheusAccess
from canary.adapters.prometheus.client import PrometheusSource
from canary.app.book import Timing
from canary.app.collector import Collector
from canary.domain.measurement import NoDataReason
from canary.domain.metric_template import Aggregate, Gauge, GaugeTemplate
from canary.domain.plan import Side, Threshold
from tests.adapters.prometheus_rig import backfill, running_prometheus
from tests.app.metrics_world import EPOCH, PAYMENTS, TARGET, MetricsWorld, collector_for, look, pod_of
from tests.app.test_collector_gauges import CANARY_POD, OTHER_POD, STABLE_POD, gauge, requests

END = 120
FULL = GaugeTemplate(Gauge("queue_used", {"queue": ("orders",)}), Aggregate.SUM, Gauge("queue_size"))
THRESHOLDS = (
    Threshold("longest", Side.AT_MOST, 500.0, GaugeTemplate(Gauge("queue_used"))),
    Threshold("full", Side.AT_MOST, 0.8, FULL),
)
WATCHED = replace(TARGET, thresholds=THRESHOLDS)


@pytest.fixture(scope="module")
def world() -> MetricsWorld:
    """Two pods of the canary and one of stable, scraped each 15 s, and somebody else's."""
    stored = MetricsWorld()
    requests(stored, *range(-301, END, 5))
    for begin, pod, slope in ((-290, CANARY_POD, 1.0), (-285, OTHER_POD, 2.0), (-288, STABLE_POD, 0.5)):
        for at in range(begin, END, 15):
            gauge(stored, at, 1000.0 + slope * at, pod, size=2000.0)
    for at in range(-290, END, 15):
        gauge(stored, at, 99_999.0, pod_of("checkout-v2"), size=1.0)
    return stored


@pytest.fixture(scope="module")
def source(world: MetricsWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusSource]:
    directory: Path = tmp_path_factory.mktemp("gauges")
    backfill(directory / "data", world.openmetrics())
    with running_prometheus(directory) as url:
        found = PrometheusSource(PrometheusAccess(url), world)
        yield found
        found.close()


def collector_of(source: PrometheusSource, world: MetricsWorld) -> Collector:
    return Collector(source, world, "stored", world, Timing())  # type: ignore[arg-type]


def test_each_window_holds_what_the_gauges_said_at_its_end(
    world: MetricsWorld, source: PrometheusSource
) -> None:
    found = look(collector_of(source, world), world, END - 10, WATCHED)
    assert found.no_data is None
    assert found.windows == look(collector_for(world), world, END - 10, WATCHED).windows
    last = found.windows[-1]
    assert last.window.end == EPOCH + 105
    longest, full = last.gauges["longest"], last.gauges["full"]
    # The samples of (90, 105]: at 100 of one pod, at 105 of the other, at 102 of stable's.
    assert (longest.canary, longest.stable) == (1210.0, 1051.0)
    assert (longest.oldest_at, longest.newest_at) == (EPOCH + 100, EPOCH + 105)
    assert full.canary == pytest.approx((1100 + 1210) / 4000)


def test_a_gauge_that_is_not_there_is_no_data_and_requests_are_counted_all_the_same(
    world: MetricsWorld, source: PrometheusSource
) -> None:
    absent = Threshold("longest", Side.AT_MOST, 500.0, GaugeTemplate(Gauge("queue_lenght")))
    found = look(collector_of(source, world), world, 17, replace(WATCHED, thresholds=(absent,)))
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.ABSENT
    assert found.no_data.detail.startswith("longest: nothing of queue_lenght was scraped of late")
    assert [each.gauges for each in found.windows] == [{}] * 3
    assert all(each.counts["errors"] for each in found.windows)


def test_a_gauge_and_a_counter_are_asked_for_beside_each_other_and_as_narrowly_as_can_be(
    source: PrometheusSource,
) -> None:
    queries = source.queries(replace(WATCHED, objectives=(*TARGET.objectives, PAYMENTS)))
    assert queries["payments_total"] == 'payments_total{namespace="shop"}[5000ms]'
    assert queries["queue_used"] == 'queue_used{namespace="shop"}[5000ms]'
    alone = source.queries(replace(WATCHED, thresholds=THRESHOLDS[1:]))
    assert alone["queue_used"] == 'queue_used{namespace="shop",queue="orders"}[5000ms]'
    assert alone["queue_size"] == 'queue_size{namespace="shop"}[5000ms]'

"""Claims about gauges: whose value counts, as of when, and what is said when there is none."""

import math
from dataclasses import replace

import pytest

from canary.app.ports import Measurements
from canary.domain.measurement import GaugeReading, NoDataReason
from canary.domain.metric_template import Aggregate, Gauge, GaugeTemplate
from canary.domain.plan import Side, Threshold
from tests.app.metrics_world import (
    EPOCH,
    TARGET,
    MetricsWorld,
    collector_for,
    evaluated,
    look,
    pod_of,
    request_labels,
)

TEMPLATE = GaugeTemplate(Gauge("queue_used", {"queue": ("orders",)}))
QUEUE = Threshold("queue", Side.AT_MOST, 500.0, TEMPLATE)
WATCHED = replace(TARGET, thresholds=(QUEUE,))
USED, SIZE = {"__name__": "queue_used", "queue": "orders"}, {"__name__": "queue_size", "queue": "orders"}
CANARY_POD, OTHER_POD, STABLE_POD = (
    pod_of("checkout-canary"),
    pod_of("checkout-canary", 1),
    pod_of("checkout"),
)


def requests(world: MetricsWorld, *times: int) -> None:
    """Requests to the canary, so that windows are measured."""
    for at in times:
        world.scrape(at, [(request_labels(), 5000 + at)], started_at=-5000)


def gauge(
    world: MetricsWorld, at: float, value: float, pod: dict[str, str] = CANARY_POD, **more: float
) -> None:
    """What a scrape of one of the application's pods brings."""
    values = [(USED, value), *((SIZE, size) for size in more.values())]
    world.scrape(at, values, client=f"{pod['pod']}:8080", pod=pod, started_at=-5000)


def of(template: GaugeTemplate, **more: object) -> Threshold:
    return replace(QUEUE, template=template, **more)  # type: ignore[arg-type]


def said(found: Measurements) -> list[GaugeReading | None]:
    return [each.gauges.get("queue") for each in found.windows]


def values(found: Measurements) -> list[float | None]:
    return [each.canary if each is not None else None for each in said(found)]


def test_a_window_has_the_latest_value_of_each_workload_before_its_end() -> None:
    world = MetricsWorld()
    requests(world, -1, 4, 9)
    for at, value in ((-2, 5.0), (3, 7.0), (8, 9.0)):
        gauge(world, at, value)
        gauge(world, at - 1, 100 * value, STABLE_POD)
    found = look(collector_for(world), world, 12, WATCHED)
    assert said(found) == [
        GaugeReading(7.0, 700.0, EPOCH + 3, EPOCH + 3),
        GaugeReading(9.0, 900.0, EPOCH + 8, EPOCH + 8),
    ]
    assert found.no_data is None


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [(Aggregate.MAX, 30.0), (Aggregate.MIN, 10.0), (Aggregate.MEAN, 20.0), (Aggregate.SUM, 40.0)],
)
def test_the_series_of_a_workload_become_one_value(aggregate: Aggregate, value: float) -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    gauge(world, 1, 10.0)
    gauge(world, 3, 30.0, OTHER_POD)
    target = replace(WATCHED, thresholds=(of(replace(TEMPLATE, aggregate=aggregate)),))
    assert said(look(collector_for(world), world, 7, target)) == [
        GaugeReading(value, None, EPOCH + 1, EPOCH + 3)
    ]


def test_pods_of_others_and_other_series_are_not_looked_at() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    gauge(world, 3, 7.0)
    for other in (pod_of("checkout-v2"), pod_of("checkout-canary", namespace="staging")):
        gauge(world, 3, 9000.0, other)
    world.scrape(3, [({**USED, "queue": "other"}, 9000.0)], client="x", pod=CANARY_POD)
    assert values(look(collector_for(world), world, 7, WATCHED)) == [7.0]


def test_a_ratio_is_the_gauge_over_another() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    gauge(world, 3, 30.0, size=40.0)
    ratio = replace(TEMPLATE, over=Gauge("queue_size"))
    target = replace(WATCHED, thresholds=(of(ratio),))
    assert values(look(collector_for(world), world, 7, target)) == [0.75]


@pytest.mark.parametrize(
    ("size", "words"),
    [(0.0, "queue_size is 0, and nothing can be divided by it"), (math.nan, "queue_size is nan")],
)
def test_a_ratio_to_nothing_is_no_value_and_is_reported(size: float, words: str) -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    gauge(world, 3, 30.0, size=size)
    target = replace(WATCHED, thresholds=(of(replace(TEMPLATE, over=Gauge("queue_size"))),))
    found = look(collector_for(world), world, 7, target)
    assert said(found) == [None]
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.NOT_A_NUMBER
    assert words in found.no_data.detail


def test_one_series_that_is_no_number_leaves_no_value_of_the_others() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    gauge(world, 3, 30.0)
    gauge(world, 3, math.nan, OTHER_POD)
    found = look(collector_for(world), world, 7, WATCHED)
    assert said(found) == [None]
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.NOT_A_NUMBER


def test_a_canary_whose_gauge_was_never_scraped_is_no_data_that_names_what_was_looked_for() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    gauge(world, 3, 30.0, STABLE_POD)
    found = look(collector_for(world), world, 7, WATCHED)
    assert said(found) == [None]
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.ABSENT
    assert found.no_data.detail == (
        'queue: nothing of queue_used{queue="orders"} was scraped of late with namespace="shop" and '
        "a pod of checkout-canary as pod"
    )


def test_a_value_is_fresh_for_two_scrapes_of_its_own_and_then_says_nothing() -> None:
    world = MetricsWorld()
    requests(world, *range(-61, 200, 5))
    for at in range(-89, 92, 30):  # ..., 31, 61, 91
        gauge(world, at, float(at))
    collector = collector_for(world)
    quiet = [look(collector, world, at, WATCHED).no_data is not None for at in range(7, 200, 5)]
    found = look(collector, world, 200, WATCHED)
    seen = {each.window.end - EPOCH: each.gauges.get("queue") is not None for each in found.windows}
    assert [end for end, there in seen.items() if not there] == list(range(155, 200, 5))
    assert quiet.index(True) == range(7, 200, 5).index(157)


def test_a_series_that_ended_counts_no_more() -> None:
    world = MetricsWorld()
    requests(world, *range(-11, 60, 5))
    for at in range(-12, 60, 5):
        gauge(world, at, 10.0)
    for at in range(-12, 20, 5):
        gauge(world, at, 900.0, OTHER_POD)
    found = values(look(collector_for(world), world, 57, WATCHED))
    assert found == [900.0] * 5 + [10.0] * 6


def test_a_workload_may_be_named_by_a_label() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    world.scrape(3, [({**USED, "app": "checkout-canary"}, 5.0)], client="x", pod={"namespace": "shop"})
    target = replace(WATCHED, thresholds=(of(replace(TEMPLATE, workload_label="app")),))
    assert values(look(collector_for(world), world, 7, target)) == [5.0]


def test_a_collector_without_memory_reads_the_same() -> None:
    world = MetricsWorld()
    requests(world, *range(-61, 200, 5))
    for at in range(-89, 200, 20):
        gauge(world, at, float(at))
        gauge(world, at + 3, 2.0 * at, OTHER_POD)
    through = collector_for(world)
    for at in range(7, 200, 5):
        look(through, world, at, WATCHED)
    whole = look(through, world, 199, WATCHED)
    for restart in (50, 100, 150):
        fresh = look(collector_for(world), world, 199, evaluated(WATCHED, restart))
        later = [each for each in whole.windows if each.window.start >= EPOCH + restart]
        assert later
        assert list(fresh.windows) == later


def test_what_is_remembered_of_a_series_stays_small() -> None:
    world = MetricsWorld()
    requests(world, *range(-61, 200, 5))
    for at in range(-60, 200):
        gauge(world, at, 1.0)
    collector = collector_for(world)
    look(collector, world, 199, WATCHED)
    (book,) = collector._books.values()
    assert [len(track.samples) for track in book.tracks.values()] == [3]

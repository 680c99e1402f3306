"""Claims about counting with a real Prometheus on stored data: the same as in memory, to the request."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from canary.adapters.prometheus.access import PrometheusAccess
from canary.adapters.prometheus.client import PrometheusSource
from canary.adapters.prometheus.promql import matcher, range_selector, selector
from canary.app.book import Timing
from canary.app.collector import Collector
from canary.domain.istio_metrics import NATIVE
from canary.domain.measurement import Counts, Measurement, NoDataReason
from tests.adapters.prometheus_rig import backfill, running_prometheus
from tests.app.metrics_world import (
    EPOCH,
    ERRORS,
    LATENCY,
    TARGET,
    MetricsWorld,
    bucket_labels,
    canary,
    churn,
    collector_for,
    evaluated,
    look,
    pod_of,
    request_labels,
)

END = 200
OTHER_HOST = "orders.shop.svc.cluster.local"
NATIVE_HOST = "natively.shop.svc.cluster.local"
ORDERS = replace(TARGET, release="orders-1", hosts=frozenset({OTHER_HOST}), objectives=(ERRORS, LATENCY))


def with_orders(world: MetricsWorld) -> None:
    """A second service in the same Prometheus: its canary appears with errors, the gateway restarts."""
    stable = request_labels("checkout", destination_service=OTHER_HOST)
    bad = request_labels(code="503", destination_service=OTHER_HOST)
    fast, every = (bucket_labels(le, destination_service=OTHER_HOST) for le in ("500", "+Inf"))
    gateway = "10.1.1.1:15020"
    own = {**stable, "reporter": "destination"}
    for at in (-11, -6, -1):
        world.scrape(at, [(stable, 800 + at)], started_at=-5000, client=gateway)
        for number, requests in ((0, 3), (1, 7)):
            pod, address = pod_of("checkout", number), f"10.1.2.{number}:15020"
            world.scrape(at, [(own, requests * (at + 11) / 5)], started_at=-5000, client=address, pod=pod)
    native = {**request_labels(destination_service=NATIVE_HOST), "__name__": NATIVE}
    world.scrape(14, [(native, 1)], client="10.1.3.1:15020")
    # No scrape at 4: the canary's first five errors, four of them slow, show at 9.
    world.scrape(9, [(stable, 840), (bad, 5), (fast, 1), (every, 5)], started_at=-5000, client=gateway)
    world.scrape(14, [(stable, 3), (bad, 9), (fast, 9), (every, 9)], started_at=12, client=gateway)


@pytest.fixture(scope="module")
def world() -> tuple[MetricsWorld, Counts]:
    world, truth = churn(seed=11, begin=-400, end=END + 1)
    with_orders(world)
    return world, truth


@pytest.fixture(scope="module")
def source(
    world: tuple[MetricsWorld, Counts], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusSource]:
    directory: Path = tmp_path_factory.mktemp("backfill")
    backfill(directory / "data", world[0].openmetrics())
    with running_prometheus(directory) as url:
        source = PrometheusSource(PrometheusAccess(url), world[0])
        yield source
        source.close()


def stored_collector(world: MetricsWorld, source: PrometheusSource) -> Collector:
    return Collector(source, world, "stored", world, Timing())  # type: ignore[arg-type]


def test_a_real_prometheus_counts_as_the_truth_does(
    world: tuple[MetricsWorld, Counts], source: PrometheusSource
) -> None:
    metrics, truth = world
    found = look(stored_collector(metrics, source), metrics, END + 2)
    assert sum(canary(found), Counts(0, 0)) == truth
    assert truth.bad > 20
    assert found.windows == look(collector_for(metrics), metrics, END + 2).windows


def test_a_restart_in_the_middle_changes_no_window(
    world: tuple[MetricsWorld, Counts], source: PrometheusSource
) -> None:
    metrics, _ = world
    through = stored_collector(metrics, source)
    for at in range(20, END + 3, 13):
        whole = look(through, metrics, at)
    whole = look(through, metrics, END + 2)
    for restart in (50, 145):
        fresh = look(stored_collector(metrics, source), metrics, END + 2, evaluated(TARGET, restart))
        later = [each for each in whole.windows if each.window.start >= EPOCH + restart]
        assert later
        assert list(fresh.windows) == later


def test_births_a_failed_scrape_and_a_restart_are_counted_for_errors_and_for_latency(
    world: tuple[MetricsWorld, Counts], source: PrometheusSource
) -> None:
    metrics, _ = world
    found = look(stored_collector(metrics, source), metrics, 17, ORDERS)
    assert found.no_data is None
    assert [_span(each) for each in found.windows] == [(0, 10), (10, 15)]
    assert canary(found) == [Counts(5, 5), Counts(9, 9)]
    assert canary(found, "latency") == [Counts(5, 4), Counts(9, 0)]
    assert [each.counts["errors"].stable for each in found.windows] == [Counts(41, 0), Counts(3, 0)]


def test_one_look_serves_releases_of_several_services(
    world: tuple[MetricsWorld, Counts], source: PrometheusSource
) -> None:
    metrics, _ = world
    together = stored_collector(metrics, source)
    metrics.now_at = EPOCH + 17
    together.tick([TARGET, ORDERS])
    for target in (TARGET, ORDERS):
        alone = look(stored_collector(metrics, source), metrics, 17, target)
        assert together.measurements(target.key, target.release, EPOCH).windows == alone.windows


def test_history_is_what_was_before_the_release_with_stables_pods_told_apart(
    world: tuple[MetricsWorld, Counts], source: PrometheusSource
) -> None:
    metrics, _ = world
    beginning = replace(ORDERS, history_until=EPOCH)
    stored = look(stored_collector(metrics, source), metrics, 17, beginning).history
    assert stored == look(collector_for(metrics), metrics, 17, beginning).history
    assert stored is not None
    assert [_span(each) for each in stored] == [(-3600, -10), (-10, 0)]
    assert stored[1].counts["errors"].stable == Counts(10, 0)
    parts = stored[1].stable_parts["errors"]
    assert sorted(part.requests for part in parts if part.requests) == [6, 14]


def test_a_bound_between_two_edges_is_refused_with_the_edges_that_there_are(
    world: tuple[MetricsWorld, Counts], source: PrometheusSource
) -> None:
    metrics, _ = world
    between = replace(ORDERS, objectives=(replace(LATENCY, bound_ms=700.0),))
    found = look(stored_collector(metrics, source), metrics, 17, between)
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.NOT_A_BUCKET
    assert "700 ms" in found.no_data.detail
    assert "500 ms" in found.no_data.detail


def test_a_native_histogram_is_looked_for_by_its_own_name(
    world: tuple[MetricsWorld, Counts], source: PrometheusSource
) -> None:
    """One sample by that name, since what counts is whether there is any."""
    assert not source.has_native_histogram(ORDERS, EPOCH + 17)
    natively = replace(ORDERS, hosts=frozenset({NATIVE_HOST}))
    assert source.has_native_histogram(natively, EPOCH + 17)


def test_a_service_without_series_is_absent(
    world: tuple[MetricsWorld, Counts], source: PrometheusSource
) -> None:
    metrics, _ = world
    found = look(
        stored_collector(metrics, source), metrics, 17, replace(TARGET, hosts=frozenset({"nobody.shop"}))
    )
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.ABSENT
    assert 'destination_service="nobody.shop"' in found.no_data.detail


def test_the_query_for_explain_can_be_asked_as_it_stands(source: PrometheusSource) -> None:
    for query in source.queries(ORDERS).values():
        rows = source._matrix(query, EPOCH + 15)
        assert rows
        assert all(sample.at <= EPOCH + 15 for row in rows for sample in row.samples)


@pytest.mark.parametrize("nasty", ['a"b', "a\\", 'x"} or up{a="', "a\nb", "\x00\x1f\x7f", "é{}|.*", "`'#"])
def test_a_real_prometheus_reads_any_value_as_that_value(source: PrometheusSource, nasty: str) -> None:
    for values in ([nasty], [nasty, "mesh"]):
        query = range_selector(selector("up", [matcher("job", values)]), 10)
        jobs = {each.labels["job"] for each in source._matrix(query, EPOCH)}
        assert jobs == set(values) & {"mesh"}


def _span(measurement: Measurement) -> tuple[float, float]:
    return measurement.window.start - EPOCH, measurement.window.end - EPOCH

"""Claims about an application's own counters: whose events count where, and what is said of their absence."""

import math
from dataclasses import replace

import pytest

from canary.app.ports import Measurements
from canary.domain.istio_metrics import AGENT_START
from canary.domain.measurement import ArmCounts, Counts, NoDataReason
from canary.domain.metric_template import Counter, MetricTemplate
from tests.app.metrics_world import (
    EPOCH,
    ERRORS,
    PAYMENT_TEMPLATE,
    PAYMENTS,
    TARGET,
    MetricsWorld,
    canary,
    collector_for,
    evaluated,
    look,
    measured,
    payment_labels,
    pod_of,
    request_labels,
    spans,
)
from tests.app.payments_world import payments_churn

PAID = replace(TARGET, objectives=(ERRORS, PAYMENTS))
OK, STABLE = request_labels(), request_labels("checkout")
GOOD, FAILED, LOST = payment_labels(), payment_labels("failed"), payment_labels("lost")
CANARY_POD, STABLE_POD = pod_of("checkout-canary"), pod_of("checkout")


def requests(world: MetricsWorld, *times: int, rate: int = 10) -> None:
    """Requests to the canary as the gateway counts them: ``rate`` a second."""
    for at in times:
        world.scrape(at, [(OK, 5000 + rate * at), (STABLE, 5000)], started_at=-5000)


def payments(
    world: MetricsWorld, at: float, *values: tuple[dict[str, str], float], pod: dict[str, str] = CANARY_POD
) -> None:
    """What a scrape of one of the application's pods brings; its process is old."""
    world.scrape(at, values, client=f"{pod['pod']}:8080", pod=pod, started_at=-5000)


def both(found: Measurements) -> list[ArmCounts]:
    return [each.counts["payments"] for each in found.windows]


def test_events_of_both_workloads_are_counted_beside_their_requests() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    payments(world, -2, (GOOD, 100), (FAILED, 10))
    payments(world, -2, (GOOD, 900), (FAILED, 90), (LOST, 1), pod=STABLE_POD)
    payments(world, 3, (GOOD, 107), (FAILED, 12))
    payments(world, 3, (GOOD, 960), (FAILED, 91), (LOST, 3), pod=STABLE_POD)
    found = look(collector_for(world), world, 8, PAID)
    assert both(found) == [ArmCounts(canary=Counts(9, 2), stable=Counts(63, 3))]
    assert canary(found) == [Counts(50, 0)]
    assert found.windows[0].unattributed == Counts(50, 0)
    assert found.no_data is None


def test_pods_of_others_are_not_counted() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    others = (pod_of("checkout-v2"), pod_of("checkout", namespace="staging"), pod_of("checkout-canary-v2"))
    for at in (-2, 3):
        payments(world, at, (GOOD, 100 + at))
        payments(world, at, (GOOD, 100 + at), pod=STABLE_POD)
        for other in others:
            payments(world, at, (FAILED, 1000 * (at + 2)), pod=other)
    assert both(look(collector_for(world), world, 8, PAID)) == [ArmCounts(Counts(5, 0), Counts(5, 0))]


def test_total_and_bad_may_be_two_metrics() -> None:
    two = MetricTemplate(Counter("jobs_total", {"queue": ("main",)}), Counter("job_failures_total"))
    jobs = replace(PAID, objectives=(ERRORS, replace(PAYMENTS, template=two)))
    world = MetricsWorld()
    requests(world, -1, 4)
    total, bad = {"__name__": "jobs_total", "queue": "main"}, {"__name__": "job_failures_total"}
    other = {"__name__": "jobs_total", "queue": "other"}
    payments(world, -2, (total, 50), (bad, 5), (other, 0))
    payments(world, 3, (total, 60), (bad, 7), (other, 99))
    assert canary(look(collector_for(world), world, 8, jobs), "payments") == [Counts(10, 2)]


def test_absent_bad_with_present_total_is_zero_bad() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    payments(world, -2, (GOOD, 100))
    payments(world, 3, (GOOD, 107))
    found = look(collector_for(world), world, 8, PAID)
    assert canary(found, "payments") == [Counts(7, 0)]
    assert found.no_data is None


def test_a_bad_event_that_is_the_first_of_its_kind_is_counted() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    payments(world, -2, (GOOD, 100))
    payments(world, 3, (GOOD, 107), (FAILED, 2))
    assert canary(look(collector_for(world), world, 8, PAID), "payments") == [Counts(9, 2)]


def test_absent_total_is_no_data_and_never_zero_events() -> None:
    world = MetricsWorld()
    requests(world, -1, 4, 9)
    for at in (-2, 3, 8):
        # Bad events alone are no share of anything.
        payments(world, at, ({"__name__": "failed_total"}, 5 + at))
    apart = MetricTemplate(Counter("payments_total"), Counter("failed_total"))
    found = look(
        collector_for(world), world, 12, replace(PAID, objectives=(ERRORS, replace(PAYMENTS, template=apart)))
    )
    assert [set(each.counts) for each in found.windows] == [{"errors"}, {"errors"}]
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.ABSENT
    assert found.no_data.detail == (
        'payments: nothing of payments_total was scraped with namespace="shop" and a pod of checkout-canary '
        "as pod"
    )


def test_a_canary_of_which_nothing_is_scraped_is_no_data_though_stable_is_counted() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    payments(world, -2, (GOOD, 100), pod=STABLE_POD)
    payments(world, 3, (GOOD, 140), pod=STABLE_POD)
    by_workload = replace(PAYMENTS, template=replace(PAYMENT_TEMPLATE, workload_label="app"))
    found = look(collector_for(world), world, 8, PAID)
    assert both(found) == [ArmCounts(canary=Counts(0, 0), stable=Counts(40, 0))]
    assert found.no_data is not None
    assert found.no_data.detail.endswith("a pod of checkout-canary as pod, though of checkout")
    named = look(collector_for(world), world, 8, replace(PAID, objectives=(ERRORS, by_workload))).no_data
    assert named is not None
    assert named.detail.endswith('with namespace="shop" and app="checkout-canary"')


def test_a_stable_of_which_nothing_is_scraped_is_not_waited_for() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    payments(world, -2, (GOOD, 100))
    payments(world, 3, (GOOD, 140))
    found = look(collector_for(world), world, 8, PAID)
    assert both(found) == [ArmCounts(canary=Counts(40, 0), stable=Counts(0, 0))]
    assert found.no_data is None


def test_a_canary_that_is_scraped_no_more_is_no_data_after_a_few_intervals_though_requests_go_on() -> None:
    world = MetricsWorld()
    requests(world, *range(-21, 60, 5))
    for at in range(-22, 14, 5):
        payments(world, at, (GOOD, 100 + at))
    collector = collector_for(world)
    assert [look(collector, world, at, PAID).no_data for at in range(17, 42, 5)] == [None] * 5
    gone = look(collector, world, 42, PAID)
    assert gone.no_data is not None
    assert gone.no_data.reason is NoDataReason.ABSENT
    assert "payments_total" in gone.no_data.detail
    assert spans(gone)[-1] == (35, 40)


def test_an_application_that_is_scraped_less_often_than_the_proxies_is_not_called_absent() -> None:
    world = MetricsWorld()
    requests(world, *range(-301, 480, 5))
    for at in (-298, -238, -178, -118, -58, 2, 62, 122, 242, 302, 362, 422):  # One scrape failed, at 182.
        payments(world, at, (GOOD, 1000 + at))
    collector = collector_for(world)
    for at in range(7, 480, 5):
        assert look(collector, world, at, PAID).no_data is None
    # Nothing in most windows is no evidence; in all of them together, everything is.
    found = canary(measured(collector, PAID), "payments")
    assert sum(found, Counts(0, 0)) == Counts(480, 0)
    assert (found.count(Counts(60, 0)), found.count(Counts(120, 0))) == (6, 1)


def test_the_first_events_of_a_pod_that_is_as_old_as_the_step_are_counted_from_the_first() -> None:
    world = MetricsWorld()
    requests(world, -6, -1, 4)
    # A new process, of which the first scrape brings events already.
    world.scrape(3, [(GOOD, 6), (FAILED, 2)], client="new:8080", pod=CANARY_POD, started_at=-4)
    # An old process that had no event before, and was scraped.
    for at in (-7, -2):
        payments(world, at, pod=STABLE_POD)
    payments(world, 3, (GOOD, 4), pod=STABLE_POD)
    assert both(look(collector_for(world), world, 8, PAID)) == [ArmCounts(Counts(8, 2), Counts(4, 0))]


def test_an_application_that_restarts_beside_its_proxy_is_counted_on_and_so_is_the_proxy() -> None:
    world = MetricsWorld()
    agent = ({"__name__": AGENT_START}, EPOCH - 5000)
    pod = CANARY_POD

    # One scrape brings both, as Istio merges them. The application restarts at 1; its proxy goes on counting.
    world.scrape(-1, [(OK, 1000), (GOOD, 50), agent], client="a:15020", pod=pod, started_at=-4000)
    world.scrape(4, [(OK, 1040), (GOOD, 60), agent], client="a:15020", pod=pod, started_at=1)
    world.scrape(9, [(OK, 1050), (GOOD, 65), agent], client="a:15020", pod=pod, started_at=1)
    found = look(collector_for(world), world, 12, PAID)
    assert canary(found) == [Counts(40, 0), Counts(10, 0)]
    assert canary(found, "payments") == [Counts(60, 0), Counts(5, 0)]


def test_windows_are_those_in_which_requests_were_scraped_and_no_event_is_lost_between_them() -> None:
    world = MetricsWorld()
    requests(world, -6, -1, 4, 19)
    for at in range(-7, 25, 5):
        payments(world, at, (GOOD, 100 + at))
    collector = collector_for(world)
    early = look(collector, world, 12, PAID)
    assert spans(early) == [(0, 5)]
    found = look(collector, world, 22, PAID)
    assert spans(found) == [(0, 5), (5, 20)]
    assert canary(found, "payments") == [Counts(5, 0), Counts(15, 0)]
    assert spans(look(collector_for(world), world, 22, evaluated(PAID, 5))) == [(5, 20)]
    fresh = look(collector_for(world), world, 22, evaluated(PAID, 5))
    assert fresh.windows == found.windows[1:]


def test_requests_that_are_scraped_no_more_are_no_data_though_events_go_on() -> None:
    world = MetricsWorld()
    requests(world, -11, -6, -1, 4)
    for at in range(-12, 60, 5):
        payments(world, at, (GOOD, 100 + at))
    gone = look(collector_for(world), world, 32, PAID)
    assert spans(gone) == [(0, 5)]
    assert gone.no_data is not None
    assert "istio_requests_total" in gone.no_data.detail


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_an_event_count_that_is_no_count_is_reported(value: float) -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    payments(world, -2, (GOOD, 100))
    payments(world, 3, (GOOD, value))
    found = look(collector_for(world), world, 8, PAID).no_data
    assert found is not None
    assert found.reason is NoDataReason.NOT_A_NUMBER
    assert "payments_total" in found.detail


@pytest.mark.parametrize("seed", range(5))
def test_every_event_is_counted_once_through_births_restarts_vanished_pods_and_failed_scrapes(
    seed: int,
) -> None:
    world, requested, paid = payments_churn(seed, begin=-30, end=201)
    found = look(collector_for(world), world, 202, PAID)
    assert sum(both(found), ArmCounts()) == paid
    assert sum(canary(found), Counts(0, 0)) == requested
    assert min(paid.canary.bad, paid.stable.bad) > 20


def test_a_collector_that_starts_in_the_middle_counts_events_as_the_one_before_would_have_gone_on() -> None:
    world, _, _ = payments_churn(seed=7, begin=-400, end=196)
    through = collector_for(world)
    for at in range(10, 196, 7):
        look(through, world, at, PAID)
    whole = look(through, world, 195, PAID)
    for restart in (35, 95, 150):
        fresh = look(collector_for(world), world, 195, evaluated(PAID, restart))
        assert fresh.windows == tuple(w for w in whole.windows if w.window.start >= EPOCH + restart)


def test_two_releases_of_one_template_share_one_look_and_get_each_their_own() -> None:
    world = MetricsWorld()
    requests(world, -1, 4)
    orders = replace(
        PAID,
        release="orders-1",
        stable_workload="orders",
        canary_workload="orders-canary",
        hosts=frozenset({"orders.shop.svc.cluster.local"}),
    )
    world.scrape(-1, [(request_labels("orders", destination_service=next(iter(orders.hosts))), 5)])
    world.scrape(4, [(request_labels("orders", destination_service=next(iter(orders.hosts))), 6)])
    for workload, rate in (("checkout-canary", 1), ("orders-canary", 2)):
        for at in (-2, 3):
            payments(world, at, (GOOD, 100 + rate * at), pod=pod_of(workload))
    collector = collector_for(world)
    world.now_at = EPOCH + 8
    collector.tick([PAID, orders])
    assert len(world.fetches) == 1
    assert canary(measured(collector, PAID), "payments") == [Counts(5, 0)]
    assert canary(measured(collector, orders), "payments") == [Counts(10, 0)]

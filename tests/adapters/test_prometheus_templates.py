"""Claims about an application's own counters in a real Prometheus: what it holds is counted to the event."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from canary.adapters.prometheus.access import PrometheusAccess
from canary.adapters.prometheus.client import PrometheusSource
from canary.app.book import Timing
from canary.app.collector import Collector
from canary.domain.measurement import ArmCounts, Counts, NoDataReason
from canary.domain.metric_template import Counter, MetricTemplate
from canary.domain.plan import Objective
from tests.adapters.prometheus_rig import backfill, running_prometheus
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
)
from tests.app.payments_world import payments_churn

END = 200
PAID = replace(TARGET, objectives=(ERRORS, PAYMENTS))


@dataclass(frozen=True)
class Stored:
    """A world, what happened in it, and a Prometheus that holds it."""

    world: MetricsWorld
    requests: Counts
    payments: ArmCounts
    source: PrometheusSource

    def collector(self) -> Collector:
        return Collector(self.source, self.world, "stored", self.world, Timing())  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    world, requests, payments = payments_churn(seed=11, begin=-400, end=END + 1)
    directory: Path = tmp_path_factory.mktemp("payments")
    backfill(directory / "data", world.openmetrics())
    with running_prometheus(directory) as url:
        source = PrometheusSource(PrometheusAccess(url), world)
        yield Stored(world, requests, payments, source)
        source.close()


def paid_by(**template: object) -> Objective:
    return replace(PAYMENTS, template=replace(PAYMENT_TEMPLATE, **template))  # type: ignore[arg-type]


def test_every_event_is_counted_through_births_restarts_vanished_pods_and_failed_scrapes(
    stored: Stored,
) -> None:
    found = look(stored.collector(), stored.world, END + 2, PAID)
    assert sum((each.counts["payments"] for each in found.windows), ArmCounts()) == stored.payments
    assert sum(canary(found), Counts(0, 0)) == stored.requests
    assert min(stored.payments.canary.bad, stored.payments.stable.bad) > 20
    assert found.no_data is None
    assert found.windows == look(collector_for(stored.world), stored.world, END + 2, PAID).windows


def test_a_restart_in_the_middle_changes_no_window(stored: Stored) -> None:
    through = stored.collector()
    for at in range(20, END + 3, 13):
        look(through, stored.world, at, PAID)
    whole = look(through, stored.world, END + 2, PAID)
    for restart in (50, 145):
        fresh = look(stored.collector(), stored.world, END + 2, evaluated(PAID, restart))
        later = [each for each in whole.windows if each.window.start >= EPOCH + restart]
        assert later
        assert list(fresh.windows) == later


def test_two_objectives_of_one_metric_are_counted_beside_each_other(stored: Stored) -> None:
    lost = replace(
        PAYMENTS,
        name="lost",
        template=MetricTemplate(Counter("payments_total"), Counter("payments_total", {"result": ("lost",)})),
    )
    target = replace(PAID, objectives=(ERRORS, PAYMENTS, lost))
    found = look(stored.collector(), stored.world, END + 2, target)
    all_bad = sum((each.counts["payments"] for each in found.windows), ArmCounts())
    all_lost = sum((each.counts["lost"] for each in found.windows), ArmCounts())
    assert all_bad == stored.payments
    assert all_lost.canary.requests == all_bad.canary.requests
    assert 0 < all_lost.canary.bad < all_bad.canary.bad


@pytest.mark.parametrize(
    "objective",
    [
        paid_by(total=Counter("refunds_total")),
        paid_by(total=Counter("payments_total", {"result": ("refunded",)})),
        paid_by(namespace_label="exported_namespace"),
        paid_by(pod_label="exported_pod"),
        paid_by(workload_label="app"),
    ],
    ids=["metric", "where", "namespace", "pod", "workload"],
)
def test_a_template_that_finds_nothing_is_no_data_that_names_it_and_requests_are_counted_all_the_same(
    stored: Stored, objective: Objective
) -> None:
    found = look(stored.collector(), stored.world, 17, replace(PAID, objectives=(ERRORS, objective)))
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.ABSENT
    assert found.no_data.detail.startswith("payments: nothing of")
    assert {name for each in found.windows for name in each.counts} == {"errors"}
    assert len(found.windows) == 3


def test_the_query_for_explain_can_be_asked_as_it_stands(stored: Stored) -> None:
    rows = stored.source._matrix(stored.source.queries(PAID)["payments_total"], EPOCH + 15)
    assert {row.labels["result"] for row in rows} == {"ok", "failed", "lost"}
    assert all(EPOCH + 10 <= sample.at <= EPOCH + 15 for row in rows for sample in row.samples)

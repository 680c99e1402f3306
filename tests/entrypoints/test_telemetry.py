"""Telemetry: what a scrape of the controller shows, with labels that stay bounded."""

from dataclasses import replace

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from canary.app.ports import Telemetry
from canary.domain.plan import ServiceKey
from canary.domain.release import Phase
from canary.entrypoints.telemetry import MOST_OUTCOMES, PrometheusTelemetry
from tests.entrypoints.examples import BAKING, EVERY_MOMENT, KEY, PENDING, ROLLED_BACK, SUSPECTED

OTHER = ServiceKey("pay", "ledger")
SERVICE = {"namespace": KEY.namespace, "service": KEY.name}


def value(telemetry: PrometheusTelemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def series_of(telemetry: PrometheusTelemetry, key: ServiceKey) -> list[str]:
    return sorted(
        sample.name
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.labels.get("namespace") == key.namespace and sample.labels.get("service") == key.name
    )


def test_release_has_one_phase_and_its_weight_and_step() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.release_observed(PENDING)
    telemetry.release_observed(BAKING)
    phases = {
        phase: value(telemetry, "canary_release_phase", **SERVICE, phase=phase.value) for phase in Phase
    }
    assert phases == {phase: 1.0 if phase is Phase.PROGRESSING else 0.0 for phase in Phase}
    assert value(telemetry, "canary_release_weight_percent", **SERVICE) == 10.0
    assert value(telemetry, "canary_release_step", **SERVICE) == 1.0


def test_evidence_against_a_canary_shows_before_it_convicts() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.release_observed(SUSPECTED)
    reached = value(telemetry, "canary_release_evidence_percent", **SERVICE)
    assert reached is not None
    assert 0.0 <= reached < 100.0


def test_release_that_ended_is_counted_once() -> None:
    telemetry = PrometheusTelemetry()
    for release in (BAKING, ROLLED_BACK, ROLLED_BACK):
        telemetry.release_observed(release)
    labels = {**SERVICE, "phase": "RolledBack"}
    assert value(telemetry, "canary_releases_finished_total", **labels) == 1.0


def test_service_that_is_gone_leaves_no_series() -> None:
    telemetry = PrometheusTelemetry()
    for release in EVERY_MOMENT:
        telemetry.release_observed(release)
    telemetry.release_observed(replace(PENDING, key=OTHER))
    before = series_of(telemetry, OTHER)
    telemetry.forget(KEY)
    assert (series_of(telemetry, KEY), series_of(telemetry, OTHER)) == ([], before)


def test_forgetting_what_was_never_seen_is_fine() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.forget(KEY)
    assert series_of(telemetry, KEY) == []


def test_release_whose_step_its_plan_lacks_raises_nothing_and_can_be_forgotten() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.release_observed(replace(BAKING, step=99))
    telemetry.forget(KEY)
    assert series_of(telemetry, KEY) == []


def test_passes_are_counted_and_timed_by_outcome_not_by_service() -> None:
    telemetry = PrometheusTelemetry()
    for key in (KEY, OTHER):
        telemetry.pass_finished(key, "done", 0.02)
    telemetry.pass_finished(KEY, "conflict", 0.5)
    assert value(telemetry, "canary_reconcile_passes_total", outcome="done") == 2.0
    assert value(telemetry, "canary_reconcile_seconds_sum", outcome="conflict") == 0.5


def test_queries_are_counted_and_timed_by_provider_and_outcome() -> None:
    telemetry = PrometheusTelemetry()
    telemetry.query_finished("default", "ok", 0.25)
    telemetry.query_finished("default", "Timeout", 10.0)
    labels = {"provider": "default", "outcome": "Timeout"}
    assert value(telemetry, "canary_queries_total", **labels) == 1.0
    assert value(telemetry, "canary_query_seconds_sum", **labels) == 10.0


def test_words_that_are_not_ours_cannot_grow_the_metrics_without_end() -> None:
    telemetry = PrometheusTelemetry()
    for number in range(10 * MOST_OUTCOMES):
        telemetry.pass_finished(KEY, f"outcome-{number}", 0.1)
        telemetry.query_finished(f"provider-{number}", f"outcome-{number}", 0.1)
    counters = {"canary_reconcile_passes_total", "canary_queries_total"}
    samples = [
        sample
        for family in telemetry.registry.collect()
        for sample in family.samples
        if sample.name in counters
    ]
    assert len(samples) == 2 * (MOST_OUTCOMES + 1)
    assert sum(sample.value for sample in samples) == 20 * MOST_OUTCOMES


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_senseless_duration_counts_as_zero_and_raises_nothing(seconds: float) -> None:
    telemetry = PrometheusTelemetry()
    telemetry.pass_finished(KEY, "done", seconds)
    assert value(telemetry, "canary_reconcile_seconds_sum", outcome="done") == 0.0


def test_leader_gauge_follows_leadership() -> None:
    telemetry = PrometheusTelemetry()
    seen = [value(telemetry, "canary_leader")]
    for leads in (True, False):
        telemetry.leading(leads)
        seen.append(value(telemetry, "canary_leader"))
    assert seen == [0.0, 1.0, 0.0]


def test_age_of_a_watch_is_read_when_metrics_are_scraped() -> None:
    telemetry, ages = PrometheusTelemetry(), {"/api/v1/services": 1.5}
    telemetry.report_watches(lambda: ages)
    ages["/api/v1/services"] = 60.0
    assert value(telemetry, "canary_watch_age_seconds", watch="/api/v1/services") == 60.0


def test_watch_whose_age_cannot_be_read_leaves_the_other_metrics() -> None:
    def broken() -> dict[str, float]:
        raise RuntimeError("dictionary changed size during iteration")

    telemetry = PrometheusTelemetry()
    telemetry.report_watches(broken)
    telemetry.report_watches(lambda: {"/api/v1/services": 2.0})
    assert value(telemetry, "canary_watch_age_seconds", watch="/api/v1/services") == 2.0
    assert value(telemetry, "canary_leader") == 0.0


def test_every_metric_is_ours_by_name_and_prometheus_can_read_it() -> None:
    telemetry = PrometheusTelemetry()
    port: Telemetry = telemetry
    port.release_observed(BAKING)
    port.pass_finished(KEY, "done", 0.1)
    port.query_finished("default", "ok", 0.1)
    text = generate_latest(telemetry.registry).decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert names
    assert all(name.startswith("canary_") for name in names)
    assert "canary_build_info{" in text

"""Claims about how bad requests come: pods' own counts stay beside what judges, and history comes once."""

from dataclasses import replace

import pytest

from canary.domain.measurement import Counts, NoData, NoDataReason
from tests.app.metrics_world import (
    EPOCH,
    SLO,
    TARGET,
    MetricsWorld,
    bucket_labels,
    canary,
    collector_for,
    evaluated,
    look,
    measured,
    pod_of,
    request_labels,
    spans,
)

AT_FIRST = replace(TARGET, history_until=EPOCH)


def scrape_gateway(world: MetricsWorld, at: float, requests: int, bad: int = 0) -> None:
    rows = [(request_labels("checkout"), requests - bad), (request_labels("checkout", "503"), bad)]
    world.scrape(at, [*rows, (request_labels(), requests)], started_at=-99999)


def scrape_pod(world: MetricsWorld, at: float, number: int, requests: int, bad: int = 0) -> None:
    own = {"reporter": "destination"}
    rows = [
        (request_labels("checkout", **own), requests - bad),
        (request_labels("checkout", "503", **own), bad),
    ]
    world.scrape(at, rows, client=f"10.0.0.{number}:15020", pod=pod_of("checkout", number), started_at=-99999)


def test_what_pods_count_themselves_is_kept_beside_what_judges() -> None:
    world = MetricsWorld()
    for at, requests in ((-1, 0), (4, 30)):
        scrape_gateway(world, at, requests)
        scrape_pod(world, at, 0, requests // 3, bad=requests // 10)
        scrape_pod(world, at, 1, 2 * requests // 3)
    found = look(collector_for(world), world, 8).windows[0]
    assert found.counts["errors"].stable == Counts(30, 0)
    assert found.unattributed == Counts(60, 0)
    parts = [part for part in found.stable_parts["errors"] if part.requests]
    assert sorted(parts, key=lambda part: part.requests) == [Counts(10, 3), Counts(20, 0)]


def test_what_pods_count_is_shown_beside_what_clients_do_and_the_other_way_round() -> None:
    for reporter, judged, beside in (("source", 30, 36), ("destination", 36, 30)):
        world = MetricsWorld()
        for at, requests in ((-1, 0), (4, 30)):
            scrape_gateway(world, at, requests)
            scrape_pod(world, at, 0, requests + requests // 5, bad=requests // 5)
        found = look(collector_for(world), world, 8, replace(TARGET, reporter=reporter)).windows[0]
        assert found.reporter == reporter
        assert found.counts["errors"].stable.requests == judged
        assert found.beside["errors"].stable.requests == beside


def test_latency_is_told_apart_by_pods_too_and_their_other_buckets_are_no_complaint() -> None:
    world, target = MetricsWorld(), SLO
    for at, requests in ((-1, 0), (4, 30)):
        rows = [(bucket_labels(le, "checkout"), requests) for le in ("500", "+Inf")]
        world.scrape(at, [(request_labels("checkout"), requests), *rows], started_at=-99999)
        for number, edge in enumerate(("500", "750")):
            own = [
                (bucket_labels(edge, "checkout", reporter="destination"), requests // 3),
                (bucket_labels("+Inf", "checkout", reporter="destination"), requests // 2),
            ]
            client, pod = f"10.0.0.{number}:15020", pod_of("checkout", number)
            world.scrape(at, own, client=client, pod=pod, started_at=-99999)
    found = look(collector_for(world), world, 8, target)
    assert found.no_data is None
    assert found.windows[0].counts["latency"].stable == Counts(30, 0)
    parts = [part for part in found.windows[0].stable_parts["latency"] if part.requests]
    assert parts == [Counts(15, 5)]


def test_by_the_pods_own_count_they_both_judge_and_are_told_apart() -> None:
    world, target = MetricsWorld(), replace(TARGET, reporter="destination")
    for at, requests in ((-1, 0), (4, 30)):
        scrape_gateway(world, at, 7 * requests)
        scrape_pod(world, at, 0, requests, bad=requests // 10)
    found = look(collector_for(world), world, 8, target).windows[0]
    assert found.counts["errors"].stable == Counts(30, 3)
    assert [part for part in found.stable_parts["errors"] if part.requests] == [Counts(30, 3)]


def test_pods_that_are_scraped_make_no_window_of_one_in_which_what_judges_was_not() -> None:
    world = MetricsWorld()
    for at in (-1, 4, 9, 14):
        scrape_pod(world, at, 0, 10 * at + 10)
        if at != 9:
            scrape_gateway(world, at, 10 * at + 10)
    found = look(collector_for(world), world, 18)
    assert spans(found) == [(0, 5), (5, 15)]
    assert [sum(part.requests for part in each.stable_parts["errors"]) for each in found.windows] == [50, 100]


def test_history_ends_where_the_release_begins_and_goes_back_as_far_as_is_bounded() -> None:
    world = MetricsWorld()
    for at in range(-4000, 20, 5):
        scrape_gateway(world, at - 1, 10 * (at + 4000), bad=at + 4000)
    history = look(collector_for(world), world, 8, AT_FIRST).history
    assert history is not None
    assert history[-1].window.end == EPOCH
    assert history[0].window.start == EPOCH - 3600
    assert {each.counts["errors"].stable for each in history} == {Counts(100, 10)}
    quick = replace(AT_FIRST, window_seconds=1.0)
    history = look(collector_for(world), world, 8, quick).history
    assert history is not None
    assert history[0].window.start == EPOCH - 720


def test_history_is_asked_for_once_and_never_again_when_it_was_learned() -> None:
    world = MetricsWorld()
    for at in range(-100, 60, 5):
        scrape_gateway(world, at - 1, 10 * (at + 100))
    collector = collector_for(world)
    assert look(collector, world, 8, AT_FIRST).history
    asked = len(world.fetches)
    assert canary(look(collector, world, 13, AT_FIRST)) == [Counts(50, 0)] * 2
    assert len(world.fetches) == asked + 1
    later = evaluated(TARGET, 10)
    world.now_at = EPOCH + 18
    collector.tick([later])
    assert spans(measured(collector, later)) == [(10, 15)]
    assert len(world.fetches) == asked + 2


@pytest.mark.parametrize(
    ("reason", "is_asked_again"), [(NoDataReason.TIMEOUT, True), (NoDataReason.REJECTED, False)]
)
def test_history_that_cannot_be_had_holds_nobody_up(reason: NoDataReason, is_asked_again: bool) -> None:
    world = MetricsWorld()
    for at in range(-100, 60, 5):
        scrape_gateway(world, at - 1, 10 * (at + 100))
    collector = collector_for(world)

    def fail_for_long_ranges() -> None:
        is_long = world.fetches[-1][2] > 1000
        world.failure = NoData(reason, "too much", EPOCH) if is_long else None

    world.on_fetch = fail_for_long_ranges
    found = look(collector, world, 8, AT_FIRST)
    assert spans(found) == [(0, 5)]
    assert found.no_data is None
    assert found.history == (None if is_asked_again else ())
    world.on_fetch = lambda: None
    world.failure = None
    history = look(collector, world, 13, AT_FIRST).history
    assert bool(history) == is_asked_again


def test_of_a_service_that_has_just_begun_there_is_no_history_to_wait_for() -> None:
    world = MetricsWorld()
    scrape_gateway(world, 4, 50)
    found = look(collector_for(world), world, 8, AT_FIRST)
    assert found.history == ()

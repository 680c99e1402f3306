"""Claims about latency objectives: bucket edges, slow answers, and buckets that come apart."""

from canary.domain.measurement import Counts, NoDataReason
from tests.app.metrics_world import (
    SLO,
    MetricsWorld,
    bucket_labels,
    canary,
    collector_for,
    look,
    request_labels,
)

OK = request_labels()


def test_slow_is_what_is_above_the_bound() -> None:
    world = MetricsWorld()
    world.scrape(-1, [(OK, 100), (bucket_labels("500"), 90), (bucket_labels("+Inf"), 100)])
    world.scrape(4, [(OK, 120), (bucket_labels("500"), 107), (bucket_labels("+Inf"), 120)])
    assert canary(look(collector_for(world), world, 7, SLO), "latency") == [Counts(20, 3)]


def test_a_bound_is_found_however_its_edge_is_written() -> None:
    for text in ("500", "500.0", "5e+02"):
        world = MetricsWorld()
        world.scrape(-1, [(OK, 100), (bucket_labels(text), 90), (bucket_labels("+Inf"), 100)])
        world.scrape(4, [(OK, 120), (bucket_labels(text), 107), (bucket_labels("+Inf"), 120)])
        assert canary(look(collector_for(world), world, 7, SLO), "latency") == [Counts(20, 3)]


def test_a_bound_that_is_no_edge_is_refused_and_the_nearest_are_named_once() -> None:
    world = MetricsWorld(edges=(100.0, 250.0, 1000.0, float("inf")))
    for at in (-1, 4, 9):
        world.scrape(at, [(OK, 100 + at), (bucket_labels("+Inf"), 100 + at)])
    collector = collector_for(world)
    for at in (7, 12):
        found = look(collector, world, at, SLO)
        assert found.no_data is not None
        assert found.no_data.reason is NoDataReason.NOT_A_BUCKET
        assert "500 ms" in found.no_data.detail
        assert "250 ms and 1000 ms" in found.no_data.detail
    assert world.edge_lookups == 1


def test_errors_are_still_counted_while_the_latency_bound_cannot_be() -> None:
    world = MetricsWorld()
    bad = request_labels(code="500")
    world.scrape(-1, [(OK, 100), (bad, 0), (bucket_labels("+Inf"), 100)])
    world.scrape(4, [(OK, 100), (bad, 9), (bucket_labels("+Inf"), 109)])
    found = look(collector_for(world), world, 7, SLO)
    assert canary(found) == [Counts(9, 9)]
    assert "latency" not in found.windows[0].counts


def test_requests_without_a_histogram_are_no_data() -> None:
    world = MetricsWorld()
    for at in (-1, 4):
        world.scrape(at, [(OK, 100 + at)])
    found = look(collector_for(world), world, 7, SLO)
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.ABSENT
    assert "latency" not in found.windows[0].counts


def test_a_native_histogram_is_refused_with_what_to_do_and_asked_for_once() -> None:
    world = MetricsWorld(is_native=True)
    for at in (-1, 4, 9):
        world.scrape(at, [(OK, 100 + at)])
    collector = collector_for(world)
    for at in (7, 12):
        found = look(collector, world, at, SLO)
        assert found.no_data is not None
        assert found.no_data.reason is NoDataReason.NATIVE_HISTOGRAM
        assert "always_scrape_classic_histograms: true" in found.no_data.detail
        assert canary(found)[-1].requests == 5
    assert world.edge_lookups == 1


def test_a_bucket_that_comes_later_than_its_total_does_not_make_requests_look_slow() -> None:
    world = MetricsWorld()
    world.scrape(-1, [(OK, 100), (bucket_labels("500"), 100), (bucket_labels("+Inf"), 100)])
    world.scrape(4, [(OK, 120), (bucket_labels("+Inf"), 120)])
    world.scrape(4, [(bucket_labels("500"), 119)], delay=6)
    world.scrape(9, [(OK, 130), (bucket_labels("500"), 129), (bucket_labels("+Inf"), 130)])
    collector = collector_for(world)
    assert canary(look(collector, world, 7, SLO), "latency") == [Counts(0, 0)]
    assert canary(look(collector, world, 12, SLO), "latency") == [Counts(0, 0), Counts(30, 1)]


def test_a_client_that_gives_up_after_the_bound_has_seen_a_slow_answer_and_one_before_it_none() -> None:
    world = MetricsWorld()
    gone = {"code": "0", "response_flags": "DC"}

    def scrape(at: float, fast: int, slow: int, gone_fast: int, gone_slow: int) -> None:
        world.scrape(
            at,
            [
                (OK, fast + slow),
                (bucket_labels("500"), fast),
                (bucket_labels("+Inf"), fast + slow),
                (bucket_labels("500", **gone), gone_fast),
                (bucket_labels("+Inf", **gone), gone_fast + gone_slow),
            ],
        )

    scrape(-1, 0, 0, 0, 0)
    scrape(4, 10, 2, 5, 3)
    assert canary(look(collector_for(world), world, 7, SLO), "latency") == [Counts(15, 5)]

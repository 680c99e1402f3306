"""Claims about windows: what is counted where, what is said of silence, what survives a restart."""

from dataclasses import replace

import pytest

from canary.app.book import Timing
from canary.domain.measurement import ArmCounts, Counts, NoData, NoDataReason
from tests.app.metrics_world import (
    EPOCH,
    HOST,
    TARGET,
    MetricsWorld,
    canary,
    churn,
    collector_for,
    evaluated,
    look,
    measured,
    request_labels,
    spans,
)

OK, BAD = request_labels(), request_labels(code="503")
STABLE = request_labels("checkout")


def steady(world: MetricsWorld, begin: int, end: int, every: int = 5, offset: float = -1.0) -> None:
    """Ten requests to the canary a scrape, one of them bad."""
    for at in range(begin, end, every):
        scrapes = (at - begin) // every
        world.scrape(at + offset, [(OK, 100 + 9 * scrapes), (BAD, 10 + scrapes)], started_at=-9999)


def test_each_window_is_counted_by_itself() -> None:
    world = MetricsWorld()
    steady(world, -20, 21)
    found = look(collector_for(world), world, 17)
    assert spans(found) == [(0, 5), (5, 10), (10, 15)]
    assert canary(found) == [Counts(10, 1)] * 3
    assert found.no_data is None


def test_both_arms_and_the_unattributed_are_told_apart() -> None:
    world = MetricsWorld()
    lost = request_labels("unknown", "503", response_flags="UH")
    foreign = request_labels("third-party")
    world.scrape(-1, [(OK, 1), (STABLE, 1), (lost, 1), (foreign, 1)])
    world.scrape(4, [(OK, 4), (STABLE, 8), (lost, 3), (foreign, 2)])
    found = look(collector_for(world), world, 8)
    assert found.windows[0].counts == {"errors": ArmCounts(canary=Counts(3, 0), stable=Counts(7, 0))}
    assert found.windows[0].unattributed == Counts(3 + 7 + 2 + 1, 2)


def test_a_canary_that_appears_with_errors_before_its_first_scrape_is_counted_from_its_first_request() -> (
    None
):
    world = MetricsWorld()
    world.scrape(-6, [(STABLE, 900)], started_at=-5000)
    world.scrape(-1, [(STABLE, 900)], started_at=-5000)
    world.scrape(4, [(STABLE, 900), (BAD, 5)], started_at=-5000)
    assert canary(look(collector_for(world), world, 8)) == [Counts(5, 5)]


def test_the_first_request_of_an_old_client_to_the_service_is_counted() -> None:
    world = MetricsWorld()
    world.scrape(-1, [(STABLE, 0)], client="other", started_at=-5000)
    world.scrape(4, [(STABLE, 0)], client="other", started_at=-5000)
    # Up and scraped, though there is nothing of the service yet; its process is old.
    world.scrape(-1, [], client="late", started_at=-5000)
    world.scrape(4, [(BAD, 3)], client="late", started_at=-5000)
    assert canary(look(collector_for(world), world, 8)) == [Counts(3, 3)]


def test_a_late_sample_counts_in_full_in_the_window_in_which_it_is_seen() -> None:
    world = MetricsWorld()
    world.scrape(-1, [(OK, 0)], client="slow", started_at=-9)
    world.scrape(4, [(OK, 7)], client="slow", started_at=-9, delay=9)
    world.scrape(-1, [(OK, 0)], started_at=-9)
    for at in (4, 9, 14):
        world.scrape(at, [(OK, at)], started_at=-9)
    collector = collector_for(world)
    assert canary(look(collector, world, 8)) == [Counts(4, 0)]
    assert canary(look(collector, world, 17)) == [Counts(4, 0), Counts(5 + 7, 0), Counts(5, 0)]


def test_a_window_without_any_sample_is_passed_over_and_its_requests_are_in_the_next() -> None:
    world = MetricsWorld()
    for at, value in [(-1, 10), (4, 11), (19, 41), (24, 42)]:
        world.scrape(at, [(OK, value)])
    collector = collector_for(world)
    assert spans(look(collector, world, 17)) == [(0, 5)]
    found = look(collector, world, 27)
    assert spans(found) == [(0, 5), (5, 20), (20, 25)]
    assert canary(found) == [Counts(1, 0), Counts(30, 0), Counts(1, 0)]
    assert found.no_data is None


def test_silence_is_no_data_and_never_zero() -> None:
    world = MetricsWorld()
    found = look(collector_for(world), world, 20)
    assert found.windows == ()
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.ABSENT
    assert HOST in found.no_data.detail


def test_samples_that_end_are_no_data_after_a_few_intervals_and_not_between_two_scrapes() -> None:
    world = MetricsWorld()
    target = replace(TARGET, window_seconds=1.0)
    for at in range(-30, 16, 15):
        world.scrape(at, [(OK, at + 30)])
    collector = collector_for(world)
    assert look(collector, world, 29, target).no_data is None
    gone = look(collector, world, 70, target)
    assert spans(gone)[-1][1] == 15
    assert gone.no_data is not None
    assert gone.no_data.reason is NoDataReason.ABSENT


def test_a_failed_look_says_why_and_the_next_one_makes_up_for_it() -> None:
    world = MetricsWorld()
    steady(world, -20, 60)
    collector = collector_for(world)
    look(collector, world, 12)
    world.failure = NoData(NoDataReason.UNREACHABLE, "connection refused", EPOCH + 40)
    down = look(collector, world, 40)
    assert down.no_data == world.failure
    assert len(down.windows) == 2
    world.failure = None
    up = look(collector, world, 42)
    assert up.no_data is None
    assert canary(up) == [Counts(10, 1)] * 8
    assert world.outcomes == ["default ok", "default Unreachable", "default ok"]


def test_windows_are_the_same_each_time_until_they_are_evaluated_and_saved() -> None:
    world = MetricsWorld()
    steady(world, -20, 60)
    collector = collector_for(world)
    first = look(collector, world, 22)
    assert look(collector, world, 22) == first
    # The save was lost: the same place is asked for again, after more has come.
    assert look(collector, world, 32).windows[: len(first.windows)] == first.windows
    moved = look(collector, world, 32, evaluated(TARGET, 20))
    assert spans(moved) == [(20, 25), (25, 30)]


def test_a_collector_that_starts_in_the_middle_counts_as_the_one_before_would_have_gone_on() -> None:
    world, _ = churn(seed=7, begin=-400, end=196)
    through = collector_for(world)
    whole = look(through, world, 195)
    for restart in (35, 95, 150):
        fresh = look(collector_for(world), world, 195, evaluated(TARGET, restart))
        assert fresh.windows == tuple(w for w in whole.windows if w.window.start >= EPOCH + restart)
    # Looking at every moment or once makes no difference either.
    often = collector_for(world)
    for at in range(10, 196):
        found = look(often, world, at)
    assert found.windows == whole.windows


@pytest.mark.parametrize("seed", range(5))
def test_every_request_is_counted_once_through_churn_restarts_and_failed_scrapes(seed: int) -> None:
    world, truth = churn(seed, begin=-30, end=201)
    found = look(collector_for(world), world, 202)
    assert sum(canary(found), Counts(0, 0)) == truth
    assert truth.bad > 20


def test_what_was_missed_for_long_is_made_up_for_in_bounded_looks() -> None:
    world = MetricsWorld()
    steady(world, -20, 3000)
    collector = collector_for(world, Timing(catch_up_seconds=600))
    ends = [spans(look(collector, world, 2500))[-1][1] for _ in range(5)]
    assert ends == [600, 1200, 1800, 2400, 2495]
    assert canary(measured(collector)) == [Counts(10, 1)] * 499
    assert max(seconds for _, _, seconds in world.fetches) <= 900


def test_a_release_whose_windows_nobody_takes_is_not_measured_without_bound() -> None:
    world = MetricsWorld()
    steady(world, -20, 3000)
    collector = collector_for(world, Timing(max_windows=10, catch_up_seconds=25))
    for _ in range(6):
        found = look(collector, world, 2500)
    assert len(found.windows) <= 14
    assert spans(look(collector, world, 2500, evaluated(TARGET, 40)))[-1][1] > 70


def test_releases_with_their_own_windows_share_one_query() -> None:
    world = MetricsWorld()
    steady(world, -60, 60, every=1)
    slow = replace(TARGET, release="slow", window_seconds=20.0)
    collector = collector_for(world)
    world.now_at = EPOCH + 2
    collector.tick([TARGET, slow])
    world.now_at = EPOCH + 42
    collector.tick([TARGET, slow])
    world.fetches.clear()
    world.now_at = EPOCH + 62
    collector.tick([TARGET, slow])
    assert len(world.fetches) == 1
    assert spans(measured(collector, slow)) == [(0, 20), (20, 40), (40, 60)]
    assert spans(measured(collector))[-1] == (55, 60)


def test_two_namespaces_that_run_the_same_are_not_mixed_up() -> None:
    world = MetricsWorld()
    steady(world, -20, 30)
    staging = replace(
        TARGET, key=replace(TARGET.key, namespace="staging"), hosts=frozenset({"checkout.staging.svc"})
    )
    collector = collector_for(world)
    world.now_at = EPOCH + 17
    collector.tick([TARGET, staging])
    assert len(measured(collector).windows) == 3
    assert measured(collector, staging).windows == ()


def test_what_one_release_asks_for_does_not_blind_the_others() -> None:
    world = MetricsWorld(poisoned=frozenset({"evil.shop.svc"}))
    steady(world, -20, 30)
    evil = replace(TARGET, release="evil", hosts=frozenset({"evil.shop.svc"}))
    others = [replace(TARGET, release=f"r{n}") for n in range(20)]
    collector = collector_for(world)
    world.now_at = EPOCH + 17
    collector.tick([*others[:13], evil, *others[13:]])
    assert all(len(measured(collector, other).windows) == 3 for other in others)
    refused = measured(collector, evil).no_data
    assert refused is not None
    assert refused.reason is NoDataReason.REJECTED


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -3.0])
def test_a_sample_that_is_no_count_is_reported_and_not_counted(value: float) -> None:
    world = MetricsWorld()
    world.scrape(-1, [(OK, 5), (BAD, 1)])
    world.scrape(4, [(OK, 7), (BAD, value)])
    collector = collector_for(world)
    found = look(collector, world, 7)
    assert found.no_data is not None
    assert found.no_data.reason is NoDataReason.NOT_A_NUMBER
    assert canary(found) == [Counts(2, 0)]


def test_a_client_that_hangs_up_is_neither_a_request_nor_an_error() -> None:
    world = MetricsWorld()
    gone = request_labels(code="0", response_flags="DC")
    world.scrape(-1, [(OK, 0), (gone, 0)])
    world.scrape(4, [(OK, 4), (gone, 9)])
    found = look(collector_for(world), world, 7)
    assert canary(found) == [Counts(4, 0)]
    assert found.windows[0].unattributed == Counts(4, 0)


def test_grpc_failures_that_come_with_http_200_are_errors() -> None:
    world = MetricsWorld()
    series = [request_labels(request_protocol="grpc", grpc_response_status=str(code)) for code in range(17)]
    world.scrape(-1, [(labels, 0) for labels in series])
    world.scrape(4, [(labels, 1) for labels in series])
    assert canary(look(collector_for(world), world, 7)) == [Counts(17, 6)]


def test_a_dip_never_makes_a_count_negative_and_is_made_up_for() -> None:
    world = MetricsWorld()
    for at, value in [(-1, 100), (4, 95), (9, 104), (14, 110)]:
        world.scrape(at, [(OK, value)], started_at=-9999)
    assert canary(look(collector_for(world), world, 17)) == [Counts(0, 0), Counts(4, 0), Counts(6, 0)]


def test_a_release_that_was_evaluated_elsewhere_goes_on_from_there() -> None:
    world = MetricsWorld()
    steady(world, -20, 200)
    collector = collector_for(world)
    look(collector, world, 22)
    elsewhere = look(collector, world, 122, evaluated(TARGET, 100))
    assert spans(elsewhere)[0] == (100, 105)
    assert canary(elsewhere) == [Counts(10, 1)] * 4


def test_releases_that_are_measured_no_more_are_forgotten() -> None:
    world = MetricsWorld()
    steady(world, -20, 30)
    collector = collector_for(world)
    assert look(collector, world, 17).windows
    collector.tick([])
    assert measured(collector).windows == ()


def test_a_release_forgotten_while_it_is_looked_at_stays_forgotten() -> None:
    world = MetricsWorld()
    steady(world, -20, 30)
    collector = collector_for(world)
    world.on_fetch = lambda: collector.tick([])
    assert look(collector, world, 17).windows == ()


def test_the_query_text_is_there_to_be_explained() -> None:
    world = MetricsWorld()
    steady(world, -20, 30)
    assert HOST in look(collector_for(world), world, 17).queries["istio_requests_total"]

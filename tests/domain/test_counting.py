"""Claims about exact differencing of cumulative counters."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from canary.domain.counting import Increment, Memory, Scrape, count, forget_before

GRACE = 300.0


def counted(*scrapes: Scrape, memory: Memory | None = None) -> dict[str, float]:
    _, increments = count(memory or {}, scrapes, GRACE)
    return totals(increments)


def totals(increments: tuple[Increment, ...]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for each in increments:
        sums[each.series] = sums.get(each.series, 0) + each.amount
    return {series: amount for series, amount in sums.items() if amount}


def test_an_old_process_is_counted_from_its_first_sample() -> None:
    assert counted(Scrape("pod", 100, {"a": 7000}), Scrape("pod", 110, {"a": 7003})) == {"a": 3}


def test_a_young_process_is_counted_from_zero() -> None:
    assert counted(Scrape("pod", 100, {"a": 7}, 95), Scrape("pod", 110, {"a": 9}, 95)) == {"a": 9}


def test_a_process_older_than_the_grace_is_not_young() -> None:
    assert counted(Scrape("pod", 1000, {"a": 7}, 1000 - GRACE - 1)) == {}
    assert counted(Scrape("pod", 1000, {"a": 7}, 1000 - GRACE)) == {"a": 7}


def test_a_series_born_on_a_target_that_was_scraped_before_is_counted_from_zero() -> None:
    assert counted(Scrape("pod", 100, {"200": 50}), Scrape("pod", 110, {"200": 50, "503": 5})) == {"503": 5}


def test_the_first_request_through_an_old_client_is_counted_when_the_client_was_seen_up_without_it() -> None:
    assert counted(Scrape("pod", 100, {}), Scrape("pod", 110, {"200": 4})) == {"200": 4}


def test_a_new_process_is_told_by_its_start_even_when_no_value_fell() -> None:
    scrapes = Scrape("pod", 1000, {"a": 3}, 10), Scrape("pod", 1010, {"a": 8}, 1004)
    assert counted(*scrapes) == {"a": 8}


def test_after_a_restart_series_that_come_back_later_are_counted_from_zero() -> None:
    assert counted(
        Scrape("pod", 1000, {"a": 10, "b": 9000}, 10),
        Scrape("pod", 1010, {"a": 2}, 1004),
        Scrape("pod", 1020, {"a": 3, "b": 6}, 1004),
    ) == {"a": 3, "b": 6}


def test_without_a_start_time_a_fall_means_that_the_whole_target_began_anew() -> None:
    scrapes = Scrape("pod", 100, {"200": 10_000, "503": 2}), Scrape("pod", 110, {"200": 20, "503": 4})
    assert counted(*scrapes) == {"200": 20, "503": 4}


def test_a_proxy_that_drops_one_idle_series_does_not_count_its_others_again() -> None:
    scrapes = (
        Scrape("pod", 1000, {"busy": 10_000, "idle": 50}),
        Scrape("pod", 1010, {"busy": 10_010}),
        Scrape("pod", 1020, {"busy": 10_020, "idle": 3}),
    )
    assert counted(*scrapes) == {"busy": 20, "idle": 3}


def test_a_start_time_that_wanders_with_the_clock_is_no_restart() -> None:
    scrapes = Scrape("pod", 9000, {"a": 5000}, 100.0), Scrape("pod", 9010, {"a": 5001}, 101.0)
    assert counted(*scrapes) == {"a": 1}


def test_a_dip_of_a_store_with_two_scrapers_adds_up_to_what_happened() -> None:
    scrapes = [Scrape("pod", 900 + i, {"a": value}, 10) for i, value in enumerate([100, 95, 104, 101, 110])]
    assert counted(*scrapes) == {"a": 10}


def test_a_failed_scrape_loses_nothing() -> None:
    scrapes = [Scrape("pod", 900 + 10 * i, {"a": 100 + 5 * i}, 10) for i in range(10)]
    assert counted(*scrapes) == counted(scrapes[0], *scrapes[5:]) == {"a": 45}


def test_samples_that_were_counted_are_not_counted_again() -> None:
    first = [Scrape("pod", 900 + i, {"a": i}, 10) for i in range(5)]
    memory, _ = count({}, first, GRACE)
    again, increments = count(memory, first, GRACE)
    assert increments == ()
    assert again == memory


def test_a_sample_that_comes_late_is_counted_in_full() -> None:
    early = [Scrape("pod", 100, {"a": 5, "b": 5}), Scrape("pod", 110, {"a": 6})]
    memory, first = count({}, early, GRACE)
    _, second = count(
        memory, [Scrape("pod", 110, {"a": 6, "b": 9}), Scrape("pod", 120, {"a": 6, "b": 9})], GRACE
    )
    assert totals(first) == {"a": 1}
    assert second[0] == Increment("b", 110, 4)
    assert totals(second) == {"b": 4}


def test_a_late_sample_of_a_process_that_has_ended_does_not_count_as_the_new_one() -> None:
    memory, _ = count({}, [Scrape("pod", 1000, {"a": 500}, 10), Scrape("pod", 1020, {"a": 1}, 1015)], GRACE)
    _, increments = count(memory, [Scrape("pod", 1010, {"a": 510, "b": 7}, 10)], GRACE)
    assert increments == ()


def test_a_target_that_is_gone_is_forgotten_and_a_live_one_is_not() -> None:
    memory, _ = count({}, [Scrape("gone", 100, {"a": 1}), Scrape("live", 500, {"a": 1})], GRACE)
    assert set(forget_before(memory, 400)) == {"live"}
    assert forget_before(memory, 50) == memory


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Scrape], dict[str, int]]:
    """Scrapes of some pods through births, restarts and failed scrapes, and how many events they show.

    Every process is scraped once at its end, as a pod that drains is; each knows its start.
    """
    scrapes: list[Scrape] = []
    truth: Counter[str] = Counter()
    for pod in range(draw(st.integers(1, 3))):
        at = 1000.0 + pod
        for _ in range(draw(st.integers(1, 3))):
            started_at, values = at, Counter[str]()
            for last in [*[False] * draw(st.integers(0, 6)), True]:
                at += draw(st.integers(1, 20))
                for code in draw(st.lists(st.sampled_from(["200", "503"]), max_size=3)):
                    amount = draw(st.integers(1, 40))
                    values[f"{pod}/{code}"] += amount
                    truth[f"{pod}/{code}"] += amount
                if last or draw(st.integers(0, 3)):
                    scrapes.append(Scrape(f"pod-{pod}", at, dict(values), started_at))
            at += draw(st.integers(1, 5))
    return scrapes, dict(truth)


@given(histories(), st.lists(st.integers(0, 60), max_size=4))
def test_every_request_is_counted_once_through_births_restarts_and_failed_scrapes(
    history: tuple[list[Scrape], dict[str, int]], cuts: list[int]
) -> None:
    scrapes, truth = history
    scrapes = sorted(scrapes, key=lambda each: each.at)
    memory: Memory = {}
    grown: list[Increment] = []
    # Any partition into looks, each overlapping the one before, counts the same.
    bounds = [0, *sorted(min(cut, len(scrapes)) for cut in cuts), len(scrapes)]
    for begin, end in pairwise(bounds):
        memory, increments = count(memory, scrapes[max(0, begin - 3) : end], GRACE)
        grown += increments
    assert totals(tuple(grown)) == truth

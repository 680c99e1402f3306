"""Claims about the further edges of a latency objective: what each counts, and that nothing waits for it."""

from canary.domain.istio_metrics import DESTINATION
from canary.domain.measurement import ArmCounts, Counts, Measurement
from tests.app.metrics_world import (
    SLO,
    MetricsWorld,
    bucket_labels,
    canary,
    collector_for,
    evaluated,
    look,
    request_labels,
)

OK = request_labels()
EDGES = ("50", "100", "250", "500", "1000", "+Inf")
NAMES = {"latency@50", "latency@100", "latency@250", "latency@1000"}


def histogram(total: int, within: dict[str, int], **more: str) -> list[tuple[dict[str, str], float]]:
    """All buckets; what is not said is within the edge below."""
    rows, seen = [], 0
    for edge in EDGES:
        seen = total if edge == "+Inf" else within.get(edge, seen)
        rows.append((bucket_labels(edge, **more), float(seen)))
    return rows


def without(rows: list[tuple[dict[str, str], float]], *edges: str) -> list[tuple[dict[str, str], float]]:
    return [(labels, value) for labels, value in rows if labels["le"] not in edges]


def edges_of(found: Measurement) -> dict[str, Counts]:
    return {name: seen.canary for name, seen in found.edges.items()}


FIRST = histogram(100, {"50": 80, "100": 90, "250": 95, "1000": 98})
SECOND = histogram(200, {"50": 140, "100": 170, "250": 185, "500": 193, "1000": 198})


def test_each_edge_counts_what_is_slower() -> None:
    world = MetricsWorld()
    world.scrape(-1, [(OK, 100), *FIRST])
    world.scrape(4, [(OK, 200), *SECOND])
    (window,) = look(collector_for(world), world, 7, SLO).windows
    assert window.counts["latency"].canary == Counts(100, 2)
    assert edges_of(window) == {
        "latency@50": Counts(100, 40),
        "latency@100": Counts(100, 20),
        "latency@250": Counts(100, 10),
        "latency@1000": Counts(100, 0),
    }


def test_edges_that_a_histogram_lacks_are_left_out_and_nobody_complains() -> None:
    world = MetricsWorld()
    world.scrape(-1, [(OK, 100), *without(FIRST, "100", "1000")])
    world.scrape(4, [(OK, 200), *without(SECOND, "100", "1000")])
    found = look(collector_for(world), world, 7, SLO)
    assert found.no_data is None
    assert edges_of(found.windows[0]) == {
        "latency@50": Counts(100, 40),
        "latency@250": Counts(100, 10),
    }


def test_an_edge_that_one_of_two_proxies_lacks_is_left_out_whole() -> None:
    world = MetricsWorld()
    for at, rows in ((-1, FIRST), (4, SECOND)):
        world.scrape(at, [(OK, 100), *rows])
        world.scrape(at, [(OK, 100), *without(rows, "250")], client="older")
    (window,) = look(collector_for(world), world, 7, SLO).windows
    assert set(window.edges) == NAMES - {"latency@250"}
    assert window.edges["latency@100"].canary == Counts(200, 40)


def test_only_the_bound_is_a_latency_objective_of_a_usual_kind() -> None:
    world = MetricsWorld()
    world.scrape(-1, [(OK, 100), *without(FIRST, *(set(EDGES) - {"500", "+Inf"}))])
    world.scrape(4, [(OK, 200), *without(SECOND, *(set(EDGES) - {"500", "+Inf"}))])
    found = look(collector_for(world), world, 7, SLO)
    assert (found.no_data, found.windows[0].edges) == (None, {})
    assert canary(found, "latency") == [Counts(100, 2)]


def test_a_bucket_at_a_further_edge_that_comes_late_is_counted_late_and_delays_nothing() -> None:
    world = MetricsWorld()
    late = [row for row in SECOND if row[0]["le"] == "100"]
    third = [(labels, value + 50) for labels, value in SECOND]
    world.scrape(-1, [(OK, 100), *FIRST])
    world.scrape(4, [(OK, 200), *without(SECOND, "100")])
    world.scrape(4, late, delay=6)
    world.scrape(9, [(OK, 250), *third])
    collector = collector_for(world)
    (first,) = look(collector, world, 7, SLO).windows
    assert first.counts["latency"].canary == Counts(100, 2)
    assert first.edges["latency@100"].canary == Counts(0, 0)
    *_, second = look(collector, world, 12, SLO).windows
    assert second.counts["latency"].canary == Counts(50, 0)
    assert second.edges["latency@100"].canary == Counts(150, 20)


def test_buckets_that_contradict_their_total_are_no_scrape_of_that_edge() -> None:
    world = MetricsWorld()
    for at, rows, odd in ((-1, FIRST, 90.0), (4, SECOND, float("nan")), (9, SECOND, 170.0)):
        world.scrape(at, [(OK, 100), *without(rows, "100"), (bucket_labels("100"), odd)])
    collector = collector_for(world)
    found = look(collector, world, 12, SLO)
    assert found.no_data is None
    assert [each.edges["latency@100"].canary for each in found.windows] == [Counts(0, 0), Counts(100, 20)]


def test_a_client_that_gave_up_after_the_edge_has_seen_a_slow_answer_and_one_before_it_none() -> None:
    world = MetricsWorld()
    gone = {"code": "0", "response_flags": "DC"}
    world.scrape(-1, [(OK, 10), *histogram(0, {}), *histogram(0, {}, **gone)])
    world.scrape(4, [(OK, 10), *histogram(10, {"50": 9}), *histogram(8, {"50": 5, "500": 7}, **gone)])
    (window,) = look(collector_for(world), world, 7, SLO).windows
    assert window.edges["latency@50"].canary == Counts(13, 4)
    assert window.edges["latency@1000"].canary == Counts(11, 2)


def test_stables_pods_are_told_apart_at_each_edge() -> None:
    world = MetricsWorld()
    own = {"reporter": DESTINATION}
    for at, rows in ((-1, FIRST), (4, SECOND)):
        world.scrape(at, [(OK, 100), *rows])
        stable = [({**labels, **own, "destination_workload": "checkout"}, value) for labels, value in rows]
        for pod in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
            world.scrape(at, stable, client=pod)
    (window,) = look(collector_for(world), world, 7, SLO).windows
    assert set(window.stable_parts) >= NAMES
    parts = window.stable_parts["latency@100"]
    assert sum(parts, Counts(0, 0)) == Counts(300, 60)
    assert window.edges["latency@100"].stable == Counts(0, 0)


def test_a_restarted_controller_counts_the_edges_as_the_one_before_it() -> None:
    world = MetricsWorld()
    for number in range(12):
        rows = histogram(100 * number, {"50": 60 * number, "100": 70 * number, "500": 98 * number})
        world.scrape(5 * number - 1, [(OK, 100 * number), *rows])
    through = collector_for(world)
    for at in range(7, 60, 5):
        whole = look(through, world, at, SLO)
    later = evaluated(SLO, 30)
    again = look(collector_for(world), world, 57, later)
    assert [each for each in whole.windows if each.window.start >= later.evaluated_until] == list(
        again.windows
    )
    assert again.windows[-1].edges["latency@100"] == ArmCounts(Counts(100, 30), Counts(0, 0))

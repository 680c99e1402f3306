"""The list of the page: every service that is looked after, what needs a person's eye first."""

from dataclasses import replace

from canary.adapters.kube.release_survey import Survey
from canary.domain.observation import Requests
from canary.domain.plan import ServiceKey
from canary.entrypoints.page.content import Overview, Part, lines_of, overview, service_page
from canary.entrypoints.status_view import status_rows
from tests.entrypoints.examples import (
    AT_THE_GATE,
    BAKING,
    EVERY_MOMENT,
    NOW,
    PENDING,
    ROLLED_BACK,
    ROLLING_BACK,
    SUCCEEDED,
    SUSPECTED,
    wishes_of,
)
from tests.entrypoints.pictures import annotated, picture, releases, unreadable


def names(known: Overview) -> list[str]:
    return [f"{line.row.namespace}/{line.row.service}" for line in known.lines]


def test_releases_under_way_come_first_then_trouble_then_the_others() -> None:
    known = picture(
        [
            releases("a/healthy", SUCCEEDED),
            releases("b/failed", ROLLED_BACK),
            releases("c/begun", PENDING),
            releases("a/going", ROLLING_BACK),
        ],
        [annotated("a/typo", stpes="10"), annotated("a/idle"), annotated("a/paused", paused="true")],
    )
    assert names(known) == [
        "a/going",
        "c/begun",
        "a/typo",
        "b/failed",
        "a/healthy",
        "a/idle",
        "a/paused",
    ]
    parts = [line.part for line in known.lines]
    assert parts == [Part.UNDER_WAY] * 2 + [Part.TROUBLE] * 2 + [Part.OTHERS] * 3


def test_every_release_that_is_not_over_counts_as_under_way() -> None:
    known = picture([releases(f"shop/{number}", release) for number, release in enumerate(EVERY_MOMENT)])
    under_way = {line.row.service for line in known.lines if line.part is Part.UNDER_WAY}
    assert under_way == {str(n) for n, release in enumerate(EVERY_MOMENT) if not release.phase.is_terminal}


def test_row_is_the_one_that_canaryctl_prints() -> None:
    surveyed = releases("shop/checkout", SUSPECTED, asked=Requests(abort="aborted by ada"))
    service = annotated("shop/checkout", steps="10,100")
    (line,) = picture([surveyed], [service]).lines
    assert surveyed.newest is not None
    assert (line.row,) == status_rows([surveyed.newest], wishes_of(service), NOW)


def test_service_whose_release_cannot_be_read_is_in_trouble_and_nothing_else_is_said_of_it() -> None:
    known = picture([unreadable("shop/cart", "status.step: 7 is none")], [annotated("shop/cart")])
    (line,) = known.lines
    assert (line.part, line.row.phase, line.row.message) == (
        Part.TROUBLE,
        "Unreadable",
        "status.step: 7 is none",
    )


def test_verdict_is_told_where_the_message_says_something_else() -> None:
    known = picture([releases("shop/gated", AT_THE_GATE), releases("shop/baking", BAKING)])
    baking, gated = known.lines
    assert AT_THE_GATE.verdict is not None
    assert gated.row.message == "gate promotion waits for an approval"
    assert gated.last_verdict == AT_THE_GATE.verdict.sentence
    assert baking.row.message.startswith("HOLD baking")
    assert baking.last_verdict == ""


def test_workload_is_called_missing_only_when_all_are_known() -> None:
    services = [annotated("shop/checkout")]
    (unknown,) = overview(Survey((), 0), wishes_of(*services), None, NOW).lines
    (missing,) = overview(Survey((), 0), wishes_of(*services), {("shop", "checkout")}, NOW).lines
    assert unknown.row.reason == "NoRelease"
    assert missing.row.reason == "CanaryMissing"


def test_lines_of_a_namespace_are_its_own() -> None:
    known = picture([releases("shop/a", BAKING), releases("pay/b", BAKING), releases("shop-2/c", BAKING)])
    assert [line.row.service for line in lines_of(known, "shop")] == ["a"]
    assert len(lines_of(known, None)) == 3


def test_detail_is_that_of_the_very_service() -> None:
    surveyed = releases("shop/checkout", BAKING, replace(ROLLED_BACK, revision="older"))
    known = picture([surveyed, releases("pay/checkout", SUCCEEDED)], [annotated("shop/checkout", stpes="1")])
    page = service_page(known, ServiceKey("shop", "checkout"))
    assert page is not None
    assert page.stored == surveyed.newest
    assert page.view is not None
    assert page.view.title == "shop/checkout"
    assert page.releases == surveyed
    assert "did you mean canaryctl.dev/steps?" in page.problems[0]
    assert service_page(known, ServiceKey("shop", "cart")) is None


def test_service_without_a_release_has_a_detail_too() -> None:
    page = service_page(picture([], [annotated("shop/idle")]), ServiceKey("shop", "idle"))
    assert page is not None
    assert (page.stored, page.view, page.releases) == (None, None, None)

"""The page as a browser gets it: complete, well-formed, safe to open, honest about its age."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import pytest

from canary.app.errors import Retryable
from canary.domain.observation import Requests
from canary.entrypoints.explain_view import evidence_in_words, windows_in_words
from canary.entrypoints.http_server import Answer, HttpServer, Request
from canary.entrypoints.page.content import Overview
from canary.entrypoints.page.reader import FRESH_SECONDS, Reader
from canary.entrypoints.page.site import MOST_ANSWERS, MOST_LINES, MOST_NAMESPACES, Site
from canary.entrypoints.settings_loading import InvalidSettings, load_settings
from tests.clocks import HandClock
from tests.entrypoints.browser import Reply, ask
from tests.entrypoints.examples import (
    AT_THE_GATE,
    BAKING,
    EVERY_MOMENT,
    NOW,
    PENDING,
    ROLLED_BACK,
    SUCCEEDED,
    SUSPECTED,
    WATCHED,
)
from tests.entrypoints.pictures import annotated, picture, releases, unreadable

SCRIPT = "<script>alert('x')</script>\"&"
PATHS = ("/", "/?namespace=pay", "/?namespace=nowhere", "/releases/shop/checkout", "/releases/shop/nothing")


@dataclass
class World:
    """What the page looks at."""

    picture: Overview
    failure: Exception | None = None

    def look(self) -> Overview:
        if self.failure is not None:
            raise self.failure
        return self.picture


@dataclass
class Page:
    """The page of a world, served on loopback."""

    world: World
    clock: HandClock
    server: HttpServer

    def get(self, path: str = "/", method: str = "GET") -> Reply:
        self.clock.advance(FRESH_SECONDS)
        return ask(self.server, path, method)


@pytest.fixture
def page() -> Iterator[Page]:
    surveyed = [
        releases("shop/checkout", SUSPECTED, replace(ROLLED_BACK, revision="older"), count=7),
        releases("pay/ledger", AT_THE_GATE, asked=Requests(abort="aborted by ada")),
        releases("shop/search", ROLLED_BACK),
        releases("shop/fine", SUCCEEDED),
        unreadable("shop/broken", "status.step: 7 is none"),
    ]
    world = World(picture(surveyed, [annotated("pay/idle"), annotated("pay/typo", stpes="1", x="2")]))
    clock = HandClock(NOW)
    server = HttpServer(("127.0.0.1", 0), Site(Reader(world.look, clock), clock).answer)
    server.start()
    yield Page(world, clock, server)
    server.stop()


def tree(reply: Reply) -> ElementTree.Element:
    """The document; fails when it is not well-formed."""
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    return ElementTree.fromstring(reply.text)  # noqa: S314 - made here, from our own templates


def text_of(reply: Reply) -> str:
    """What a person reads, in one line."""
    return " ".join("".join(tree(reply).find("body").itertext()).split())  # type: ignore[union-attr]


def services(reply: Reply) -> list[str]:
    return ["".join(link.itertext()) for link in tree(reply).findall(".//tbody/tr/th[@scope='row']/a")]


def test_list_has_every_service_with_all_that_is_asked_for(page: Page) -> None:
    reply = page.get()
    assert services(reply) == [
        "pay/ledger",
        "shop/checkout",
        "pay/typo",
        "shop/broken",
        "shop/search",
        "pay/idle",
        "shop/fine",
    ]
    (row,) = [row for row in tree(reply).iter("tr") if "pay/ledger" in "".join(row.itertext())]
    cells = [" ".join("".join(cell.itertext()).split()) for cell in row]
    assert AT_THE_GATE.verdict is not None
    assert cells == [
        "pay/ledger",
        "Held",
        "3/3",
        "100 %",
        "GateClosed",
        "0 %",
        "90s",
        f"asked for: aborted by ada | {AT_THE_GATE.message} Last verdict: {AT_THE_GATE.verdict.sentence}",
    ]


def test_parts_of_the_list_are_named_and_counted_for_whoever_sees_no_colours(page: Page) -> None:
    headings = [" ".join("".join(each.itertext()).split()) for each in tree(page.get()).iter("th")]
    assert [each for each in headings if each.split()[-1].isdigit()] == [
        "under way 2",
        "in trouble 3",
        "others 2",
    ]
    assert tree(page.get()).find("head/title").text == "2 under way, 3 in trouble · Canary"  # type: ignore[union-attr]


def test_service_in_detail_has_steps_objectives_evidence_and_history(page: Page) -> None:
    text = text_of(page.get("/releases/shop/checkout"))
    for words in (
        "Release checkout-6d4b75cb6d revision 6d4b75cb6d, attempt 1",
        "steps [10 %]50 %100 %",
        "wanted 10 %, observed 10.0 % of requests in this step",
        SUSPECTED.message,
        "next step 2 of 3 (50 %), in 25s at the earliest",
        "error rate,at most 1.0 % canary 2.0 % [0.2, 6.9] above the bound 7 of 350",
        "stable 0.2 % [0.02, 0.9] 7 of 3150 stable 8 %",
        "requests slower than 500 ms,at most 1.0 %",
        "errors/stable0.378%7counts",
        "checkout-olderolderRolledBackObjectiveBreached90s",
        "5 older ones are left out.",
        *evidence_in_words(SUSPECTED).splitlines(),
        *windows_in_words(SUSPECTED),
    ):
        assert words in text


def test_service_in_detail_marks_objectives_by_the_threshold_rule(page: Page) -> None:
    page.world.picture = picture([releases("shop/checkout", WATCHED)])
    text = text_of(page.get("/releases/shop/checkout"))
    assert "Objectives by the threshold rule, no statistics" in text
    assert "queue-length,at most 500 canary 812 beyond the bound 2 of 7 checks failed" in text
    assert "stable 40 decides nothing" in text


def test_service_in_detail_says_what_is_asked_of_it_and_what_is_wrong_with_it(page: Page) -> None:
    assert "Asked for aborted by ada" in text_of(page.get("/releases/pay/ledger"))
    text = text_of(page.get("/releases/pay/typo"))
    assert "did you mean canaryctl.dev/steps?" in text
    assert "canaryctl.dev/x" in text
    assert "status.step: 7 is none" in text_of(page.get("/releases/shop/broken"))


@pytest.mark.parametrize("release", EVERY_MOMENT, ids=lambda release: release.phase)
def test_every_moment_of_a_release_has_a_well_formed_page(page: Page, release: object) -> None:
    page.world.picture = picture([releases("shop/checkout", release)])  # type: ignore[arg-type]
    for path in ("/", "/releases/shop/checkout"):
        reply = page.get(path)
        assert reply.status == 200
        assert release.phase.value in text_of(reply)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", PATHS)
def test_page_is_one_document_that_loads_nothing_and_runs_nothing(page: Page, path: str) -> None:
    found = {element.tag for element in tree(page.get(path)).iter()}
    assert not found & {"script", "link", "img", "iframe", "object", "form", "input", "svg", "base"}
    attributes = {name for element in tree(page.get(path)).iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on")} | (attributes & {"style", "src"})


@pytest.mark.parametrize("path", PATHS)
def test_browser_may_use_the_pages_own_style_and_nothing_else(page: Page, path: str) -> None:
    reply = page.get(path)
    style = tree(reply).find("head/style").text  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(str(style).encode()).digest()).decode()
    policy = reply.headers["content-security-policy"].split("; ")
    assert policy == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert "url(" not in str(style)
    assert "@import" not in str(style)


@pytest.mark.parametrize("path", ["/", "/releases/shop/checkout"])
def test_what_tenants_wrote_is_text_and_never_markup(page: Page, path: str) -> None:
    release = replace(PENDING, message=SCRIPT)
    service = annotated("shop/checkout", **{f"x{SCRIPT}": SCRIPT})
    page.world.picture = picture(
        [releases("shop/checkout", release, asked=Requests(abort=SCRIPT)), unreadable("shop/cart", SCRIPT)],
        [service],
    )
    reply = page.get(path)
    assert SCRIPT in text_of(reply)
    assert "<script" not in reply.text


@pytest.mark.parametrize("path", ["/?namespace=%3Cscript%3E", "/releases/%3Cscript%3E/<script>", "/<script>"])
def test_address_is_never_repeated_as_markup(page: Page, path: str) -> None:
    assert "<script" not in page.get(path).text


def test_characters_that_do_not_print_cannot_turn_the_readers_screen_around(page: Page) -> None:
    release = replace(PENDING, message="ready \u202edelbane ton\x00\x1b[2J")
    page.world.picture = picture([releases("shop/checkout", release)])
    assert "ready \ufffddelbane ton\ufffd\ufffd[2J" in text_of(page.get())


def test_links_lead_where_they_should_below_any_prefix_of_an_ingress(page: Page) -> None:
    links = [link.attrib["href"] for link in tree(page.get()).iter("a")]
    assert "releases/shop/checkout" in links
    assert "?namespace=shop" in links
    back = [link.attrib["href"] for link in tree(page.get("/releases/shop/checkout")).iter("a")]
    assert back[:2] == ["../../", "../../?namespace=shop"]
    assert not [link for link in links + back if link.startswith("/") or ":" in link]


def test_page_refreshes_itself_unless_somebody_wants_to_read_in_peace(page: Page) -> None:
    assert '<meta http-equiv="refresh" content="5" />' in page.get("/?namespace=shop").text
    peace = "/?namespace=shop&refresh=off"
    assert 'http-equiv="refresh"' not in page.get(peace).text
    links = [link.attrib["href"] for link in tree(page.get("/?namespace=shop")).iter("a")]
    assert links[-1] == peace.removeprefix("/")
    assert [link.attrib["href"] for link in tree(page.get(peace)).iter("a")][-1] == "?namespace=shop"


def test_namespace_has_a_list_of_its_own(page: Page) -> None:
    assert services(page.get("/?namespace=pay")) == ["pay/ledger", "pay/typo", "pay/idle"]
    empty = page.get("/?namespace=nowhere")
    assert empty.status == 200
    assert "No service is looked after in namespace nowhere" in text_of(empty)
    assert services(page.get("/?namespace=")) == services(page.get())


def test_list_has_a_bound_and_says_how_many_it_leaves_out(page: Page) -> None:
    many = [releases(f"n{number % 2}/s{number}", BAKING) for number in range(MOST_LINES + 3)]
    page.world.picture = picture(many, left_out=12)
    reply = page.get()
    assert len(services(reply)) == MOST_LINES
    assert "3 more services are left out: choose a namespace." in text_of(reply)
    assert "12 services with releases are more than this page can keep" in text_of(reply)
    assert "left out" not in text_of(page.get("/?namespace=n1"))
    assert json.loads(page.get("/api/releases").text)["notShown"] == 3


def test_namespace_that_cannot_be_read_is_named_and_the_others_are_shown(page: Page) -> None:
    page.world.picture = picture([releases("shop/cart", BAKING)], unseen=("GET releases of pay: forbidden",))
    reply = page.get()
    assert services(reply) == ["shop/cart"]
    assert "Releases of a namespace are not shown: GET releases of pay: forbidden" in text_of(reply)
    assert json.loads(page.get("/api/releases").text)["unseen"] == ["GET releases of pay: forbidden"]


def test_links_to_namespaces_have_a_bound_and_say_how_to_reach_the_others(page: Page) -> None:
    names = [f"n{number:03}" for number in range(MOST_NAMESPACES + 2)]
    page.world.picture = picture([releases(f"{name}/checkout", BAKING) for name in names])
    links = [link.attrib["href"] for link in tree(page.get()).findall(".//nav//a")]
    assert links == [f"?namespace={name}" for name in names[:MOST_NAMESPACES]]
    assert "2 more: ?namespace=NAME" in text_of(page.get())
    assert services(page.get(f"/?namespace={names[-1]}")) == [f"{names[-1]}/checkout"]


def test_list_without_a_service_says_how_to_get_one(page: Page) -> None:
    page.world.picture = picture()
    assert "annotate one with canaryctl.dev/enabled=true" in text_of(page.get())


@pytest.mark.parametrize("path", ["/", "/releases/shop/checkout"])
def test_picture_that_cannot_be_renewed_is_shown_with_its_age_and_the_reason(page: Page, path: str) -> None:
    fresh = page.get(path)
    page.world.failure = Retryable("GET /releases: 503 leader changed")
    page.clock.advance(200.0 - 2 * FRESH_SECONDS)
    reply = page.get(path)
    assert (fresh.status, reply.status) == (200, 200)
    words = "the cluster cannot be asked, this is what was known 3m20s ago: GET /releases: 503 leader changed"
    assert words in text_of(reply)
    assert "as of 2023-11-14T22:13:20Z, 3m20s ago" in text_of(reply)
    assert words not in text_of(fresh)


@pytest.mark.parametrize("path", ["/", "/releases/shop/checkout", "/api/releases"])
def test_only_who_knows_nothing_at_all_is_unavailable(page: Page, path: str) -> None:
    page.world.failure = Retryable("GET /releases: connection refused")
    reply = page.get(path)
    assert reply.status == 503
    assert "connection refused" in reply.text
    page.world.failure = None
    assert page.get(path).status == 200


def test_unknown_service_is_a_page_and_an_unknown_address_a_line(page: Page) -> None:
    reply = page.get("/releases/shop/nothing")
    assert reply.status == 404
    assert "service shop/nothing is not looked after" in text_of(reply)
    assert tree(reply).find("body/header/h1/a").attrib["href"] == "../../"  # type: ignore[union-attr]
    for path in ("/metrics", "/livez", "/releases", "/releases/shop/checkout/", "/api", "/../etc"):
        reply = page.get(path)
        assert reply.status == 404
        assert reply.text == "nothing here; there are /, /releases/NAMESPACE/SERVICE, /api/releases\n"


def test_scripts_get_the_rows_of_canaryctl_with_their_age(page: Page) -> None:
    reply = page.get("/api/releases?namespace=pay")
    assert reply.headers["content-type"] == "application/json"
    document = json.loads(reply.text)
    assert (document["asOf"], document["trouble"]) == ("2023-11-14T22:13:20.000Z", "")
    assert [item["service"] for item in document["items"]] == ["ledger", "typo", "idle"]
    first = document["items"][0]
    assert (first["phase"], first["step"], first["part"]) == ("Held", "3/3", "under way")


@pytest.mark.parametrize("path", [*PATHS, "/api/releases"])
def test_head_is_answered_and_nothing_can_be_written(page: Page, path: str) -> None:
    assert page.get(path, "HEAD").status == page.get(path).status
    assert page.get(path, "HEAD").text == ""
    assert page.get(path, "POST").status == 405
    assert page.get(path, "DELETE").status == 405


@pytest.mark.parametrize("path", [*PATHS, "/api/releases", "/nothing"])
def test_answers_are_not_kept_set_no_cookie_and_are_what_they_say(page: Page, path: str) -> None:
    headers = page.get(path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers
    assert not re.search(r"\d", headers["server"])


def test_page_cannot_share_the_port_of_metrics() -> None:
    environ = {
        "CANARY_PROMETHEUS__URL": "http://p",
        "CANARY_PAGE__ENABLED": "true",
        "CANARY_HTTP__PORT": "8081",
    }
    with pytest.raises(InvalidSettings) as invalid:
        load_settings({}, environ)
    (problem,) = invalid.value.problems
    assert str(problem).endswith("page.port and http.port are both 8081: give the page its own")
    assert not load_settings({}, environ | {"CANARY_PAGE__ENABLED": "false"}).page.enabled


def test_crowd_that_asks_for_the_same_shares_one_answer_and_nobody_gets_anothers() -> None:
    clock = HandClock(NOW)
    site = Site(Reader(lambda: picture([releases("shop/checkout", BAKING)]), clock), clock)

    def get(path: str, **query: list[str]) -> Answer:
        return site.answer(Request(path, query, ""))

    first = get("/")
    assert get("/") is first
    different = [get("/", namespace=["pay"]), get("/", refresh=["off"]), get("/releases/shop/checkout")]
    assert len({first.body, *(each.body for each in different)}) == 4
    clock.advance(FRESH_SECONDS)
    assert get("/") is not first


def test_address_that_leads_nowhere_costs_no_look() -> None:
    clock, looks = HandClock(NOW), []
    site = Site(Reader(lambda: looks.append(1) or picture(), clock), clock)
    assert site.answer(Request("/wp-login.php", {}, "")).status == 404
    assert looks == []


def test_answers_that_are_kept_have_a_bound() -> None:
    clock = HandClock(NOW)
    site = Site(Reader(picture, clock), clock)
    for number in range(10 * MOST_ANSWERS):
        site.answer(Request(f"/releases/shop/{number}", {}, ""))
        assert len(site._answers) <= MOST_ANSWERS

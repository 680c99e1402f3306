"""The addresses of the page: the list, one service, and the list for scripts. Nothing can be changed here.

Names in an address are only looked up among what is known; none of them reaches the API server.
"""

import json
import re
import threading
from collections import Counter
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from canary.app.ports import Clock
from canary.domain.plan import ServiceKey
from canary.entrypoints.explain_view import (
    EVIDENCE_HEADER,
    evidence_in_words,
    evidence_rows,
    requests_in_words,
    windows_in_words,
)
from canary.entrypoints.http_server import Answer, Request
from canary.entrypoints.live_view import marked_steps, next_in_words, staleness, weight_in_words
from canary.entrypoints.page.content import (
    Overview,
    Part,
    ServicePage,
    lines_of,
    overview_document,
    service_page,
)
from canary.entrypoints.page.html import html
from canary.entrypoints.page.reader import FRESH_SECONDS, Latest, Reader
from canary.entrypoints.rendering import last_known, shortened
from canary.entrypoints.status_view import nothing_in_words

__all__ = ["MOST_ANSWERS", "MOST_LINES", "MOST_NAMESPACES", "Site"]

MOST_LINES: Final = 500
MOST_NAMESPACES: Final = 100
"""Of links to a namespace's own list."""
LONGEST_NAME: Final = 63
MOST_ANSWERS: Final = 32
"""Kept for whoever asks for the same; each may have a few hundred kilobytes."""
YOUNG_SECONDS: Final = 5.0
"""The age of a picture is not worth a word before."""
ADDRESS: Final = re.compile(r"/|/releases/[^/]+/[^/]+|/api/releases")
ADDRESSES: Final = "/, /releases/NAMESPACE/SERVICE, /api/releases"
STARTING: Final = "the API server has not answered so far"

Content = dict[str, Any]


class _Asked(NamedTuple):
    """What of a request makes a difference."""

    path: str
    namespace: str | None
    """None: all of them."""
    refreshes: bool


class Site:
    """Answers requests from the newest picture. For many threads.

    Those that ask for the same while the picture is the same share one answer, so that a crowd costs no
    more than a few of them.
    """

    def __init__(self, reader: Reader[Overview], clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[_Asked, Answer] = {}
        self._latest: Latest[Overview] = Latest()
        self._made_at = 0.0

    def answer(self, request: Request) -> Answer:
        """Return what a request asks for; 503 only while nothing at all is known."""
        if not ADDRESS.fullmatch(request.path):
            return Answer(404, f"nothing here; there are {ADDRESSES}\n".encode())
        namespace = next((name for name in request.query.get("namespace", ()) if name), None)
        asked = _Asked(request.path, namespace, request.query.get("refresh") != ["off"])
        latest = self._reader.latest()
        with self._lock:
            now = self._clock.now()
            is_old = latest is not self._latest or now - self._made_at >= FRESH_SECONDS
            if is_old or len(self._answers) >= MOST_ANSWERS:
                self._answers, self._latest, self._made_at = {}, latest, now
            if asked not in self._answers:
                self._answers[asked] = _answer(asked, latest, now)
            return self._answers[asked]


def _answer(asked: _Asked, latest: Latest[Overview], now: float) -> Answer:
    match asked.path.split("/"):
        case ["", "api", "releases"]:
            return _document(asked, latest)
        case ["", "releases", namespace, service]:
            return _page(asked, ServiceKey(namespace, service), latest, now)
        case _:
            return _page(asked, None, latest, now)


def _page(asked: _Asked, key: ServiceKey | None, latest: Latest[Overview], now: float) -> Answer:
    kept = {"namespace": asked.namespace} if asked.namespace else {}
    common: Content = {
        "refreshes": asked.refreshes,
        "quiet": urlencode(kept | {"refresh": "off"}),
        "lively": urlencode(kept),
        "up": "./" if key is None else "../../",
    }
    known = latest.picture
    if known is None:
        words = f"Nothing is known yet: {latest.trouble or STARTING}"
        return html(503, "message.html", common | {"title": "Nothing is known yet", "words": words})
    age = now - known.as_of
    common |= {
        "as_of": known.as_of,
        "age": age if age > YOUNG_SECONDS else None,
        "alert": last_known(latest.trouble, age) if latest.trouble is not None else "",
    }
    if key is None:
        return html(200, "list.html", common | _list(known, asked.namespace))
    page = service_page(known, key)
    if page is None:
        name = shortened(str(key), 2 * LONGEST_NAME)
        words = f"service {name} is not looked after: annotate it with canaryctl.dev/enabled=true"
        return html(404, "message.html", common | {"title": "Not found", "words": words})
    return html(200, "service.html", common | _service(page, known.as_of))


def _document(asked: _Asked, latest: Latest[Overview]) -> Answer:
    known = latest.picture
    if known is None:
        return _json(503, {"trouble": latest.trouble or STARTING})
    lines = lines_of(known, asked.namespace)
    document = overview_document(known, lines[:MOST_LINES], latest.trouble)
    return _json(200, document | {"notShown": max(0, len(lines) - MOST_LINES)})


def _json(status: int, document: Content) -> Answer:
    return Answer(status, json.dumps(document, ensure_ascii=False).encode(), "application/json")


def _list(known: Overview, namespace: str | None) -> Content:
    lines = lines_of(known, namespace)
    counts = Counter(line.part for line in lines)
    namespaces = sorted(Counter(line.row.namespace for line in known.lines).items())
    return {
        "parts": [
            (part.value, counts[part], [line for line in lines[:MOST_LINES] if line.part is part])
            for part in Part
        ],
        "not_shown": max(0, len(lines) - MOST_LINES),
        "left_out": known.left_out,
        "unseen": known.unseen,
        "namespace": namespace,
        "namespaces": namespaces[:MOST_NAMESPACES],
        "more_namespaces": len(namespaces[MOST_NAMESPACES:]),
        "nothing": nothing_in_words(shortened(namespace, LONGEST_NAME) if namespace else None),
    }


def _service(page: ServicePage, as_of: float) -> Content:
    content: Content = {"page": page, "row": page.line.row, "view": page.view, "as_of": as_of}
    if page.view is not None and page.stored is not None:
        release = page.stored.release
        content |= {
            "release": release,
            "steps": marked_steps(page.view),
            "weight": weight_in_words(page.view),
            "next": next_in_words(page.view.next),
            "data": staleness(page.view),
            "asked": requests_in_words(page.stored.requests),
            "evidence": evidence_in_words(release).splitlines(),
            "tests_header": EVIDENCE_HEADER,
            "tests": evidence_rows(release),
            "windows": windows_in_words(release),
        }
    return content

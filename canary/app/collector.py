"""The collector: measures every active release of one metrics provider with a handful of queries a tick.

Promises:

- one look for all releases that are current, and at most one a tick for those that have to catch up or have
  just begun; more only to find out whose part of a query the provider refuses;
- a release's windows come in order, without gaps, and the same each time they are asked for, until its
  ``evaluated_until`` has moved past them;
- a fresh collector counts as the one before it would have gone on to;
- nothing is asked while the lock is held, and a look that was overtaken (a release forgotten or begun anew
  meanwhile) changes nothing.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from canary.app.attribution import Place, places
from canary.app.book import (
    Book,
    Timing,
    acknowledged,
    due_end,
    fits,
    history_of,
    needed_from,
    open_book,
    record,
    with_edges,
    with_native,
)
from canary.app.ports import (
    Clock,
    Measurements,
    MetricsSource,
    MetricsUnavailable,
    MetricTarget,
    Series,
    Telemetry,
)
from canary.app.scrapes import read_lives
from canary.domain.measurement import NoData, NoDataReason
from canary.domain.plan import ServiceKey

__all__ = ["Collector", "Look", "plan_looks"]

_CURRENT_SECONDS: Final = 60.0
"""A release at most this far behind is looked at together with the current ones."""
_MAX_LOOKS: Final = 24
"""Per tick, when a provider refuses queries."""

_BookId = tuple[ServiceKey, str]


@dataclass(frozen=True, slots=True)
class Look:
    """One fetch: for whom, and the stretch (at - range, at]."""

    books: tuple[Book, ...]
    at: float
    range_seconds: float


def plan_looks(books: Sequence[Book], now: float, timing: Timing) -> tuple[Look, ...]:
    """One look for all that are current, one for the freshest of those that are not."""
    ends = {id(book): end for book in books if (end := due_end(book, now, timing)) is not None}
    due = [book for book in books if id(book) in ends]
    current = [book for book in due if _is_current(book, ends[id(book)])]
    behind = [book for book in due if not _is_current(book, ends[id(book)])]
    looks = []
    if current:
        looks.append(_look(current, max(ends[id(book)] for book in current), timing))
    if behind:
        # The freshest first: a release that begins does not wait for one that has hours to make up for.
        newest = max(book.seen_until for book in behind)
        together = [book for book in behind if book.seen_until >= newest - timing.catch_up_seconds]
        end = min(max(ends[id(book)] for book in together), newest + timing.catch_up_seconds)
        looks.append(_look(together, end, timing))
    return tuple(looks)


class Collector:
    """The windows of one provider's releases. Safe to use from several threads."""

    def __init__(
        self,
        source: MetricsSource,
        clock: Clock,
        provider_name: str,
        telemetry: Telemetry,
        timing: Timing | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._provider_name = provider_name
        self._telemetry = telemetry
        self._timing = timing or Timing()
        self._lock = threading.Lock()
        self._books: dict[_BookId, Book] = {}

    def tick(self, targets: Sequence[MetricTarget]) -> None:
        """Measure what there is to measure for ``targets``: all active releases of the provider.

        Releases that are not among them are forgotten. Never raises for what the provider does: that
        becomes the ``no_data`` of the releases concerned.
        """
        books = self._follow(targets)
        looks = list(plan_looks(books, self._clock.now(), self._timing))
        for _ in range(_MAX_LOOKS):
            if not looks:
                break
            looks += self._take(looks.pop(0))
        self._explain_buckets()
        self._look_back()

    def measurements(self, key: ServiceKey, release: str, evaluated_until: float) -> Measurements:
        """The windows of a release that begin at ``evaluated_until`` or later, in order and without gaps."""
        with self._lock:
            book = self._books.get((key, release))
        return Measurements() if book is None else book.measurements(evaluated_until)

    def _follow(self, targets: Sequence[MetricTarget]) -> tuple[Book, ...]:
        """A book for each target, begun anew where the one there is does not fit."""
        with self._lock:
            known = self._books
            self._books = {}
            for target in targets:
                book = known.get(_id(target))
                if book is None or not fits(book, target):
                    book = open_book(target, self._queries(target))
                book = replace(book, target=replace(book.target, history_until=target.history_until))
                self._books[_id(target)] = acknowledged(book, target.evaluated_until)
            return tuple(self._books.values())

    def _queries(self, target: MetricTarget) -> Mapping[str, str]:
        try:
            return self._source.queries(target)
        except MetricsUnavailable:
            return {}  # The fetch says what is wrong with the names.

    def _take(self, look: Look) -> Sequence[Look]:
        """Take one look. Returns the halves to try when the provider refused the whole."""
        begun = self._clock.monotonic()
        try:
            series = self._source.fetch(
                tuple(book.target for book in look.books), look.at, look.range_seconds
            )
        except MetricsUnavailable as exc:
            self._report(exc.no_data.reason.value, begun)
            failed = tuple(replace(book, no_data=exc.no_data) for book in look.books)
            self._commit(zip(look.books, failed, strict=True))
            refused = exc.no_data.reason is NoDataReason.REJECTED
            return _halves(replace(look, books=failed)) if refused else ()
        self._report("ok", begun)
        lives = read_lives(series)
        by_place = _by_place(series, (place for book in look.books for place in places(book.target)))
        self._commit(
            (
                book,
                record(book, _of_target(by_place, book.target), lives, look.at, self._timing),
            )
            for book in look.books
        )
        return ()

    def _explain_buckets(self) -> None:
        """Ask, for one release a tick, what histograms there are instead of the buckets that it needs."""
        with self._lock:
            book = next((book for book in self._books.values() if _lacks_buckets(book)), None)
        if book is None:
            return
        begun = self._clock.monotonic()
        try:
            if book.lacks_histogram:
                native = self._source.has_native_histogram(book.target, book.seen_until)
                explained = with_native(book, native)
            else:
                explained = with_edges(book, self._source.bucket_edges(book.target, book.seen_until))
        except MetricsUnavailable as exc:
            self._report(exc.no_data.reason.value, begun)
            return
        self._report("ok", begun)
        self._commit([(book, explained)])

    def _look_back(self) -> None:
        """Fetch, for one release a tick, what was measured before it began."""
        with self._lock:
            book = next((each for each in self._books.values() if _lacks_history(each)), None)
        past = None if book is None else history_of(book.target)
        if book is None or past is None or past.target.history_until is None:
            return
        begun, until = self._clock.monotonic(), past.target.history_until
        try:
            series = self._source.fetch([past.target], until, until - needed_from(past, self._timing))
        except MetricsUnavailable as exc:
            self._report(exc.no_data.reason.value, begun)
            if exc.no_data.reason is NoDataReason.REJECTED:
                # It would be refused again; the release learns as it goes.
                self._commit([(book, replace(book, history=()))])
            return
        self._report("ok", begun)
        found = _of_target(_by_place(series, places(past.target)), past.target)
        past = record(past, found, read_lives(series), until, self._timing)
        self._commit([(book, replace(book, history=past.windows))])

    def _commit(self, changes: Iterable[tuple[Book, Book]]) -> None:
        """Put the new books in place of the old ones, but where others have come there meanwhile."""
        ready = list(changes)
        with self._lock:
            for old, new in ready:
                if self._books.get(_id(old.target)) is old:
                    self._books[_id(old.target)] = new

    def _report(self, outcome: str, begun: float) -> None:
        self._telemetry.query_finished(self._provider_name, outcome, self._clock.monotonic() - begun)


def _id(target: MetricTarget) -> _BookId:
    # A release's name is its service's and its template's hash: the same in two namespaces that run the same.
    return target.key, target.release


def _is_current(book: Book, end: float) -> bool:
    return book.is_primed and end - book.seen_until <= max(_CURRENT_SECONDS, 2 * book.target.window_seconds)


def _look(books: Sequence[Book], at: float, timing: Timing) -> Look:
    return Look(tuple(books), at, at - min(needed_from(book, timing) for book in books))


def _halves(look: Look) -> Sequence[Look]:
    """Two looks instead of one, so that what one release asks for does not blind the others."""
    middle = len(look.books) // 2
    if not middle:
        return ()
    return [replace(look, books=look.books[:middle]), replace(look, books=look.books[middle:])]


def _by_place(series: Iterable[Series], wanted: Iterable[Place]) -> dict[Place, list[Series]]:
    labels: dict[str, set[str]] = {}
    for metric, label, _ in wanted:
        labels.setdefault(metric, set()).add(label)
    found: dict[Place, list[Series]] = {}
    for each in series:
        metric = each.labels.get("__name__", "")
        for label in labels.get(metric, ()):
            found.setdefault((metric, label, each.labels.get(label, "")), []).append(each)
    return found


def _of_target(by_place: Mapping[Place, Sequence[Series]], target: MetricTarget) -> list[Series]:
    return [each for place in sorted(places(target)) for each in by_place.get(place, ())]


def _lacks_history(book: Book) -> bool:
    return book.target.history_until is not None and book.history is None


def _lacks_buckets(book: Book) -> bool:
    """Whether it is not known yet what there is instead of the buckets that are missing."""
    if book.lacks_histogram:
        return book.is_native is None
    no_data: NoData | None = book.no_data
    return book.edges is None and no_data is not None and no_data.reason is NoDataReason.NOT_A_BUCKET

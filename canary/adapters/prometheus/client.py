"""A Prometheus API as a ``MetricsSource``: raw samples for many releases in one query per metric.

Promises: every query has a timeout at both ends and is never retried here (the next tick is the retry);
whatever goes wrong becomes ``MetricsUnavailable`` with its own reason, in words that hold no secret.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec
import requests
import urllib3
from prometheus_api_client import PrometheusConnect
from urllib3.util.retry import Retry

from canary.adapters.decoding import convert
from canary.adapters.prometheus import promql
from canary.adapters.prometheus.access import PrometheusAccess
from canary.adapters.prometheus.answers import InstantRow, MatrixRow, Refused, cause
from canary.adapters.prometheus.selectors import of_hosts, selectors
from canary.adapters.prometheus.transport import Transport, open_session
from canary.app.ports import Clock, MetricsUnavailable, MetricTarget, Sample, Series
from canary.domain.istio_metrics import BUCKETS, LIVES, NATIVE, bucket_edge
from canary.domain.measurement import NoData, NoDataReason

__all__ = ["PrometheusSource"]

_TARGETS_PER_QUERY: Final = 1000
_INSTANCES_PER_QUERY: Final = 1000
_CONNECT_SECONDS: Final = 5.0

Item = TypeVar("Item")
Row = TypeVar("Row", MatrixRow, InstantRow)


class PrometheusSource:
    """Asks one Prometheus API; for one caller at a time."""

    def __init__(self, access: PrometheusAccess, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        session = open_session(access)
        seconds = access.timeout_seconds
        self._api = PrometheusConnect(
            url=access.base_url,
            session=session,
            retry=Retry(0),
            # Handed on to requests as it is: to connect, and between two bytes.
            timeout=(min(_CONNECT_SECONDS, seconds), seconds + 1.0),
            method="POST",
        )
        # After the library has mounted an adapter of its own.
        session.mount(access.base_url, Transport(access))

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def fetch(self, targets: Sequence[MetricTarget], at: float, range_seconds: float) -> tuple[Series, ...]:
        """Requests, the buckets and the templates' series that are needed, and how long processes live."""
        found: list[Series] = []
        for some in _batches(targets, _TARGETS_PER_QUERY):
            for each in self._selectors(some).values():
                found += self._matrix(promql.range_selector(each, range_seconds), at)
        # Only what judges has to be exact; stable's pods may be many.
        reporters = {each.reporter for each in targets}
        judging = [each for each in found if each.labels.get("reporter", "") in {*reporters, ""}]
        return (*found, *self._lives(judging, at, range_seconds))

    def bucket_edges(self, target: MetricTarget, at: float) -> tuple[float, ...]:
        """The edges (ms) that the histograms of the target's hosts have, in order, +Inf included."""
        with self._names_checked():
            buckets = promql.selector(BUCKETS, of_hosts([target], [target.reporter]))
        rows = self._ask(f"count by (le) ({buckets})", at, InstantRow)
        edges = {bucket_edge(row.metric) for row in rows}
        return tuple(sorted(edge for edge in edges if edge is not None))

    def has_native_histogram(self, target: MetricTarget, at: float) -> bool:
        """Whether the durations of the target's hosts come as native histograms."""
        with self._names_checked():
            native = promql.selector(NATIVE, of_hosts([target], [target.reporter]))
        return bool(self._ask(f"count({native})", at, InstantRow))

    def queries(self, target: MetricTarget) -> Mapping[str, str]:
        """By metric: the query for one window of this target alone."""
        return {
            metric: promql.range_selector(each, target.window_seconds)
            for metric, each in self._selectors([target]).items()
        }

    def _selectors(self, targets: Sequence[MetricTarget]) -> Mapping[str, str]:
        with self._names_checked():
            return selectors(targets)

    @contextmanager
    def _names_checked(self) -> Iterator[None]:
        try:
            yield
        except promql.InvalidName as exc:
            raise self._unavailable(Refused(NoDataReason.REJECTED, str(exc))) from exc

    def _lives(self, series: Sequence[Series], at: float, range_seconds: float) -> list[Series]:
        """The process start times and ``up`` of whatever was scraped for ``series``."""
        scraped = {(each.labels.get("job", ""), each.labels.get("instance", "")) for each in series}
        found: list[Series] = []
        # Without these two labels, as on federated series, nothing tells which process it was.
        known = sorted((job, instance) for job, instance in scraped if job and instance)
        for some in _batches(known, _INSTANCES_PER_QUERY):
            matchers = (
                promql.matcher("__name__", LIVES),
                promql.matcher("job", {job for job, _ in some}),
                promql.matcher("instance", {instance for _, instance in some}),
            )
            found += self._matrix(promql.range_selector(promql.selector("", matchers), range_seconds), at)
        return found

    def _matrix(self, query: str, at: float) -> list[Series]:
        rows = self._ask(query, at, MatrixRow)
        try:
            return [
                Series(row.metric, tuple(Sample(when, float(value)) for when, value in row.values or ()))
                for row in rows
            ]
        except ValueError as exc:
            refused = Refused(NoDataReason.NOT_PROMETHEUS, "answered with values that are no numbers")
            raise self._unavailable(refused) from exc

    def _ask(self, query: str, at: float, row: type[Row]) -> list[Row]:
        """One query at an explicit time; its rows. Raises ``MetricsUnavailable``."""
        params = {"time": f"{at:.3f}", "timeout": f"{self._access.timeout_seconds * 1000:.0f}ms"}
        try:
            answer: Any = self._api.custom_query(query, params=params)
            return convert(answer, list[row])  # type: ignore[valid-type]
        except Refused as exc:
            raise self._unavailable(exc) from None
        except (requests.JSONDecodeError, msgspec.ValidationError, KeyError, TypeError) as exc:
            refused = Refused(NoDataReason.NOT_PROMETHEUS, f"answered with something other than {row.shape}")
            raise self._unavailable(refused) from exc
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
            # The chain holds URLs and headers: it must not reach a log.
            raise self._unavailable(cause(exc)) from None

    def _unavailable(self, refused: Refused) -> MetricsUnavailable:
        detail = f"Prometheus at {self._access.place}: {refused.words}"
        return MetricsUnavailable(NoData(refused.reason, detail, self._clock.now()))


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]

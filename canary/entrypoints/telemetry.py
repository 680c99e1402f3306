"""The controller's own metrics, in a registry of its own.

Every label is bounded: namespaces and services that are looked after, and closed sets of words. ``forget``
removes all series of a service that is gone. Nothing here raises: a metric that cannot be kept is not
worth a release.
"""

import math
import platform
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from canary import __version__
from canary.domain.plan import ServiceKey
from canary.domain.release import Phase, Release, canary_weight
from canary.entrypoints.live_view import percent_of_threshold

__all__ = ["PrometheusTelemetry"]

SECONDS_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MOST_OUTCOMES: Final = 40
"""A label whose words are not ours is cut off here."""
OTHER: Final = "other"
SERVICE: Final = ("namespace", "service")

Reading = Callable[[], Mapping[str, float]]


class _Ages(Collector):
    """Reads the ages when it is scraped: they grow by themselves."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []

    def describe(self) -> list[GaugeMetricFamily]:
        return [self._family()]

    def collect(self) -> list[GaugeMetricFamily]:
        family = self._family()
        for reading in self.readings:
            try:
                ages = reading()
            except Exception:  # noqa: BLE001 - without this age, the other metrics are still worth having
                structlog.get_logger("canary").warning("the age of a watch could not be read", exc_info=True)
                continue
            for watch, age in ages.items():
                family.add_metric([watch], age)
        return [family]

    @staticmethod
    def _family() -> GaugeMetricFamily:
        words = "Seconds since the API server was last heard on a watch."
        return GaugeMetricFamily("canary_watch_age_seconds", words, labels=["watch"])


class PrometheusTelemetry:
    """Implements ``Telemetry``. ``registry`` is what /metrics serves."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry, seconds = self.registry, SECONDS_BUCKETS
        self._passes = Counter(
            "canary_reconcile_passes", "Reconcile passes that ended.", ["outcome"], registry=registry
        )
        self._pass_seconds = Histogram(
            "canary_reconcile_seconds",
            "How long passes took.",
            ["outcome"],
            buckets=seconds,
            registry=registry,
        )
        self._queries = Counter(
            "canary_queries",
            "Looks at Prometheus that ended, of up to three queries each.",
            ["provider", "outcome"],
            registry=registry,
        )
        self._query_seconds = Histogram(
            "canary_query_seconds",
            "How long looks at Prometheus took.",
            ["provider", "outcome"],
            buckets=seconds,
            registry=registry,
        )
        self._phase = Gauge(
            "canary_release_phase",
            "1 for the phase that a service's newest release is in.",
            [*SERVICE, "phase"],
            registry=registry,
        )
        self._weight = Gauge(
            "canary_release_weight_percent",
            "Percent of requests wanted for the canary.",
            SERVICE,
            registry=registry,
        )
        self._step = Gauge(
            "canary_release_step", "The present step, from 1; 0 before the first.", SERVICE, registry=registry
        )
        self._evidence = Gauge(
            "canary_release_evidence_percent",
            "How near the evidence is to a rollback, on the log scale.",
            SERVICE,
            registry=registry,
        )
        self._evaluated = Gauge(
            "canary_release_evaluated_until_seconds",
            "End of the newest window that was counted, Unix time.",
            SERVICE,
            registry=registry,
        )
        self._endings = Counter(
            "canary_releases_finished", "Releases that ended.", [*SERVICE, "phase"], registry=registry
        )
        self._leading = Gauge("canary_leader", "1 while this replica decides and writes.", registry=registry)
        self._ages = _Ages()
        registry.register(self._ages)
        Info("canary_build", "What runs here.", registry=registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        self._lock = threading.Lock()
        self._words: set[tuple[str, ...]] = set()
        self._seen: dict[ServiceKey, tuple[str, Phase]] = {}

    def pass_finished(self, key: ServiceKey, outcome: str, seconds: float) -> None:  # noqa: ARG002 - see below
        """One reconcile pass ended; the service is not a label: passes are many and services come and go."""
        with suppress(ValueError):
            bounded = self._bounded("pass", outcome)
            self._passes.labels(bounded).inc()
            self._pass_seconds.labels(bounded).observe(_not_negative(seconds))

    def query_finished(self, provider: str, outcome: str, seconds: float) -> None:
        """One Prometheus query ended."""
        with suppress(ValueError):
            labels = self._bounded("provider", provider), self._bounded("query", outcome)
            self._queries.labels(*labels).inc()
            self._query_seconds.labels(*labels).observe(_not_negative(seconds))

    def release_observed(self, release: Release) -> None:
        """The present state of a service's newest release."""
        key = release.key
        labels = (key.namespace, key.name)
        # LookupError: a stored release whose step its plan lacks; the pass that reads it says so itself.
        with suppress(ValueError, LookupError), self._lock:
            for phase in Phase:
                self._phase.labels(*labels, phase.value).set(1 if phase is release.phase else 0)
            self._weight.labels(*labels).set(canary_weight(release))
            self._step.labels(*labels).set(0 if release.phase is Phase.PENDING else release.step + 1)
            verdict = release.verdict
            reached = percent_of_threshold(verdict.log_evidence, verdict.log_threshold) if verdict else 0
            self._evidence.labels(*labels).set(reached)
            self._evaluated.labels(*labels).set(release.evidence.evaluated_until)
            before, self._seen[key] = self._seen.get(key), (release.name, release.phase)
            if release.phase.is_terminal and before != self._seen[key]:
                self._endings.labels(*labels, release.phase.value).inc()

    def forget(self, key: ServiceKey) -> None:
        """Remove every series of a service that is gone."""
        with self._lock:
            self._seen.pop(key, None)
            labels = (key.namespace, key.name)
            for gauge in (self._weight, self._step, self._evidence, self._evaluated):
                _remove(gauge, *labels)
            for phase in Phase:
                _remove(self._phase, *labels, phase.value)
                _remove(self._endings, *labels, phase.value)

    def leading(self, leads: bool) -> None:
        """Whether this replica decides and writes."""
        self._leading.set(1 if leads else 0)

    def report_watches(self, ages: Reading) -> None:
        """Report the ages of watches, by name, whenever metrics are scraped."""
        self._ages.readings.append(ages)

    def _bounded(self, kind: str, word: str) -> str:
        with self._lock:
            known = sum(each[0] == kind for each in self._words)
            if (kind, word) not in self._words and known >= MOST_OUTCOMES:
                return OTHER
            self._words.add((kind, word))
            return word


def _remove(metric: Gauge | Counter, *labels: str) -> None:
    # Not every service has had a release, and not one of each ending.
    with suppress(KeyError):
        metric.remove(*labels)


def _not_negative(seconds: float) -> float:
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0

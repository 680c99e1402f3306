"""What each pair of latency edges says against a canary, for ``canaryctl explain``. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from canary.domain.conviction import Weighed
from canary.domain.edges import Pair, pairs_of
from canary.domain.hypotheses import Doubt, test_name
from canary.domain.measurement import ArmCounts, Counts
from canary.domain.release import Release
from canary.domain.sentences import percent
from canary.domain.sequential import log_sum_exp
from canary.domain.slower import counts_of, log_evidence_by_pair
from canary.entrypoints.live_view import percent_of_threshold

__all__ = ["pair_rows", "pairs_document"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Part:
    """One pair's part of a test; ``log`` is the natural log of what it adds to the test's w*E."""

    pair: Pair
    log: float
    counts: ArmCounts | None
    """In this step; None when nothing was counted at one of the edges."""


def pair_rows(release: Release, weighed: Weighed, test: str) -> tuple[tuple[str, ...], ...]:
    """Return a row for each pair of a test, under ``EVIDENCE_HEADER``; none for a test without pairs."""
    return tuple(
        (
            f"  {part.pair}",
            f"{part.log:.2f}",
            f"{percent_of_threshold(part.log, weighed.log_threshold)}%",
            "-",
            _in_words(part),
        )
        for part in _parts(release, weighed, test)
    )


def pairs_document(release: Release, weighed: Weighed, test: str) -> Json:
    """Return the pairs of a test for scripts; nothing for a test without pairs."""
    pairs = [
        {
            "canaryMs": part.pair.canary_ms,
            "stableMs": part.pair.stable_ms,
            "logEvidence": part.log,
            "canary": _counts(part.counts.canary if part.counts is not None else None),
            "stable": _counts(part.counts.stable if part.counts is not None else None),
        }
        for part in _parts(release, weighed, test)
    ]
    return {"pairs": pairs} if pairs else {}


def _parts(release: Release, weighed: Weighed, test: str) -> Iterator[_Part]:
    evidence, state = release.evidence, release.evidence.tests.get(test)
    for objective in release.plan.objectives:
        pairs = pairs_of(objective.name, objective.bound_ms)
        if state is None or not pairs or test != test_name(objective.name, Doubt.SLOWER):
            continue
        logs = log_evidence_by_pair(state, len(pairs))
        # The test's own w*E is the mean of the pairs', times w.
        weight = weighed.log_by_test[test] - _log_mean(logs)
        for pair, log in zip(pairs, logs, strict=True):
            yield _Part(pair, weight + log - math.log(len(pairs)), counts_of(pair, evidence.step_edges))


def _log_mean(logs: tuple[float, ...]) -> float:
    return log_sum_exp(logs) - math.log(len(logs))


def _in_words(part: _Part) -> str:
    if part.counts is None:
        return "no such edges were counted in this step"
    canary, stable = (_share(each) for each in (part.counts.canary, part.counts.stable))
    return (
        f"canary {canary} above {part.pair.canary_ms:g} ms, stable {stable} above {part.pair.stable_ms:g} ms"
    )


def _share(counts: Counts) -> str:
    return "unknown" if counts.bad_ratio is None else percent(counts.bad_ratio)


def _counts(counts: Counts | None) -> Json | None:
    return None if counts is None else {"requests": counts.requests, "slower": counts.bad}

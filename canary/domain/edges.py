"""Edges: at which edges of the latency histogram, besides its bound, an objective is looked at. Pure.

Promises: a few edges around the bound, the same for a bound always, so that neither a restart nor a replay
chooses others; each at least ``APART`` times the one below it. They are taken from those that Istio's proxies
have. A proxy with buckets of its own may lack some of them: then less is compared, and nothing is wrong.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

__all__ = ["ISTIO_EDGES", "Pair", "edges_beside", "name_at", "names_beside", "pairs_of"]

ISTIO_EDGES: Final = (
    *(0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0),
    *(30_000.0, 60_000.0, 300_000.0, 600_000.0, 1_800_000.0, 3_600_000.0),
)
"""What Istio's proxies have, in milliseconds: Envoy's default buckets."""
APART: Final = 1.5
"""The least ratio of two edges that are compared: a canary that is up to so many times as slow as stable is
not worse than allowed, by whichever pair."""
MOST_ABOVE: Final = 2.5
"""The edge above the bound is at most this many times the bound."""
LEAST_PART: Final = 0.1
"""The canary is looked at down to this part of the bound: what is faster than that troubles nobody."""
BELOW: Final = 3
"""At most so many edges below the bound: a release, and the answers of Prometheus, stay small."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two edges: the canary's share of slower requests is compared with stable's above a lower edge."""

    canary_ms: float
    stable_ms: float
    canary_counts: str
    """Under which name the counts at the canary's edge go."""
    stable_counts: str
    """The same of stable's edge."""

    def __str__(self) -> str:
        """As in ``100 ms vs 50 ms``."""
        return f"{self.canary_ms:g} ms vs {self.stable_ms:g} ms"


@lru_cache(maxsize=4096)
def pairs_of(objective: str, bound_ms: float | None) -> tuple[Pair, ...]:
    """The pairs of an objective, the slowest first; none for what is no latency objective.

    The lower edge of a pair is the upper one of the next.
    """
    chain = _chain(bound_ms) if bound_ms is not None else ()
    names = tuple(objective if edge == bound_ms else name_at(objective, edge) for edge in chain)
    return tuple(
        Pair(canary_ms, stable_ms, canary, stable)
        for (canary_ms, canary), (stable_ms, stable) in pairwise(zip(chain, names, strict=True))
    )


def name_at(objective: str, edge_ms: float) -> str:
    """Under which name an objective's counts at an edge go that is not its bound, as in ``latency@100``."""
    return f"{objective}@{edge_ms:g}"


@lru_cache(maxsize=4096)
def edges_beside(bound_ms: float | None) -> frozenset[float]:
    """The edges (ms) that are needed besides the bound; none for what is no latency objective."""
    return frozenset(_chain(bound_ms)) - {bound_ms} if bound_ms is not None else frozenset()


@lru_cache(maxsize=4096)
def names_beside(objective: str, bound_ms: float | None) -> tuple[str, ...]:
    """The names of an objective's counts at these edges, in their order."""
    return tuple(name_at(objective, edge) for edge in sorted(edges_beside(bound_ms)))


def _chain(bound_ms: float) -> tuple[float, ...]:
    """The bound and the edges around it, from the slowest to the fastest."""
    above = [edge for edge in ISTIO_EDGES if bound_ms * APART <= edge <= bound_ms * MOST_ABOVE]
    chain = [bound_ms]
    while len(chain) <= BELOW and chain[-1] >= LEAST_PART * bound_ms:
        lower = [edge for edge in ISTIO_EDGES if edge * APART <= chain[-1]]
        if not lower:
            break
        chain.append(lower[-1])
    return (*above[:1], *chain)

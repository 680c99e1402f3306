"""The arithmetic of a Deployment's rollout, pure: how many pods each ReplicaSet may have now."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from canary.sandbox.apiserver.objects import SAFE_ALPHABET, Json, clone

HASH_LABEL = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a rolling update may stray from the wanted replicas, in pods."""

    surge: int
    unavailable: int


def limits(deployment: Json) -> Limits:
    """Resolve maxSurge (rounded up) and maxUnavailable (down); never both zero, or nothing could move."""
    spec = deployment["spec"]
    if spec["strategy"]["type"] == "Recreate":
        return Limits(0, 0)
    rolling = spec["strategy"].get("rollingUpdate") or {}
    surge = resolve(rolling.get("maxSurge", "25%"), spec["replicas"], math.ceil)
    unavailable = resolve(rolling.get("maxUnavailable", "25%"), spec["replicas"], math.floor)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(surge, min(unavailable, spec["replicas"]))


def resolve(value: int | str, total: int, rounding: Any) -> int:
    """Return a number or a percentage of ``total`` as a number of pods."""
    if isinstance(value, int):
        return value
    return int(rounding(int(value.rstrip("%")) * total / 100))


def template_hash(template: Json) -> str:
    """Return ten safe characters that depend on the template only: a number, written as Kubernetes does."""
    encoded = msgspec.json.encode(template, order="deterministic")
    number = int.from_bytes(hashlib.sha256(encoded).digest()[:8], "big") % 10**10
    return "".join(SAFE_ALPHABET[ord(digit) % len(SAFE_ALPHABET)] for digit in f"{number:010d}")


def bare_template(replica_set: Json) -> Json:
    """Return a ReplicaSet's template without the hash label, to compare with a Deployment's."""
    template: Json = clone(replica_set["spec"]["template"])
    labels = (template.get("metadata") or {}).get("labels") or {}
    labels.pop(HASH_LABEL, None)
    return template


def new_replicas(deployment: Json, new: Json, total: int) -> int:
    """Return how many pods the new ReplicaSet shall have; ``total`` is what all have been given."""
    wanted, current = int(deployment["spec"]["replicas"]), int(new["spec"]["replicas"])
    if current >= wanted or deployment["spec"]["strategy"]["type"] == "Recreate":
        return wanted
    room = wanted + limits(deployment).surge - total
    return current + max(0, min(room, wanted - current))


def old_replicas(deployment: Json, new: Json, old: Sequence[Json]) -> list[int]:
    """Return how many pods each old ReplicaSet (oldest first) may keep without hurting availability.

    Pods that are not available go first: they serve nobody.
    """
    everything = [*old, new]
    minimum = deployment["spec"]["replicas"] - limits(deployment).unavailable
    given = sum(rs["spec"]["replicas"] for rs in everything)
    new_missing = new["spec"]["replicas"] - _available(new)
    budget = max(0, given - minimum - new_missing)
    keep = [int(rs["spec"]["replicas"]) for rs in old]
    for place, rs in enumerate(old):
        broken = min(budget, max(0, keep[place] - _available(rs)))
        keep[place] -= broken
        budget -= broken
    spare = min(budget, max(0, sum(map(_available, everything)) - minimum))
    for place in range(len(old)):
        gone = min(spare, keep[place])
        keep[place] -= gone
        spare -= gone
    return keep


def proportional(deployment: Json, sets: Sequence[Json]) -> list[int]:
    """Spread a changed number of replicas over the ReplicaSets of a paused rollout, by their sizes."""
    sizes = [int(rs["spec"]["replicas"]) for rs in sets]
    total = sum(sizes)
    if total == 0:
        return sizes
    wanted = int(deployment["spec"]["replicas"])
    allowed = wanted + limits(deployment).surge if sum(size > 0 for size in sizes) > 1 and wanted else wanted
    shares = [size * allowed // total for size in sizes]
    largest = max(range(len(sizes)), key=lambda place: sizes[place])
    shares[largest] += allowed - sum(shares)
    return shares


def _available(replica_set: Json) -> int:
    return int((replica_set.get("status") or {}).get("availableReplicas", 0))

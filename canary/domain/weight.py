"""Weights: integers that always sum to what the route's pair summed to before."""

from dataclasses import dataclass

__all__ = ["Split", "percent_of", "split_total"]


@dataclass(frozen=True, slots=True)
class Split:
    """The weights of the stable and the canary destination of one route."""

    stable: int
    canary: int

    @property
    def total(self) -> int:
        """What the two share; 100 where no other destination has a part."""
        return self.stable + self.canary


def split_total(total: int, canary_percent: int) -> Split:
    """Divide ``total`` so that the canary has ``canary_percent`` of it, to the nearest integer.

    A canary that is to have some traffic but not all never rounds to none or to all when ``total``
    leaves room for that, so that a step of 1 % in a small share is still a step.
    """
    if not 0 <= canary_percent <= 100:
        raise ValueError(f"canary weight {canary_percent} is outside 0..100")
    if total < 1:
        raise ValueError(f"a route's total weight must be positive, not {total}")
    canary = (total * canary_percent + 50) // 100
    if 0 < canary_percent < 100 and total > 1:
        canary = min(max(canary, 1), total - 1)
    return Split(stable=total - canary, canary=canary)


def percent_of(split: Split) -> float:
    """The canary's share of the pair in percent; 0 when the pair has no weight at all."""
    return 100.0 * split.canary / split.total if split.total else 0.0

"""Sentences about objectives by the threshold rule; each says that the rule is no statistics."""

from canary.domain.duration import format_duration
from canary.domain.evidence import Checks
from canary.domain.plan import Side, Threshold
from canary.domain.sentences import Progress
from canary.domain.threshold import Checked, of_step

__all__ = [
    "RULE",
    "allowance",
    "bound_in_words",
    "breached",
    "kept",
    "none_taken",
    "number",
    "over_now",
    "silent",
    "tally",
]

RULE = "threshold rule"
_LARGEST_PLAIN = 1e15
_SMALLEST_PLAIN = 1e-4


def bound_in_words(threshold: Threshold) -> str:
    """As in ``at most 500``."""
    side = "at most" if threshold.side is Side.AT_MOST else "at least"
    return f"{side} {number(threshold.bound)}"


def breached(item: Checked, checks: Checks) -> str:
    """Fail: too many checks failed."""
    threshold = item.threshold
    value = checks.canary if checks.failing is None else checks.failing
    row = threshold.consecutive
    if checks.failed <= threshold.failures and row is not None:
        how = f"in {checks.most_in_a_row} checks in a row of this step ({row} in a row end it; "
    else:
        how = f"in {checks.failed} of {_checks(checks.taken)} of this step ({allowance(threshold)}; "
    return (
        f"FAIL {threshold.name}: {_against_bound(threshold, value)}, {how}{RULE}, no statistics). "
        f"{_stable(checks)}"
    )


def none_taken(item: Checked, progress: Progress) -> str:
    """Hold: the step has had no check yet."""
    threshold = item.threshold
    return (
        f"HOLD too few checks ({threshold.name}): none was taken in {progress} yet. One is taken each "
        f"{format_duration(threshold.every_seconds)} at most, when the canary was scraped anew ({RULE})."
    )


def silent(item: Checked) -> str:
    """Hold: the latest window had no fresh value."""
    return (
        f"HOLD no data ({item.threshold.name}): no fresh value of the canary in the latest window. A check "
        f"waits for one, and the step for the check ({RULE})."
    )


def over_now(item: Checked, checks: Checks) -> str:
    """Hold: the latest check failed, though not yet too many did."""
    threshold = item.threshold
    return (
        f"HOLD {threshold.name}: {_against_bound(threshold, checks.canary)}, in the latest check of this "
        f"step ({tally(checks)}, {allowance(threshold)}; {RULE}, no statistics). {_stable(checks)} "
        "No step is taken until a check is good again."
    )


def kept(item: Checked, step_since: float) -> str:
    """Pass: what the latest check found, as a part of a sentence."""
    checks = of_step(item, step_since)
    if checks is None:
        return f"{item.threshold.name}: not checked"
    stable = "" if checks.stable is None else f" vs stable {number(checks.stable)}"
    return (
        f"{item.threshold.name}: canary {number(checks.canary)}{stable} "
        f"({bound_in_words(item.threshold)}, {tally(checks)}, {RULE})"
    )


def tally(checks: Checks) -> str:
    """As in ``2 of 7 checks failed``."""
    return f"{checks.failed} of {_checks(checks.taken)} failed"


def allowance(threshold: Threshold) -> str:
    """As in ``2 failures are allowed``, and in a row, where that is bounded, too."""
    number_of = threshold.failures or "no"
    failures = "1 failure is allowed" if threshold.failures == 1 else f"{number_of} failures are allowed"
    row = threshold.consecutive
    return failures if row is None else f"{failures}, {row} in a row are too many"


def number(value: float) -> str:
    """Write a value as briefly as people can still read it exactly enough."""
    size = abs(value)
    if size >= 1e6 and size < _LARGEST_PLAIN:
        return f"{value:,.0f}"
    return f"{value:.6g}" if size == 0.0 or size >= _SMALLEST_PLAIN else f"{value:.3g}"


def _against_bound(threshold: Threshold, value: float) -> str:
    """As in ``812, more than the 500 that are allowed``."""
    shown, bound = number(value), number(threshold.bound)
    if shown == bound:
        shown, bound = repr(value), repr(threshold.bound)
    if threshold.side is Side.AT_MOST:
        return f"{shown}, more than the {bound} that are allowed"
    return f"{shown}, less than the {bound} that are asked for"


def _stable(checks: Checks) -> str:
    if checks.stable is None:
        return "Nothing fresh was known of stable, which decides nothing."
    return f"Stable was at {number(checks.stable)}, which decides nothing."


def _checks(taken: int) -> str:
    return "1 check" if taken == 1 else f"{taken} checks"

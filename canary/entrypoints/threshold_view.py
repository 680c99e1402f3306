"""Objectives by the threshold rule, as a person sees them: marked as such wherever they are shown. Pure."""

from dataclasses import dataclass

from canary.domain.plan import Side
from canary.domain.release import Release
from canary.domain.threshold import checked
from canary.domain.threshold_sentences import RULE, allowance, bound_in_words, number, tally
from canary.entrypoints.rendering import marked

__all__ = ["THRESHOLD_HEADER", "ThresholdView", "threshold_rows", "threshold_views"]

THRESHOLD_HEADER = ("OBJECTIVE", "VALUE IS", "CANARY", "STABLE", "ALLOWED", "CHECKS")


@dataclass(frozen=True, slots=True)
class ThresholdView:
    """One objective by the threshold rule, by its checks in the present step."""

    name: str
    metric: str
    """What the value is, as a formula."""
    side: Side
    bound: float
    allowed: str
    """The bound in words: ``at most 500``."""
    canary: float | None
    """At the latest check; None while there was none."""
    stable: float | None
    taken: int
    failed: int
    checks: str
    """How the checks went, and what is allowed of them, in words."""
    is_over: bool
    """The latest check failed."""
    rule: str = RULE

    @property
    def canary_value(self) -> str:
        """The canary's value as it is shown."""
        return "-" if self.canary is None else number(self.canary)

    @property
    def stable_value(self) -> str:
        """Stable's value as it is shown; it decides nothing."""
        return "-" if self.stable is None else number(self.stable)


def threshold_views(release: Release) -> tuple[ThresholdView, ...]:
    """Return a view of each objective by the threshold rule."""
    views, dry_run = [], release.plan.dry_run
    for item in checked(release.evidence, release.plan):
        threshold, checks = item.threshold, item.checks
        found = "no check yet" if checks is None else tally(checks)
        views.append(
            ThresholdView(
                name=threshold.name,
                metric=str(threshold.template) if threshold.template is not None else "",
                side=threshold.side,
                bound=threshold.bound,
                allowed=bound_in_words(threshold),
                canary=checks.canary if checks is not None else None,
                stable=checks.stable if checks is not None else None,
                taken=checks.taken if checks is not None else 0,
                failed=checks.failed if checks is not None else 0,
                checks=marked(f"{found}, {allowance(threshold)}", dry_run=threshold.name in dry_run),
                is_over=checks is not None and not threshold.holds(checks.canary),
            )
        )
    return tuple(views)


def threshold_rows(views: tuple[ThresholdView, ...]) -> tuple[tuple[str, ...], ...]:
    """Return a row for each, under ``THRESHOLD_HEADER``."""
    return tuple(
        (item.name, item.metric, item.canary_value, item.stable_value, item.allowed, item.checks)
        for item in views
    )

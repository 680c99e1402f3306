"""A release as a person follows it: what is asked for and measured, what the verdict is, what comes next.

``live_view`` is pure and makes the view; ``plain_line`` writes it in one line, for output that is no
terminal; ``canary.entrypoints.live_panel`` draws it. The view is honest about age: it says when the newest
window that was counted ended, and calls a status stale that a running controller would have renewed.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from canary.domain.interval import anytime_interval
from canary.domain.istio_metrics import SOURCE
from canary.domain.measurement import ArmCounts, Counts
from canary.domain.plan import Step
from canary.domain.release import Phase, Release, Stage, canary_weight
from canary.domain.sentences import percent, subject_of
from canary.domain.verdict import Finding, Interval, Outcome
from canary.entrypoints.outlook import Outlook, outlook
from canary.entrypoints.rendering import duration, marked, printable
from canary.entrypoints.threshold_view import ThresholdView, threshold_views

__all__ = [
    "Arm",
    "Beside",
    "LiveView",
    "ObjectiveView",
    "StepState",
    "last_verdict",
    "live_view",
    "marked_steps",
    "next_in_words",
    "percent_of_threshold",
    "plain_line",
    "staleness",
    "weight_in_words",
]

STALE_SECONDS = 40.0
"""Status is written at least each 10 s while there is data, and data is a few seconds late."""
STALE_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class Arm:
    """What was counted of one workload for one objective."""

    counts: Counts
    interval: Interval

    def __str__(self) -> str:
        """As in ``2.3 % [1.0, 4.5] (23 of 1000)``."""
        return f"{self.share} ({self.numbers})" if self.counts.requests else self.numbers

    @property
    def share(self) -> str:
        """The fraction of bad requests and its interval: ``2.3 % [1.0, 4.5]``."""
        ratio = self.counts.bad_ratio
        if ratio is None:
            return "-"
        low, high = (percent(edge).removesuffix(" %") for edge in (self.interval.low, self.interval.high))
        return f"{percent(ratio)} [{low}, {high}]"

    @property
    def numbers(self) -> str:
        """What the fraction is made of: ``23 of 1000``."""
        return f"{self.counts.bad} of {self.counts.requests}" if self.counts.requests else "nothing counted"


@dataclass(frozen=True, slots=True)
class Beside:
    """The same requests by the count of the other reporter, which does not judge."""

    subject: str
    """Whose count it is, in words."""
    canary: Arm
    stable: Arm


@dataclass(frozen=True, slots=True)
class ObjectiveView:
    """One objective: both arms, the bound, and how near each of its tests is to a rollback."""

    name: str
    subject: str
    """What is bounded: ``error rate``, ``requests slower than 500 ms``, a template objective's name."""
    canary: Arm
    stable: Arm
    max_bad_ratio: float
    bound_evidence_percent: int
    """Of the way to a rollback, on the log scale: the test against the bound."""
    stable_evidence_percent: int
    """The same of the test against stable; for latency, of the stronger of two."""
    dispersion: float
    """How many times as much stable's bad requests vary as independent ones would."""
    beside: Beside | None = None
    dry_run: bool = False
    """It decides nothing."""

    @property
    def allowed(self) -> str:
        """The bound in words: ``at most 1.0 %``."""
        return marked(f"at most {percent(self.max_bad_ratio)}", dry_run=self.dry_run)

    @property
    def is_over(self) -> bool:
        """The canary's measured share of bad requests is above the bound, whatever the evidence."""
        ratio = self.canary.counts.bad_ratio
        return ratio is not None and ratio > self.max_bad_ratio


class StepState(StrEnum):
    """Where a release is, seen from one of its steps."""

    DONE = "done"
    PRESENT = "present"
    COMING = "coming"


@dataclass(frozen=True, slots=True)
class LiveView:
    """One release at one moment. Shares and weights are percent."""

    title: str
    release: str
    revision: str
    phase: Phase
    stage: Stage | None
    steps: tuple[Step, ...]
    step: int | None
    """Index of the present step; None before the first."""
    wanted_weight: int
    actual_weight: int | None
    """The canary's largest weight over all routes; None when it was not read."""
    observed_share: float | None
    """The canary's part of the requests counted since the step began."""
    objectives: tuple[ObjectiveView, ...]
    thresholds: tuple[ThresholdView, ...]
    evidence_percent: int | None
    """Of the way to a rollback, on the log scale, all tests together; None before the first verdict."""
    outcome: Outcome | None
    sentence: str
    next: Outlook
    measured_seconds_ago: float | None
    """Since the end of the newest window counted; None while nothing is being judged."""
    is_stale: bool
    """A running controller would have written something newer."""

    @property
    def progress(self) -> str:
        """The step as people count it: ``2/3``."""
        return f"{0 if self.step is None else self.step + 1}/{len(self.steps)}"


def live_view(release: Release, routes_percent: int | None, now: float) -> LiveView:
    """Return the view of ``release``; ``routes_percent`` is the canary's weight as the routes have it."""
    verdict = release.verdict
    findings = verdict.findings if verdict is not None else ()
    threshold = verdict.log_threshold if verdict is not None else 0.0
    ago = max(0.0, now - release.evidence.evaluated_until) if _is_judged(release) else None
    return LiveView(
        title=str(release.key),
        release=release.name,
        revision=release.revision,
        phase=release.phase,
        stage=release.stage,
        steps=release.plan.steps,
        step=None if release.phase is Phase.PENDING else release.step,
        wanted_weight=canary_weight(release),
        actual_weight=routes_percent,
        observed_share=_observed_share(release) if release.is_judged else None,
        objectives=tuple(_objective(finding, threshold, release.evidence.reporter) for finding in findings),
        thresholds=threshold_views(release),
        evidence_percent=None if verdict is None else percent_of_threshold(verdict.log_evidence, threshold),
        outcome=verdict.outcome if verdict is not None else None,
        # The message is the verdict's sentence, or what is graver than any verdict.
        sentence=release.message or (verdict.sentence if verdict is not None else ""),
        next=outlook(release, now),
        measured_seconds_ago=ago,
        is_stale=ago is not None and ago > max(STALE_SECONDS, STALE_WINDOWS * release.window_seconds),
    )


def percent_of_threshold(log_evidence: float, log_threshold: float) -> int:
    """How far evidence is on the way to a rollback: 0 at E = 1 or below, 100 at 1/alpha or above.

    99 is not rounded up: 100 means that the threshold is reached.
    """
    if log_threshold <= 0.0 or log_evidence <= 0.0:
        return 0
    if log_evidence >= log_threshold:
        return 100
    return math.floor(100.0 * log_evidence / log_threshold)


def _is_judged(release: Release) -> bool:
    return release.phase in {Phase.PROGRESSING, Phase.HELD} or (
        release.phase is Phase.PROMOTING and release.stage is Stage.COPYING
    )


def _observed_share(release: Release) -> float | None:
    """Each objective counts the same requests, but for templates; the one that counted most has seen all."""
    by_name = release.evidence.step_counts
    seen = [
        by_name[item.name]
        for item in release.plan.objectives
        if item.counts_requests and item.name in by_name
    ]
    counts = [(item.canary.requests, item.canary.requests + item.stable.requests) for item in seen]
    canary, total = max(counts, key=lambda pair: pair[1], default=(0, 0))
    return 100.0 * canary / total if total else None


def _objective(finding: Finding, threshold: float, reporter: str) -> ObjectiveView:
    return ObjectiveView(
        name=finding.objective,
        subject=subject_of(finding),
        canary=Arm(finding.canary, finding.canary_interval),
        stable=Arm(finding.stable, finding.stable_interval),
        max_bad_ratio=finding.max_bad_ratio,
        bound_evidence_percent=percent_of_threshold(finding.log_evidence_slo, threshold),
        stable_evidence_percent=percent_of_threshold(finding.log_evidence_against_stable, threshold),
        dispersion=finding.dispersion,
        dry_run=finding.dry_run,
        beside=None if finding.beside is None else _beside(finding.beside, finding.dispersion, reporter),
    )


def _beside(counts: ArmCounts, dispersion: float, reporter: str) -> Beside:
    def arm(of: Counts) -> Arm:
        return Arm(of, anytime_interval(of.requests, of.bad, dispersion=dispersion))

    subject = "as pods saw each attempt" if reporter == SOURCE else "as clients saw it"
    return Beside(subject, arm(counts.canary), arm(counts.stable))


def plain_line(view: LiveView) -> str:
    """Return the view in one line without colours; what is not known is left out."""
    stage = f"/{view.stage.value}" if view.stage is not None else ""
    actual = "" if view.actual_weight is None else f" (routes {view.actual_weight} %)"
    parts = [f"{view.title} {view.release} {view.phase.value}{stage} step {view.progress}"]
    parts.append(f"weight {view.wanted_weight} %{actual}")
    if view.observed_share is not None:
        parts.append(f"observed {view.observed_share:.1f} %")
    parts += [f"{item.subject}: canary {item.canary}, stable {item.stable}" for item in view.objectives]
    parts += [
        f"{item.name} ({item.rule}): canary {item.canary_value}, stable {item.stable_value}, {item.checks}"
        for item in view.thresholds
    ]
    if view.evidence_percent is not None:
        parts.append(f"evidence {view.evidence_percent} %")
    if view.sentence:
        parts.append(view.sentence)
    if not view.phase.is_terminal:
        parts.append(f"next: {next_in_words(view.next)}")
    if view.is_stale:
        parts.append(staleness(view))
    return printable(" | ".join(parts))


def marked_steps(view: LiveView) -> tuple[tuple[StepState, str], ...]:
    """Return each step as it is shown, readable without colours: ``10 % ✓``, ``[50 %]``, ``100 %``."""
    is_over = view.phase in {Phase.PROMOTING, Phase.SUCCEEDED}
    marks = []
    for index, step in enumerate(view.steps):
        if is_over or (view.step is not None and index < view.step):
            marks.append((StepState.DONE, f"{step.weight} % ✓"))
        elif index == view.step and not view.phase.is_terminal:
            marks.append((StepState.PRESENT, f"[{step.weight} %]"))
        else:
            marks.append((StepState.COMING, f"{step.weight} %"))
    return tuple(marks)


def weight_in_words(view: LiveView) -> str:
    """Say which weight is wanted, and as far as they are known, which the routes have and what came of it."""
    phrases = [f"wanted {view.wanted_weight} %"]
    if view.actual_weight is not None:
        phrases.append(f"routes {view.actual_weight} %")
    if view.observed_share is not None:
        phrases.append(f"observed {view.observed_share:.1f} % of requests in this step")
    return ", ".join(phrases)


def last_verdict(release: Release, view: LiveView) -> str:
    """Return the latest verdict's sentence, where the release's own message says something else."""
    sentence = release.verdict.sentence if release.verdict is not None else ""
    return sentence if sentence and sentence not in view.sentence else ""


def next_in_words(following: Outlook) -> str:
    """Return what comes next with its countdown."""
    if following.in_seconds is None:
        return following.text
    if following.in_seconds <= 0.0:
        return f"{following.text}, as soon as the verdict is Pass"
    return f"{following.text}, in {duration(following.in_seconds)} at the earliest"


def staleness(view: LiveView) -> str:
    """Say how old the numbers are; empty when nothing is being judged."""
    if view.measured_seconds_ago is None:
        return ""
    ago = f"last measured {duration(view.measured_seconds_ago)} ago"
    return f"{ago}: STALE, the controller may not be running" if view.is_stale else ago

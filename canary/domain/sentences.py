"""Sentences: what a verdict says to the person who reads it, from the numbers that it rests on.

They say what was found, what was allowed, and how rarely chance alone would look like it; or what is missing
and when it may come. They never claim a probability that the canary is good.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from canary.domain.assurance import Missing, next_weight
from canary.domain.duration import format_duration
from canary.domain.evidence import SplitDoubt
from canary.domain.measurement import Counts, NoData
from canary.domain.plan import EvidenceRule, ObjectiveKind, OnNoData, Plan
from canary.domain.verdict import Finding, Interval, Slower

__all__ = [
    "Progress",
    "baked",
    "baking",
    "breached",
    "lost_on_the_way",
    "no_data",
    "no_stable_traffic",
    "no_traffic",
    "not_shown",
    "nothing_measured",
    "one_in",
    "percent",
    "shared_trouble",
    "slower_than_stable",
    "split_not_observed",
    "subject_of",
    "together",
    "too_few_requests",
    "worse_than_stable",
]

LONGEST_DETAIL = 200
RAREST = 1_000_000_000
LEAST_DISPERSION = 1.05
"""Less makes no difference that anybody could see."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where in its plan a release is, and how much of the present step was measured."""

    plan: Plan
    step_index: int
    measured_seconds: float

    def __str__(self) -> str:
        """As in ``step 1 of 3 (10 %)``."""
        steps = self.plan.steps
        return f"step {self.step_index + 1} of {len(steps)} ({steps[self.step_index].weight} %)"


def subject_of(finding: Finding) -> str:
    """Name what an objective bounds; by a template, that is what its owner calls it."""
    if finding.kind is ObjectiveKind.TEMPLATE:
        return finding.objective
    if finding.bound_ms is None:
        return "error rate"
    return f"requests slower than {finding.bound_ms:g} ms"


def breached(finding: Finding, log_evidence: float, windows: int) -> str:
    """Fail: the canary breaks an objective's bound."""
    allowed = percent(finding.max_bad_ratio)
    return (
        f"FAIL {subject_of(finding)}: {_both(finding)}; at most {allowed} is allowed. "
        f"If the canary kept that bound, {_strength(log_evidence, windows, finding.dispersion)}"
    )


def worse_than_stable(finding: Finding, tolerance: float, log_evidence: float, windows: int) -> str:
    """Fail: the canary is worse than stable by more than the tolerance."""
    strength = _strength(log_evidence, windows, finding.dispersion)
    return (
        f"FAIL {subject_of(finding)}: {_both(finding)}. "
        f"If the canary were at most {tolerance:g}x stable, {strength}"
    )


def slower_than_stable(
    finding: Finding, slower: Slower, tolerance: float, log_evidence: float, windows: int
) -> str:
    """Fail: the canary is several times as slow as stable."""
    return (
        f"FAIL {finding.objective}: {_slowness(slower)}. If the canary's share were at most {tolerance:g}x "
        f"that of stable, {_strength(log_evidence, windows, slower.dispersion)}"
    )


def lost_on_the_way(
    counts: Counts, interval: Interval, allowed: float, log_evidence: float, windows: int, dispersion: float
) -> str:
    """Fail: too many requests failed before they reached any workload."""
    share = _share(counts, interval, ObjectiveKind.ERRORS)
    return (
        f"FAIL requests that reached no workload: {share}; at most {percent(allowed)} is allowed. "
        f"If that were kept, {_strength(log_evidence, windows, dispersion)}"
    )


def together(finding: Finding, tolerance: float, log_evidence: float, windows: int) -> str:
    """Fail: no test alone convicts, all together do; ``finding`` contributes most."""
    strength = _strength(log_evidence, windows, finding.dispersion)
    return (
        f"FAIL {subject_of(finding)}, with the other objectives: {_most(finding)}. If the canary kept every "
        f"bound and were at most {tolerance:g}x stable, {strength}"
    )


def shared_trouble(finding: Finding, tolerance: float) -> str:
    """Hold: stable breaks the objective too."""
    return (
        f"HOLD {subject_of(finding)}: stable itself is in trouble: {_both(finding)}; at most "
        f"{percent(finding.max_bad_ratio)} is allowed. The canary is not blamed for what both suffer: until "
        f"stable recovers, only being worse than {tolerance:g}x stable counts against it."
    )


def no_data(problem: NoData, plan: Plan) -> str:
    """Hold: the latest look brought nothing."""
    text = str(problem)
    detail = text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 1] + "…"
    return f"HOLD no data: {detail}. {_what_ends_silence(plan)}"


def nothing_measured(since: float, plan: Plan) -> str:
    """Hold: no window was measured for too long."""
    moment = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"HOLD no data: nothing was measured since {moment}. {_what_ends_silence(plan)}"


def _what_ends_silence(plan: Plan) -> str:
    stays = "the release stays held" if plan.on_no_data is OnNoData.HOLD else "it is rolled back"
    return (
        "Judging goes on with the next measurement; "
        f"if none comes before the deadline of {format_duration(plan.deadline_seconds)}, {stays}."
    )


def baking(progress: Progress, bake_seconds: float, requests: int) -> str:
    """Hold: the step has not lasted long enough."""
    left = math.ceil(bake_seconds - progress.measured_seconds)
    return (
        f"HOLD baking: {progress} has been measured for {format_duration(_whole(progress))} of "
        f"{format_duration(bake_seconds)}, {left} s to go; {_plural(requests, 'canary request')} so far."
    )


def too_few_requests(progress: Progress, requests: int, finding: Finding) -> str:
    """Hold: not enough of the canary's requests were counted for an objective in this step."""
    events = _events(finding.kind)
    missing = progress.plan.min_requests - requests
    if requests and progress.measured_seconds > 0:
        rate = requests / progress.measured_seconds
        wait_seconds = math.ceil(missing / rate)
        wait = f"at the present rate of {rate:.2g}/s they take about {format_duration(wait_seconds)}"
    else:
        wait = "and none has come yet"
    return (
        f"HOLD too few {events} ({subject_of(finding)}): {requests} of at least "
        f"{progress.plan.min_requests} canary {events} were counted in {progress}; {missing} more are "
        f"needed, {wait}."
    )


def no_traffic(progress: Progress, silent_seconds: float | None) -> str:
    """Hold: the canary gets no requests."""
    if silent_seconds is None:
        heard = "has had no request yet"
    else:
        heard = f"has had no request for {format_duration(round(silent_seconds))}"
    return f"HOLD no traffic: the canary {heard} in {progress}. Silence is not health; it waits for requests."


def no_stable_traffic(progress: Progress, finding: Finding) -> str:
    """Hold: stable should get a part of the requests, and none was counted for an objective."""
    none = "no request to stable" if finding.kind is not ObjectiveKind.TEMPLATE else "no event of stable"
    return (
        f"HOLD no traffic ({subject_of(finding)}): {none} was counted in {progress}, so there is nothing to "
        "compare the canary with. Check that stable's metrics are scraped."
    )


def split_not_observed(progress: Progress, doubt: SplitDoubt) -> str:
    """Hold: the canary gets less than its weight."""
    got = percent(doubt.seen.bad / doubt.seen.requests)
    return (
        f"HOLD requests do not follow the weights: in {progress} the canary got {got} of "
        f"{_plural(doubt.seen.requests, 'request')}; by the weights it gets at least "
        f"{percent(doubt.least_share)}. Either the proxies have not heard of the weights (is istiod up? do "
        "they refuse the routes of some VirtualService, and with it all others? does an older VirtualService "
        "have the same host?) or requests come by ways that these weights do not govern. The step begins "
        "when they follow."
    )


def under_suspicion(finding: Finding, log_evidence: float, log_threshold: float) -> str:
    """Hold: the evidence speaks against the canary, though it does not convict it."""
    way = 100.0 * log_evidence / log_threshold
    return (
        f"HOLD {subject_of(finding)}: {_most(finding)}. The evidence against the canary has come "
        f"{way:.0f} % of the way to a rollback: no step is taken until it has faded."
    )


def not_shown(progress: Progress, finding: Finding, lacking: Missing) -> str:
    """Hold: it is not shown yet that going on is safe."""
    plan = progress.plan
    going_on = f"{next_weight(plan, progress.step_index)} %"
    way = max(0.0, 100.0 * lacking.log_evidence / lacking.log_threshold)
    requests = finding.canary.requests
    if lacking.requests is None:
        wait = "as things are, no number of requests would show it"
    else:
        number = math.ceil(lacking.requests)
        rate = requests / progress.measured_seconds if progress.measured_seconds > 0 else 0.0
        soon = (
            f", about {format_duration(math.ceil(number / rate))} at the present {rate:.2g}/s" if rate else ""
        )
        wait = f"about {number} more canary {_events(finding.kind)} are needed{soon}"
    return (
        f"HOLD {subject_of(finding)}: {_both(finding)}. {progress} goes on to {going_on} when it is shown "
        f"that the canary's share exceeds stable's by less than {percent(lacking.excess)}, which is "
        f"{percent(plan.blast_radius_budget)} of all requests then; that is {way:.0f} % shown, and {wait}."
    )


def baked(progress: Progress, findings: Sequence[Finding], further: Sequence[str] = ()) -> str:
    """Pass: nothing was found against the canary, and enough was measured to have found it.

    ``further`` says what was found by other rules.
    """
    counted = (f"{subject_of(finding)}: {_both(finding)}" for finding in findings)
    numbers = "; ".join((*counted, *further))
    return (
        f"PASS {progress}: {numbers or 'no objectives'}. Measured for {format_duration(_whole(progress))}; "
        f"nothing found against the canary{_shown(progress)}."
    )


def _shown(progress: Progress) -> str:
    plan = progress.plan
    if plan.evidence is not EvidenceRule.BUDGET or not plan.objectives:
        return ""
    return (
        f", and shown that at {next_weight(plan, progress.step_index)} % it costs less than "
        f"{percent(plan.blast_radius_budget)} of all requests (wrong in at most "
        f"{percent(plan.false_promotion_budget)} of steps)"
    )


def percent(fraction: float) -> str:
    """Write a fraction as a percentage that is short and never rounds something to nothing."""
    return f"{_number(fraction)} %"


def _number(fraction: float) -> str:
    value = 100.0 * fraction
    if value == 0.0:
        return "0"
    if value < 0.001:
        return "<0.001"
    return f"{value:.1f}" if value >= 0.1 else f"{value:.1g}"


def one_in(log_evidence: float) -> int:
    """Return the N of "at most 1 of N releases": exp(log_evidence), rounded down to one digit and bounded."""
    if log_evidence >= math.log(RAREST):
        return RAREST
    value = math.exp(max(log_evidence, 0.0)) * (1.0 + 1e-9)
    scale: int = 10 ** int(math.log10(value))
    return int(value / scale) * scale


def _strength(log_evidence: float, windows: int, dispersion: float) -> str:
    allowed = f" Dispersion {dispersion:.1f}." if dispersion >= LEAST_DISPERSION else ""
    return (
        f"evidence this strong would appear in at most 1 of {one_in(log_evidence):,} releases. "
        f"{_plural(windows, 'window')}.{allowed}"
    )


def _both(finding: Finding) -> str:
    canary = _share(finding.canary, finding.canary_interval, finding.kind)
    return f"canary {canary} vs stable {_share(finding.stable, finding.stable_interval, finding.kind)}"


def _most(finding: Finding) -> str:
    """The numbers of the strongest test."""
    slower = finding.slower
    if slower is not None and slower.log_evidence >= finding.log_evidence_most:
        return _slowness(slower)
    return _both(finding)


def _slowness(slower: Slower) -> str:
    canary = _share(slower.canary, slower.canary_interval, ObjectiveKind.LATENCY)
    stable = _share(slower.stable, slower.stable_interval, ObjectiveKind.LATENCY)
    return (
        f"{canary} of the canary's requests took longer than {slower.canary_ms:g} ms, while of stable's "
        f"{stable} took longer than even {slower.stable_ms:g} ms"
    )


def _share(counts: Counts, interval: Interval, kind: ObjectiveKind) -> str:
    ratio = counts.bad_ratio
    if ratio is None:
        return f"unknown (no {_events(kind)})"
    bounds = f"[{_number(interval.low)}, {_number(interval.high)}]"
    # "payments: 12 of 400" would leave open whether the 12 went well.
    bad = " bad" if kind is ObjectiveKind.TEMPLATE else ""
    return f"{percent(ratio)} {bounds} ({counts.bad} of {counts.requests}{bad})"


def _events(kind: ObjectiveKind) -> str:
    """What an objective counts, in the plural."""
    return "events" if kind is ObjectiveKind.TEMPLATE else "requests"


def _whole(progress: Progress) -> float:
    return float(math.floor(max(progress.measured_seconds, 0.0) + 1e-6))


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""``canaryctl explain``: everything that a verdict rests on, in text that can be pasted anywhere. Pure."""

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from canary.adapters.istio.objects import Home
from canary.adapters.kube.wire import format_time, to_wire
from canary.app.ports import StoredRelease
from canary.domain.assurance import excess_allowed, log_assured, next_weight
from canary.domain.conviction import weigh
from canary.domain.observation import Requests
from canary.domain.plan import EvidenceRule
from canary.domain.release import Release
from canary.domain.sentences import percent
from canary.entrypoints.decisions_view import decisions_in_words
from canary.entrypoints.live_view import LiveView, last_verdict, next_in_words, percent_of_threshold
from canary.entrypoints.pairs_view import pair_rows, pairs_document
from canary.entrypoints.plan_view import plan_in_words
from canary.entrypoints.rendering import duration, marked, moment, printable, table
from canary.entrypoints.threshold_view import THRESHOLD_HEADER, threshold_rows

__all__ = [
    "EVIDENCE_HEADER",
    "Explanation",
    "evidence_in_words",
    "evidence_rows",
    "explain_text",
    "explanation_document",
    "kubectl_patches",
    "requests_in_words",
    "windows_in_words",
]

ASSURANCE_HEADER = ("OBJECTIVE", "LN(E)", "SHOWN")
EVIDENCE_HEADER = ("TEST", "LN(w*E)", "OF THE WAY", "WINDOWS", "NOW")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one release, and how to return its traffic without the controller."""

    stored: StoredRelease
    view: LiveView
    queries: Mapping[str, str]
    """By metric: the query for the last window."""
    commands: Sequence[str]
    """kubectl commands that return all traffic to stable; empty when it is there."""
    routes: Sequence[str]
    """Each route of the pair with its present weights, and what is wrong or was left out, in phrases."""
    withheld: Sequence[str] = ()
    """The VirtualServices that the commands leave as they are because they may not be looked at, and why."""


def explain_text(explanation: Explanation) -> str:
    """Return the whole explanation."""
    parts = [
        _summary(explanation),
        ("Objectives, counted since this step began", _objectives(explanation)),
        ("Objectives by the threshold rule, no statistics, checked in this step", _thresholds(explanation)),
        ("Evidence against the canary", _evidence(explanation.stored.release)),
        ("Evidence that going on is safe", _assurance(explanation.stored.release)),
        ("Dispersion of stable's bad requests", dispersion_in_words(explanation.stored.release)),
        ("Decisions", decisions_in_words(explanation.stored.release)),
        ("Windows", "\n".join(windows_in_words(explanation.stored.release))),
        ("Queries, for the last window", _queries(explanation)),
        ("Routes", "\n".join(explanation.routes)),
        ("Plan", "\n".join(plan_in_words(explanation.stored.release.plan))),
        ("Asked for", "\n".join(requests_in_words(explanation.stored.requests)) or "nothing"),
        ("Next", next_in_words(explanation.view.next)),
        ("If the controller is gone: all traffic to stable by hand", _by_hand(explanation)),
    ]
    text = "\n\n".join(
        part if isinstance(part, str) else f"{part[0]}:\n{_indented(part[1])}"
        for part in parts
        if isinstance(part, str) or part[1]
    )
    return printable(text)


def explanation_document(explanation: Explanation) -> Json:
    """Return the explanation for scripts; shares are fractions unless named percent, times RFC 3339."""
    release = explanation.stored.release
    weighed = weigh(release.evidence, release.plan, release.window_seconds)
    counted = {charge.planned.name for charge in weighed.charges}
    tests = [
        {
            "test": name,
            "logEvidence": log,
            "percentOfThreshold": percent_of_threshold(log, weighed.log_threshold),
            "windows": release.evidence.tests[name].windows if name in release.evidence.tests else 0,
            "counts": name in counted,
            **pairs_document(release, weighed, name),
        }
        for name, log in weighed.log_by_test.items()
    ]
    return {
        "attempt": release.attempt,
        "reason": release.reason.value,
        "live": to_wire(explanation.view),
        "verdict": to_wire(release.verdict) if release.verdict is not None else None,
        "evidence": {"log": weighed.log_evidence, "logThreshold": weighed.log_threshold, "tests": tests},
        "assurance": _assurance_document(release),
        "decisions": [to_wire(record) for record in release.records],
        "windows": {
            "seconds": release.window_seconds,
            "since": format_time(release.step_since),
            "until": format_time(release.evidence.evaluated_until),
        },
        "queries": dict(explanation.queries),
        "routes": list(explanation.routes),
        "requests": list(requests_in_words(explanation.stored.requests)),
        "byHand": list(explanation.commands),
        "withheld": list(explanation.withheld),
    }


def requests_in_words(requests: Requests) -> tuple[str, ...]:
    """Say what people have asked of a release."""
    words = [requests.abort] if requests.abort is not None else []
    words += [f"gate {gate.value} approved" for gate in sorted(requests.approved)]
    words += ["promotion without waiting for the steps that are left"] if requests.promote else []
    words += ["another attempt at the revision"] if requests.retry else []
    return tuple(words)


def kubectl_patches(
    patches: Mapping[Home, Sequence[Json]], cluster_arguments: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return one command for each VirtualService and its JSON Patch.

    ``cluster_arguments`` are kubectl's options for the cluster that was asked, so that a pasted command
    reaches no other. The test on the object's version is left out, since people are slow; those on hosts
    and weights stay.
    """
    kubectl = shlex.join(["kubectl", *cluster_arguments])
    return tuple(
        f"{kubectl} patch virtualservices.networking.istio.io {home.name} -n {home.namespace} --type=json -p "
        + shlex.quote(json.dumps([step for step in operations if not _is_version(step)]))
        for home, operations in patches.items()
        if operations
    )


def _is_version(operation: Json) -> bool:
    return operation.get("path") == "/metadata/resourceVersion"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else "" for line in text.split("\n"))


def _summary(explanation: Explanation) -> str:
    release, view = explanation.stored.release, explanation.view
    stage = f" ({view.stage.value})" if view.stage is not None else ""
    lines = [
        f"Release {view.title.partition('/')[0]}/{release.name}: revision {release.revision}, "
        f"attempt {release.attempt}",
        f"Phase {release.phase.value}{stage} since {moment(release.phase_since)}, step {view.progress}, "
        f"reason {release.reason.value}",
        f"Weight wanted {view.wanted_weight} %"
        + ("" if view.actual_weight is None else f", in the routes {view.actual_weight} %")
        + ("" if view.observed_share is None else f", observed {view.observed_share:.1f} %"),
        "",
        view.sentence or "Nothing has been judged yet.",
    ]
    if verdict := last_verdict(release, view):
        lines.append(f"Last verdict: {verdict}")
    return "\n".join(lines)


def _objectives(explanation: Explanation) -> str:
    planned = explanation.stored.release.plan.objectives
    counters = {item.name: str(item.template.bad) for item in planned if item.template is not None}
    rows: list[tuple[str, ...]] = []
    for item in explanation.view.objectives:
        rows.append(
            (
                item.name,
                counters.get(item.name, item.subject),
                str(item.canary),
                str(item.stable),
                marked(percent(item.max_bad_ratio), dry_run=item.dry_run),
                f"{item.dispersion:.1f}",
            )
        )
        if item.beside is not None:
            beside = item.beside
            rows.append(
                (item.name, beside.subject, str(beside.canary), str(beside.stable), "shown only", "-")
            )
    return table(("OBJECTIVE", "BAD IS", "CANARY", "STABLE", "AT MOST", "DISPERSION"), rows) if rows else ""


def _thresholds(explanation: Explanation) -> str:
    views = explanation.view.thresholds
    return table(THRESHOLD_HEADER, threshold_rows(views)) if views else ""


def _evidence(release: Release) -> str:
    return f"{evidence_in_words(release)}\n{table(EVIDENCE_HEADER, evidence_rows(release))}"


def evidence_in_words(release: Release) -> str:
    """Say how near a rollback is, and what that is worth."""
    weighed = weigh(release.evidence, release.plan, release.window_seconds)
    total = percent_of_threshold(weighed.log_evidence, weighed.log_threshold)
    budget = release.plan.false_rollback_budget
    return (
        f"All tests together: {total} % of the way to a rollback, on the log scale "
        f"(ln E = {weighed.log_evidence:.2f}, threshold {weighed.log_threshold:.2f}).\n"
        f"A canary that is no worse than allowed ever reaches the threshold in at most {percent(budget)} "
        "of releases, however often one looks.\n"
        "slo: against the objective's bound; stable: at most "
        f"{release.plan.tolerance:g}x as bad as stable; slower: not several times as slow as stable."
    )


def evidence_rows(release: Release) -> tuple[tuple[str, ...], ...]:
    """Return a row for each test, under ``EVIDENCE_HEADER``."""
    weighed = weigh(release.evidence, release.plan, release.window_seconds)
    counted = {charge.planned.name for charge in weighed.charges}
    rows: list[tuple[str, ...]] = []
    for name, log in weighed.log_by_test.items():
        state = release.evidence.tests.get(name)
        reached = percent_of_threshold(log, weighed.log_threshold)
        if name in counted:
            now = "counts"
        elif name.partition("/")[0] in release.plan.dry_run:
            now = "dry run: decides nothing"
        else:
            now = "muted: stable is in trouble itself"
        rows.append((name, f"{log:.2f}", f"{reached}%", str(state.windows if state else 0), now))
        rows += pair_rows(release, weighed, name)
    return tuple(rows)


def _assurance(release: Release) -> str:
    asked = _assurance_document(release)
    if asked is None:
        return ""
    threshold = asked["logThreshold"]
    rows = [
        (name, f"{log:.2f}", f"{percent_of_threshold(log, threshold)}%")
        for name, log in asked["logEvidence"].items()
    ]
    return (
        f"to go on to {asked['nextWeight']} %, the canary's share must be shown to exceed stable's by less "
        f"than {percent(asked['excess'])}\n{table(ASSURANCE_HEADER, rows)}"
    )


def _assurance_document(release: Release) -> Json | None:
    """What the step must show before it is left; None where the plan does not ask for it."""
    if release.plan.evidence is not EvidenceRule.BUDGET or release.phase.is_terminal:
        return None
    return {
        "nextWeight": next_weight(release.plan, release.step),
        "excess": excess_allowed(release.plan, release.step),
        "logThreshold": -math.log(release.plan.false_promotion_budget),
        "logEvidence": {
            item.name: log_assured(release.evidence, item.name) for item in release.plan.objectives
        },
    }


def dispersion_in_words(release: Release) -> str:
    """Say what is known of how stable's bad requests come."""
    until = release.evidence.history_until
    if until is None:
        return "learned since the release began; what was before it is not known yet"
    return f"learned from what was measured before {moment(until)}, and since the release began"


def windows_in_words(release: Release) -> tuple[str, ...]:
    """Say which windows have been counted, what was lost on the way, and what the latest look brought."""
    until = release.evidence.evaluated_until
    lost = release.evidence.step_unattributed
    lines = [
        f"each {duration(release.window_seconds)}; this step counts those from {moment(release.step_since)} "
        f"to {moment(until)}",
        f"the last one is ({moment(until - release.window_seconds)}, {moment(until)}]",
        f"requests that reached no workload in this step: {lost.bad} of {lost.requests}",
    ]
    if release.evidence.no_data is not None:
        lines.append(f"the latest look brought nothing: {release.evidence.no_data}")
    return tuple(lines)


def _queries(explanation: Explanation) -> str:
    if not explanation.queries:
        return ""
    until = explanation.stored.release.evidence.evaluated_until
    lines = [f"evaluate at time {until:.3f}; canary counts the increments between the samples"]
    if explanation.view.thresholds:
        lines[0] += ", and of gauges takes the latest value"
    return "\n".join([*lines, *explanation.queries.values()])


def _by_hand(explanation: Explanation) -> str:
    withheld = [
        f"# Left as it is, whatever weight it gives the canary: {why}" for why in explanation.withheld
    ]
    if explanation.commands or withheld:
        key, stable = explanation.stored.release.key, explanation.stored.release.plan.stable
        return "\n".join(
            (
                f"# While a controller runs, ask it instead: canaryctl abort {key.name} -n {key.namespace}",
                f"# First see to it that {stable} has ready pods: all requests go to them.",
                *explanation.commands,
                *withheld,
            )
        )
    return "nothing to do: the routes give the canary no weight"

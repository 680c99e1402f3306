"""``canaryctl explain``: everything that a verdict rests on, in text that can be pasted anywhere. Pure."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from canary.adapters.kube.wire import format_time, to_wire
from canary.app.ports import StoredRelease
from canary.domain.conviction import weigh
from canary.domain.observation import Requests
from canary.domain.release import Release
from canary.domain.sentences import percent
from canary.entrypoints.live_view import LiveView, next_in_words, percent_of_threshold
from canary.entrypoints.rendering import duration, printable, table

__all__ = ["Explanation", "explain_text", "explanation_document", "kubectl_patches", "requests_in_words"]

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


def explain_text(explanation: Explanation) -> str:
    """Return the whole explanation."""
    parts = [
        _summary(explanation),
        ("Objectives, counted since this step began", _objectives(explanation)),
        ("Evidence against the canary", _evidence(explanation.stored.release)),
        ("Windows", _windows(explanation.stored.release)),
        ("Queries, for the last window", _queries(explanation)),
        ("Routes", "\n".join(explanation.routes)),
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
        }
        for name, log in weighed.log_by_test.items()
    ]
    return {
        "attempt": release.attempt,
        "reason": release.reason.value,
        "live": to_wire(explanation.view),
        "verdict": to_wire(release.verdict) if release.verdict is not None else None,
        "evidence": {"log": weighed.log_evidence, "logThreshold": weighed.log_threshold, "tests": tests},
        "windows": {
            "seconds": release.window_seconds,
            "since": format_time(release.step_since),
            "until": format_time(release.evidence.evaluated_until),
        },
        "queries": dict(explanation.queries),
        "routes": list(explanation.routes),
        "requests": list(requests_in_words(explanation.stored.requests)),
        "byHand": list(explanation.commands),
    }


def requests_in_words(requests: Requests) -> tuple[str, ...]:
    """Say what people have asked of a release."""
    words = [requests.abort] if requests.abort is not None else []
    words += [f"gate {gate.value} approved" for gate in sorted(requests.approved)]
    words += ["promotion without waiting for the steps that are left"] if requests.promote else []
    words += ["another attempt at the revision"] if requests.retry else []
    return tuple(words)


def kubectl_patches(
    namespace: str, patches: Mapping[str, Sequence[Json]], cluster_arguments: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return one command for each VirtualService and its JSON Patch.

    ``cluster_arguments`` are kubectl's options for the cluster that was asked, so that a pasted command
    reaches no other. The test on the object's version is left out, since people are slow; those on hosts
    and weights stay.
    """
    kubectl = shlex.join(["kubectl", *cluster_arguments])
    return tuple(
        f"{kubectl} patch virtualservices.networking.istio.io {name} -n {namespace} --type=json -p "
        + shlex.quote(json.dumps([step for step in operations if not _is_version(step)]))
        for name, operations in patches.items()
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
        f"Phase {release.phase.value}{stage} since {_moment(release.phase_since)}, step {view.progress}, "
        f"reason {release.reason.value}",
        f"Weight wanted {view.wanted_weight} %"
        + ("" if view.actual_weight is None else f", in the routes {view.actual_weight} %")
        + ("" if view.observed_share is None else f", observed {view.observed_share:.1f} %"),
        "",
        view.sentence or "Nothing has been judged yet.",
    ]
    verdict = release.verdict
    if verdict is not None and verdict.sentence and verdict.sentence not in view.sentence:
        lines.append(f"Last verdict: {verdict.sentence}")
    return "\n".join(lines)


def _objectives(explanation: Explanation) -> str:
    planned = explanation.stored.release.plan.objectives
    counters = {item.name: str(item.template.bad) for item in planned if item.template is not None}
    rows = [
        (
            item.name,
            counters.get(item.name, item.subject),
            str(item.canary),
            str(item.stable),
            percent(item.max_bad_ratio),
        )
        for item in explanation.view.objectives
    ]
    return table(("OBJECTIVE", "BAD IS", "CANARY", "STABLE", "AT MOST"), rows) if rows else ""


def _evidence(release: Release) -> str:
    weighed = weigh(release.evidence, release.plan, release.window_seconds)
    counted = {charge.planned.name for charge in weighed.charges}
    total = percent_of_threshold(weighed.log_evidence, weighed.log_threshold)
    rows = []
    for name, log in weighed.log_by_test.items():
        state = release.evidence.tests.get(name)
        reached = percent_of_threshold(log, weighed.log_threshold)
        now = "counts" if name in counted else "muted: stable is in trouble itself"
        rows.append((name, f"{log:.2f}", f"{reached}%", str(state.windows if state else 0), now))
    tests = table(("TEST", "LN(w*E)", "OF THE WAY", "WINDOWS", "NOW"), rows)
    budget = release.plan.false_rollback_budget
    return (
        f"All tests together: {total} % of the way to a rollback, on the log scale "
        f"(ln E = {weighed.log_evidence:.2f}, threshold {weighed.log_threshold:.2f}).\n"
        f"A canary that is no worse than allowed ever reaches the threshold in at most {percent(budget)} "
        "of releases, however often one looks.\n"
        "slo: against the objective's bound; stable: at most "
        f"{release.plan.tolerance:g}x as bad as stable.\n{tests}"
    )


def _windows(release: Release) -> str:
    until = release.evidence.evaluated_until
    lost = release.evidence.step_unattributed
    lines = [
        f"each {duration(release.window_seconds)}; this step counts those from {_moment(release.step_since)} "
        f"to {_moment(until)}",
        f"the last one is ({_moment(until - release.window_seconds)}, {_moment(until)}]",
        f"requests that reached no workload in this step: {lost.bad} of {lost.requests}",
    ]
    if release.evidence.no_data is not None:
        lines.append(f"the latest look brought nothing: {release.evidence.no_data}")
    return "\n".join(lines)


def _queries(explanation: Explanation) -> str:
    if not explanation.queries:
        return ""
    until = explanation.stored.release.evidence.evaluated_until
    lines = [f"evaluate at time {until:.3f}; canary counts the increments between the samples"]
    return "\n".join([*lines, *explanation.queries.values()])


def _by_hand(explanation: Explanation) -> str:
    if explanation.commands:
        key, stable = explanation.stored.release.key, explanation.stored.release.plan.stable
        return "\n".join(
            (
                f"# While a controller runs, ask it instead: canaryctl abort {key.name} -n {key.namespace}",
                f"# First see to it that {stable} has ready pods: all requests go to them.",
                *explanation.commands,
            )
        )
    return "nothing to do: the routes give the canary no weight"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

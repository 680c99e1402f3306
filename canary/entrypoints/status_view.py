"""The list of services as ``canaryctl status`` shows it: one row each, with what stands in its way. Pure.

A service is listed when its owner has opted in, well or badly, or when it has a release. Its row is that of
the release under way, or of the newest one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from canary.app.ports import AnnotatedService, StoredRelease
from canary.domain.errors import InvalidPlan, Problem
from canary.domain.plan import Plan, ServiceKey
from canary.domain.verdict import Reason
from canary.entrypoints.live_view import live_view, staleness
from canary.entrypoints.rendering import duration, shortened, table

__all__ = ["Row", "Wishes", "newest", "nothing_in_words", "read_wishes", "status_rows", "status_table"]

WAITING = "Waiting"
INVALID = "Invalid"
PAUSED = "Paused"
IS_PAUSED = "canaryctl.dev/paused is set: the controller only ends what is aborted"
SHORT_MESSAGE = 60


Understand = Callable[[AnnotatedService], Plan | None]
"""What a service asks for; raises ``InvalidPlan``."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the owner of a service asks for, as far as it can be understood."""

    plan: Plan | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One service. ``phase`` is a release's, or Waiting, Invalid or Paused where there is no release."""

    namespace: str
    service: str
    phase: str
    reason: str
    message: str
    release: str | None = None
    revision: str | None = None
    step: str | None = None
    weight: int | None = None
    """Percent of requests wanted for the canary."""
    evidence_percent: int | None = None
    """Of the way to a rollback, on the log scale."""
    age_seconds: float | None = None
    """Since the release was created."""
    measured_seconds_ago: float | None = None


def read_wishes(service: AnnotatedService, understand: Understand) -> Wishes:
    """Return what a service asks for; nothing when it has opted out."""
    try:
        return Wishes(plan=understand(service))
    except InvalidPlan as invalid:
        return Wishes(problems=invalid.problems)


def newest(releases: Sequence[StoredRelease]) -> StoredRelease | None:
    """Return the release that matters: the one under way, else the latest; ``releases`` are oldest first."""
    active = [item for item in releases if not item.release.phase.is_terminal]
    candidates = active or list(releases)
    return candidates[-1] if candidates else None


def nothing_in_words(namespace: str | None) -> str:
    """Say that there is no row, and what would make one; None means all namespaces."""
    where = "any namespace" if namespace is None else f"namespace {namespace}"
    return f"No service is looked after in {where}: annotate one with canaryctl.dev/enabled=true."


def status_rows(
    releases: Iterable[StoredRelease],
    wishes: Mapping[ServiceKey, Wishes],
    now: float,
    workloads: Collection[tuple[str, str]] | None = None,
) -> tuple[Row, ...]:
    """Return a row for each service, by namespace and name.

    ``releases`` are oldest first, ``wishes`` those of the services that there are. ``workloads`` are the
    namespaces and names of all Deployments; None when they are not known, and then nothing is said about
    missing ones.
    """
    by_key: dict[ServiceKey, list[StoredRelease]] = {}
    for item in releases:
        by_key.setdefault(item.release.key, []).append(item)
    rows = []
    for key in sorted(wishes.keys() | by_key.keys()):
        wished = wishes.get(key, Wishes())
        stored = newest(by_key.get(key, ()))
        if stored is not None:
            rows.append(_of_release(stored, wished, now))
        elif wished.problems or wished.plan is not None:
            rows.append(_without_release(key, wished, workloads))
    return tuple(rows)


def _of_release(stored: StoredRelease, wishes: Wishes, now: float) -> Row:
    release = stored.release
    view = live_view(release, None, now)
    reason, message = release.reason.value, view.sentence
    if wishes.problems:
        reason = Reason.INVALID_PLAN.value
        message = f"{_first(wishes.problems)} | {message}"
    elif wishes.plan is not None and wishes.plan.paused:
        reason, message = PAUSED, IS_PAUSED
    elif not release.phase.is_terminal and stored.requests.abort is not None:
        message = f"asked for: {stored.requests.abort} | {message}"
    if view.is_stale:
        message = f"{staleness(view)} | {message}"
    return Row(
        namespace=release.key.namespace,
        service=release.key.name,
        phase=release.phase.value,
        reason=reason,
        message=message,
        release=release.name,
        revision=release.revision,
        step=view.progress,
        weight=view.wanted_weight,
        evidence_percent=view.evidence_percent,
        age_seconds=max(0.0, now - release.created_at),
        measured_seconds_ago=view.measured_seconds_ago,
    )


def _without_release(key: ServiceKey, wishes: Wishes, workloads: Collection[tuple[str, str]] | None) -> Row:
    plan = wishes.plan
    if plan is None:
        phase, reason, message = INVALID, Reason.INVALID_PLAN.value, _first(wishes.problems)
    elif plan.paused:
        phase, reason, message = PAUSED, PAUSED, IS_PAUSED
    else:
        phase = WAITING
        reason, message = _what_it_waits_for(key, plan, workloads)
    return Row(namespace=key.namespace, service=key.name, phase=phase, reason=reason, message=message)


def _what_it_waits_for(
    key: ServiceKey, plan: Plan, workloads: Collection[tuple[str, str]] | None
) -> tuple[str, str]:
    for name, reason in ((plan.stable, Reason.STABLE_MISSING), (plan.canary, Reason.CANARY_MISSING)):
        if workloads is not None and (key.namespace, name) not in workloads:
            return reason.value, f"workload {name} does not exist: deploy it"
    return "NoRelease", f"a release begins when {plan.canary} carries something else than {plan.stable}"


def _first(problems: Sequence[Problem]) -> str:
    more = f" (and {len(problems) - 1} more: canaryctl status NAME)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def status_table(rows: Sequence[Row], *, with_namespace: bool, is_wide: bool, has_header: bool = True) -> str:
    """Return the rows as text; wide has the release, its revision and whole messages."""
    header = ["SERVICE", "PHASE", "STEP", "WEIGHT", "REASON", "EVIDENCE", "AGE"]
    header += ["REVISION", "RELEASE", "MEASURED", "MESSAGE"] if is_wide else ["MESSAGE"]
    cells = [_cells(row, is_wide) for row in rows]
    if with_namespace:
        header = ["NAMESPACE", *header]
        cells = [[row.namespace, *line] for row, line in zip(rows, cells, strict=True)]
    text = table(header, cells)
    return text if has_header else text.partition("\n")[2]


def _cells(row: Row, is_wide: bool) -> list[str]:
    cells = [
        row.service,
        row.phase,
        row.step or "",
        "" if row.weight is None else f"{row.weight}%",
        row.reason,
        "" if row.evidence_percent is None else f"{row.evidence_percent}%",
        "" if row.age_seconds is None else duration(row.age_seconds),
    ]
    if not is_wide:
        return [*cells, shortened(row.message, SHORT_MESSAGE)]
    ago = row.measured_seconds_ago
    measured = "" if ago is None else f"{duration(ago)} ago"
    return [*cells, row.revision or "", row.release or "", measured, " ".join(row.message.split())]

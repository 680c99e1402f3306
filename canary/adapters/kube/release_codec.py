"""A release as a Kubernetes object: spec is what people ask for, status is what the controller knows.

``decode_release(encode...)`` gives the same release back. An object without a status, left by a crash
between its creation and its first save, is a fresh Pending release.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from canary.adapters.kube.wire import UnreadableField, format_time, from_wire, to_wire
from canary.app.errors import TerminalError
from canary.app.ports import StoredRelease
from canary.domain.analysis import new_evidence
from canary.domain.evidence import Evidence
from canary.domain.measurement import grid_floor
from canary.domain.observation import Requests
from canary.domain.plan import Gate, Plan, ServiceKey
from canary.domain.record import Record
from canary.domain.release import Phase, Release, Stage, canary_weight
from canary.domain.verdict import Reason, Verdict

__all__ = [
    "API_VERSION",
    "GROUP",
    "KIND",
    "PLURAL",
    "SERVICE_LABEL",
    "Abort",
    "Condition",
    "ReleaseSpec",
    "ReleaseStatus",
    "decode_release",
    "encode_object",
    "encode_status",
]

GROUP = "canaryctl.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "Release"
PLURAL = "releases"
SERVICE_LABEL = "canaryctl.dev/service"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Abort:
    """A person's wish to end the release with all traffic on stable."""

    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseSpec:
    """What is asked for: by the controller when it began the release, and by people since."""

    service: str
    revision: str
    attempt: int
    plan: Plan
    window_seconds: float
    created_at: float
    abort: Abort | None = None
    retry: bool = False
    promote: bool = False
    approvals: frozenset[Gate] = frozenset()


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the conditions that ``kubectl wait`` understands."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: str


@dataclass(frozen=True, slots=True)
class ReleaseStatus:
    """What the controller knows. ``progress``, ``weight`` and ``conditions`` are derived, for people."""

    phase: Phase
    phase_since: float
    step_since: float
    evidence: Evidence
    stage: Stage | None = None
    stage_since: float = 0.0
    step: int = 0
    stable_unready_at: float | None = None
    in_force: bool = False
    reason: Reason = Reason.STARTED
    message: str = ""
    verdict: Verdict | None = None
    records: tuple[Record, ...] = ()
    held_weight: int = 0
    ending: Phase = Phase.ROLLED_BACK
    previous_template: str | None = None
    original_weights: Mapping[str, int] | None = None
    finished_at: float | None = None
    person_since: float | None = None
    person_waited_seconds: float = 0.0
    progress: str = ""
    weight: int = 0
    conditions: tuple[Condition, ...] = ()


def encode_object(release: Release) -> Json:
    """Return the object to create: metadata and spec."""
    spec = ReleaseSpec(
        service=release.key.name,
        revision=release.revision,
        attempt=release.attempt,
        plan=release.plan,
        window_seconds=release.window_seconds,
        created_at=release.created_at,
    )
    metadata = {
        "namespace": release.key.namespace,
        "name": release.name,
        "labels": {SERVICE_LABEL: release.key.name, "app.kubernetes.io/managed-by": "canary"},
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": to_wire(spec)}


def encode_status(release: Release) -> Json:
    """Return the status to save."""
    derived: Json = {
        "progress": _progress(release),
        "weight": canary_weight(release),
        "conditions": _conditions(release),
    }
    saved = {item.name for item in fields(ReleaseStatus)} - set(derived)
    values: Json = {name: getattr(release, name) for name in saved}
    status = ReleaseStatus(**derived, **values)
    wire: Json = to_wire(status)
    return wire


def decode_release(stored: Json) -> StoredRelease:
    """Return a stored object as a release; ``TerminalError`` names the object and the unreadable field."""
    metadata = stored.get("metadata") or {}
    where = f"Release {metadata.get('namespace')}/{metadata.get('name')}"
    try:
        spec = from_wire(ReleaseSpec, stored.get("spec"), "spec")
        # An empty status is what a client that round-trips the object leaves behind.
        raw = stored.get("status") or None
        status = from_wire(ReleaseStatus, raw, "status") if raw is not None else None
        release = _release(metadata["namespace"], metadata["name"], spec, status)
    except UnreadableField as exc:
        raise TerminalError(f"{where}: {exc}; correct or delete it") from exc
    return StoredRelease(release, metadata["resourceVersion"], metadata["uid"], _requests(spec))


def _release(namespace: str, name: str, spec: ReleaseSpec, status: ReleaseStatus | None) -> Release:
    begun = Release(
        key=ServiceKey(namespace, spec.service),
        revision=spec.revision,
        attempt=spec.attempt,
        plan=spec.plan,
        window_seconds=spec.window_seconds,
        created_at=spec.created_at,
        phase_since=spec.created_at,
        step_since=spec.created_at,
        evidence=new_evidence(grid_floor(spec.created_at, spec.window_seconds)),
    )
    if begun.name != name:
        raise UnreadableField("spec", f"describes {begun.name}: service, revision and attempt are fixed")
    if status is None:
        return begun
    if not 0 <= status.step < max(1, len(spec.plan.steps)):
        problem = f"{status.step} is none of the plan's {len(spec.plan.steps)} steps, counted from 0"
        raise UnreadableField("status.step", problem)
    known = {item.name for item in fields(Release)}
    return replace(
        begun, **{item.name: getattr(status, item.name) for item in fields(status) if item.name in known}
    )


def _requests(spec: ReleaseSpec) -> Requests:
    abort = None
    if spec.abort is not None:
        who = f"aborted by {spec.abort.by}" if spec.abort.by else "aborted"
        abort = f"{who}: {spec.abort.reason}" if spec.abort.reason else who
    return Requests(abort=abort, retry=spec.retry, approved=spec.approvals, promote=spec.promote)


def _progress(release: Release) -> str:
    never_began = release.phase is Phase.PENDING or (
        release.step == 0 and release.verdict is None and not release.is_judged
    )
    done = 0 if never_began else release.step + 1
    return f"{done}/{len(release.plan.steps)}"


def _conditions(release: Release) -> tuple[Condition, ...]:
    """Derive the conditions, without observedGeneration: a later ``retry`` must not undo a Completed."""
    finished = release.finished_at
    completed_since = release.created_at if finished is None else finished
    succeeded = "Unknown" if finished is None else _truth(release.phase is Phase.SUCCEEDED)
    moving = release.phase in {Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK}
    return (
        _condition(release, "Completed", _truth(release.phase.is_terminal), completed_since),
        _condition(release, "Succeeded", succeeded, completed_since),
        _condition(release, "Progressing", _truth(moving), release.phase_since),
    )


def _condition(release: Release, kind: str, status: str, since: float) -> Condition:
    return Condition(kind, status, release.reason.value, release.message, format_time(since))


def _truth(value: bool) -> str:
    return "True" if value else "False"

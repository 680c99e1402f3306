"""Releases at moments that a person may meet, made by hand: each a value, no controller needed."""

from collections.abc import Mapping
from dataclasses import replace

from canary.app.ports import AnnotatedService
from canary.domain.analysis import fold, judge, new_evidence
from canary.domain.annotations import parse_plan
from canary.domain.evidence import Checks, Evidence
from canary.domain.measurement import ArmCounts, Counts, Measurement, Window
from canary.domain.metric_template import Counter, Gauge, GaugeTemplate, MetricTemplate
from canary.domain.plan import (
    Gate,
    Objective,
    ObjectiveKind,
    Plan,
    RouteRef,
    ServiceKey,
    Side,
    Step,
    Threshold,
)
from canary.domain.release import Phase, Release, Stage
from canary.domain.verdict import Outcome, Reason, Verdict
from canary.entrypoints.status_view import Wishes, read_wishes

NOW = 1_700_000_000.0
KEY = ServiceKey("shop", "checkout")
WINDOW = 5.0
PLAN = Plan(
    stable="checkout",
    canary="checkout-canary",
    steps=(Step(10, 60.0), Step(50, 60.0), Step(100, 60.0)),
    objectives=(
        Objective("errors", ObjectiveKind.ERRORS, 0.01),
        Objective("latency", ObjectiveKind.LATENCY, 0.01, 500.0),
    ),
)
GATED = replace(PLAN, gates=frozenset({Gate.FIRST_STEP, Gate.PROMOTION}))

PENDING = Release(
    key=KEY,
    revision="6d4b75cb6d",
    attempt=1,
    plan=PLAN,
    window_seconds=WINDOW,
    created_at=NOW - 90,
    phase_since=NOW - 90,
    step_since=NOW - 90,
    evidence=new_evidence(NOW - 90),
    reason=Reason.CANARY_NOT_READY,
    message="1 of 2 pods of checkout-canary are ready",
)


def judged(
    errors_per_window: int, *, windows: int = 6, requests: int = 50, plan: Plan = PLAN
) -> tuple[Evidence, Verdict]:
    """Fold ``windows`` equal windows that end at NOW, and judge them at step 1."""
    since = NOW - windows * WINDOW
    evidence = new_evidence(since)
    counts: Mapping[str, ArmCounts] = {
        "errors": ArmCounts(Counts(requests, errors_per_window), Counts(9 * requests, 1)),
        "latency": ArmCounts(Counts(requests, 0), Counts(9 * requests, 2)),
    }
    for number in range(windows):
        window = Window(since + number * WINDOW, since + (number + 1) * WINDOW)
        measured = Measurement(window, counts, Counts(10 * requests, 0))
        evidence = fold(evidence, measured, plan, window_seconds=WINDOW, step_index=0, step_since=since)
    verdict = judge(evidence, plan, window_seconds=WINDOW, step_index=0, step_since=since, now=NOW)
    return evidence, verdict


def at_first_step(errors_per_window: int, *, windows: int = 6) -> Release:
    """A release that has been at its first step for ``windows`` windows."""
    evidence, verdict = judged(errors_per_window, windows=windows)
    since = NOW - windows * WINDOW
    begun = PENDING.to(Phase.PROGRESSING, verdict.reason, verdict.sentence, since)
    return replace(begun, step_since=since, evidence=evidence, verdict=verdict)


PAYMENTS = Objective(
    "payments",
    ObjectiveKind.TEMPLATE,
    0.005,
    template=MetricTemplate(Counter("payments_total"), Counter("payments_total", {"result": ("failed",)})),
)
PAID_PLAN = replace(PLAN, objectives=(*PLAN.objectives, PAYMENTS))


def paid(release: Release, canary: Counts, stable: Counts) -> Release:
    """The release under a plan with an objective by a template, of which this was counted in the step."""
    counts = {**release.evidence.step_counts, "payments": ArmCounts(canary, stable)}
    evidence = replace(release.evidence, step_counts=counts)
    verdict = judge(
        evidence, PAID_PLAN, window_seconds=WINDOW, step_index=0, step_since=release.step_since, now=NOW
    )
    return replace(release, plan=PAID_PLAN, evidence=evidence, verdict=verdict)


QUEUE = Threshold(
    "queue-length", Side.AT_MOST, 500.0, GaugeTemplate(Gauge("queue_length"), over=Gauge("queue_size"))
)


def watched(release: Release, checks: Checks | None) -> Release:
    """The release under a plan with an objective by the threshold rule, which was checked like this."""
    plan = replace(release.plan, thresholds=(QUEUE,))
    step_checks = {} if checks is None else {"queue-length": checks}
    evidence = replace(release.evidence, step_checks=step_checks)
    verdict = judge(
        evidence, plan, window_seconds=WINDOW, step_index=0, step_since=release.step_since, now=NOW
    )
    return replace(release, plan=plan, evidence=evidence, verdict=verdict, message=verdict.sentence)


BAKING = at_first_step(0)
WATCHED = watched(BAKING, Checks(NOW, NOW - 1, 812.0, 40.0, 7, 2, 1, 1, 812.0, is_silent=False))
BREACHED = watched(BAKING, Checks(NOW, NOW - 1, 812.0, None, 7, 3, 1, 1, 812.0, is_silent=False))
PAID = paid(BAKING, Counts(4000, 12), Counts(9000, 3))
SUSPECTED = at_first_step(1, windows=7)
CONVICTED = at_first_step(10)
ROLLING_BACK = replace(
    CONVICTED.to(Phase.ROLLING_BACK, CONVICTED.reason, CONVICTED.message, NOW), stage=Stage.RETURNING
)
ROLLED_BACK = replace(ROLLING_BACK, stage=None).to(
    Phase.ROLLED_BACK, CONVICTED.reason, CONVICTED.message, NOW + 3
)
PROMOTING = replace(
    BAKING.to(Phase.PROMOTING, Reason.PROMOTED, "everything was measured", NOW - 4),
    stage=Stage.COPYING,
    step=2,
)
SUCCEEDED = replace(PROMOTING, stage=None).to(
    Phase.SUCCEEDED, Reason.PROMOTED, "revision 6d4b75cb6d is stable now", NOW
)
AT_THE_GATE = replace(
    BAKING.to(Phase.HELD, Reason.GATE_CLOSED, "gate promotion waits for an approval", NOW - 4),
    plan=GATED,
    step=2,
)

assert BAKING.verdict is not None
assert BAKING.verdict.outcome is Outcome.HOLD

EVERY_MOMENT = (
    PENDING,
    BAKING,
    SUSPECTED,
    CONVICTED,
    ROLLING_BACK,
    ROLLED_BACK,
    PROMOTING,
    SUCCEEDED,
    AT_THE_GATE,
    PAID,
    WATCHED,
    BREACHED,
    watched(BAKING, None),
)


def with_routes(release: Release, references: tuple[RouteRef, ...]) -> Release:
    """The same release of a plan that names these VirtualServices."""
    return replace(release, plan=replace(release.plan, virtual_services=references))


def wishes_of(*services: AnnotatedService) -> dict[ServiceKey, Wishes]:
    """What services ask for that name no policy."""
    return {item.key: read_wishes(item, _by_annotations_alone) for item in services}


def _by_annotations_alone(service: AnnotatedService) -> Plan | None:
    return parse_plan(service.key, service.annotations)

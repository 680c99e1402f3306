"""Hypothesis strategies for releases and observations, wide enough to meet what nobody thought of."""

from dataclasses import fields, replace

from hypothesis import strategies as st

from canary.domain.analysis import new_evidence
from canary.domain.errors import Problem
from canary.domain.measurement import (
    ArmCounts,
    Counts,
    GaugeReading,
    Measurement,
    NoData,
    NoDataReason,
    Window,
)
from canary.domain.observation import Observation, Requests, Route, Routes, Workload
from canary.domain.plan import (
    Gate,
    Objective,
    ObjectiveKind,
    OnNoData,
    Plan,
    ServiceKey,
    Side,
    Step,
    Threshold,
)
from canary.domain.release import Phase, Release, Stage, canary_weight
from canary.domain.verdict import Reason
from canary.domain.weight import Split

NOW = 1_700_000_000.0
KEY = ServiceKey("shop", "checkout")
WITHHELD = Problem("annotation", "gateway.istio-ingress, which is not shared", "have it shared")
ERRORS = Objective("error-rate", ObjectiveKind.ERRORS, 0.01)
QUEUE = Threshold("queue", Side.AT_MOST, 500.0, every_seconds=1.0)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    weights = sorted(draw(st.sets(st.integers(1, 100), min_size=1, max_size=4)))
    return Plan(
        stable="checkout",
        canary="checkout-canary",
        steps=tuple(Step(weight, draw(st.sampled_from([1.0, 10.0]))) for weight in weights),
        objectives=(ERRORS,),
        min_requests=draw(st.sampled_from([1, 20])),
        gates=draw(st.frozensets(st.sampled_from(Gate))),
        deadline_seconds=draw(st.sampled_from([30.0, 3600.0])),
        on_no_data=draw(st.sampled_from(OnNoData)),
        thresholds=draw(st.sampled_from([(), (QUEUE,)])),
    )


@st.composite
def workloads(draw: st.DrawFn, name: str) -> Workload | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    replicas = draw(st.integers(0, 3))
    ready = draw(st.integers(0, replicas))
    return Workload(
        name=name,
        version="7",
        revision=draw(st.sampled_from(["a", "a", "a", "b", ""])),
        replicas=replicas,
        ready=ready,
        rolled_out=draw(st.booleans()) if replicas and ready == replicas else False,
        trouble=draw(st.sampled_from([None, None, None, "crash loop"])),
    )


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    requests = draw(st.integers(0, 200))
    return Counts(requests, draw(st.sampled_from([0, 0, requests // 5, requests])))


@st.composite
def readings(draw: st.DrawFn, at: float) -> dict[str, GaugeReading]:
    value = draw(st.sampled_from([None, 20.0, 20.0, 900.0]))
    return {} if value is None else {"queue": GaugeReading(value, 20.0, at, at)}


@st.composite
def measurements(draw: st.DrawFn, since: float) -> tuple[Measurement, ...]:
    windows = draw(st.integers(0, 6))
    return tuple(
        Measurement(
            Window(since + number, since + number + 1),
            {"error-rate": ArmCounts(draw(counts()), draw(counts()))},
            draw(counts()),
            gauges=draw(readings(since + number + 1)),
        )
        for number in range(windows)
    )


@st.composite
def observations(draw: st.DrawFn, release: Release) -> Observation:
    """Anything at all, or all as it should be but for a thing or two: only so does a release get anywhere."""
    wild = draw(wild_observations(release))
    if draw(st.booleans()):
        return wild
    strange = draw(st.sets(st.sampled_from([item.name for item in fields(Observation)]), max_size=2))
    return replace(as_it_should_be(release), **{name: getattr(wild, name) for name in strange})


def as_it_should_be(release: Release) -> Observation:
    """Pods are ready, routes carry the weight, the canary has requests and answers them, people agree."""
    weight, since = canary_weight(release), release.evidence.evaluated_until
    seen = ArmCounts(Counts(200 * weight // 100 or 1, 0), Counts(200 - 200 * weight // 100, 0))
    measured = (
        Measurement(Window(end - 1, end), {"error-rate": seen}, Counts(200, 0), gauges=healthy_gauge(end))
        for end in (since + number for number in range(1, round(NOW - since) + 1))
    )
    return Observation(
        plan=release.plan,
        stable=Workload("checkout", "7", "s", 2, 2, rolled_out=True),
        canary=Workload("checkout-canary", "7", release.revision, 2, 2, rolled_out=True),
        routes=Routes((Route("checkout", 0, "main", Split(100 - weight, weight)),)),
        measurements=tuple(measured),
        requests=Requests(approved=frozenset(Gate)),
        stable_template="{}",
    )


def healthy_gauge(at: float) -> dict[str, GaugeReading]:
    return {"queue": GaugeReading(20.0, 20.0, at, at)}


@st.composite
def wild_observations(draw: st.DrawFn, release: Release) -> Observation:
    splits = draw(
        st.lists(st.sampled_from([Split(100, 0), Split(90, 10), Split(0, 100), Split(30, 10)]), max_size=2)
    )
    no_data = NoData(NoDataReason.TIMEOUT, "no answer", NOW)
    withheld = draw(st.sampled_from([(), (), (), (WITHHELD,)]))
    faults = draw(st.sampled_from([(), (), (Problem("VirtualService", "nothing", "add it"),)]))
    return Observation(
        plan=draw(st.sampled_from([release.plan, release.plan, release.plan, None])),
        stable=draw(workloads("checkout")),
        canary=draw(workloads("checkout-canary")),
        canary_matches_stable=draw(st.sampled_from([False, False, True])),
        routes=Routes(
            routes=tuple(Route("checkout", index, "main", split) for index, split in enumerate(splits)),
            stable_has_other_ways=draw(st.booleans()),
            canary_has_other_ways=draw(st.booleans()),
            problems=(*faults, *withheld),
            withheld=withheld,
        ),
        measurements=draw(measurements(release.evidence.evaluated_until)),
        no_data=draw(st.sampled_from([None, None, no_data])),
        requests=Requests(
            abort=draw(st.sampled_from([None, None, None, "aborted by ada"])),
            approved=draw(st.frozensets(st.sampled_from(Gate))),
            promote=draw(st.sampled_from([False, False, True])),
        ),
        stable_template="{}",
        stable_holds_judged=draw(st.booleans()),
        judged_template_gone=draw(st.sampled_from([False, False, True])),
        stable_holds_previous=draw(st.booleans()),
    )


STAGES = {
    Phase.PROMOTING: (Stage.COPYING, Stage.RETURNING, Stage.DRAINING),
    Phase.ROLLING_BACK: (Stage.RESTORING, Stage.RETURNING, Stage.DRAINING),
}


@st.composite
def releases(draw: st.DrawFn) -> Release:
    plan = draw(plans())
    phase = draw(st.sampled_from([phase for phase in Phase if not phase.is_terminal]))
    began = NOW - draw(st.sampled_from([2.0, 20.0, 4000.0]))
    release = Release(
        key=KEY,
        revision="a",
        attempt=1,
        plan=plan,
        window_seconds=1.0,
        created_at=began,
        phase_since=began,
        step_since=began,
        evidence=new_evidence(NOW - draw(st.sampled_from([10.0, 12.0]))),
        reason=draw(st.sampled_from(Reason)),
        step=draw(st.integers(0, len(plan.steps) - 1)) if phase is not Phase.PENDING else 0,
    )
    stage = draw(st.sampled_from(STAGES[phase])) if phase in STAGES else None
    return replace(
        release,
        phase=phase,
        stage=stage,
        previous_template="{}" if phase in STAGES else None,
        in_force=draw(st.booleans()),
        held_weight=draw(st.sampled_from([0, 50, 100])),
        ending=draw(st.sampled_from([Phase.ROLLED_BACK, Phase.SUPERSEDED])),
    )

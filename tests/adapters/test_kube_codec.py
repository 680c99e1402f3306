"""What is stored of a release: nothing is lost, and what cannot be read is named."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from canary.adapters.kube.crd import crd_files, crds, main, release_crd
from canary.adapters.kube.release_codec import decode_release, encode_object, encode_status
from canary.adapters.kube.wire import format_time, parse_time
from canary.app.errors import TerminalError
from canary.domain.evidence import Checks, Evidence, MixtureState
from canary.domain.measurement import ArmCounts, Counts, NoData, NoDataReason
from canary.domain.metric_template import Aggregate, Gauge, GaugeTemplate
from canary.domain.observation import Requests
from canary.domain.plan import (
    Gate,
    Objective,
    ObjectiveKind,
    OnNoData,
    Plan,
    RouteRef,
    ServiceKey,
    Side,
    Step,
    Threshold,
)
from canary.domain.release import Phase, Release, Stage
from canary.domain.verdict import Finding, Interval, Outcome, Reason, Slower, Verdict

Json = dict[str, Any]

times = st.floats(1e-3, 4e9)
numbers = st.floats(allow_nan=False, min_value=-1e300, max_value=1e300)
logs = st.one_of(numbers, st.just(-math.inf), st.just(math.inf))
words = st.text(max_size=20)
counts = st.integers(0, 10**12).flatmap(lambda n: st.builds(Counts, st.just(n), st.integers(0, n)))
arms = st.builds(ArmCounts, counts, counts)
objectives = st.builds(Objective, words, st.sampled_from(ObjectiveKind), numbers, st.none() | numbers)
gauges = st.builds(Gauge, st.sampled_from(["queue_used", "queue_size"]), st.just({"queue": ("a", "b")}))
gauge_templates = st.builds(
    GaugeTemplate, gauges, st.sampled_from(Aggregate), st.none() | st.just(Gauge("slots"))
)
thresholds = st.builds(
    Threshold,
    words,
    st.sampled_from(Side),
    numbers,
    st.none() | gauge_templates,
    failures=st.integers(0, 100),
    consecutive=st.none() | st.integers(1, 100),
    every_seconds=numbers,
)
plans = st.builds(
    Plan,
    stable=words,
    canary=words,
    steps=st.lists(st.builds(Step, st.integers(1, 100), numbers), min_size=1, max_size=3).map(tuple),
    objectives=st.lists(objectives, max_size=2).map(tuple),
    interval_seconds=st.none() | numbers,
    tolerance=numbers,
    gates=st.frozensets(st.sampled_from(Gate)),
    on_no_data=st.sampled_from(OnNoData),
    policy=st.none() | words,
    virtual_services=st.lists(st.builds(RouteRef, words, st.none() | words), max_size=2).map(tuple),
    paused=st.booleans(),
    thresholds=st.lists(thresholds, max_size=2).map(tuple),
)
states = st.builds(MixtureState, st.lists(logs, max_size=4).map(tuple), numbers, st.integers(0, 10**6))
checks = st.builds(
    Checks,
    checked_at=times,
    sampled_at=times,
    canary=numbers,
    stable=st.none() | numbers,
    taken=st.integers(1, 100),
    failed=st.integers(0, 100),
    in_a_row=st.integers(0, 100),
    most_in_a_row=st.integers(0, 100),
    failing=st.none() | numbers,
    is_silent=st.booleans(),
)
evidences = st.builds(
    Evidence,
    evaluated_until=times,
    tests=st.dictionaries(words, states, max_size=3),
    step_counts=st.dictionaries(words, arms, max_size=2),
    release_counts=st.dictionaries(words, arms, max_size=2),
    step_checks=st.dictionaries(words, checks, max_size=2),
    step_edges=st.dictionaries(words, arms, max_size=2),
    step_unattributed=counts,
    last_canary_request_at=st.none() | times,
    no_data=st.none() | st.builds(NoData, st.sampled_from(NoDataReason), words, times),
)
intervals = st.builds(Interval, numbers, numbers)
slower = st.builds(Slower, numbers, numbers, counts, counts, intervals, intervals, numbers, logs)
findings = st.builds(
    Finding,
    words,
    counts,
    counts,
    intervals,
    intervals,
    numbers,
    st.none() | numbers,
    logs,
    logs,
    slower=st.none() | slower,
)
verdicts = st.builds(
    Verdict,
    outcome=st.sampled_from(Outcome),
    reason=st.sampled_from(Reason),
    sentence=words,
    at=times,
    objective=st.none() | words,
    log_evidence=logs,
    findings=st.lists(findings, max_size=2).map(tuple),
)
releases = st.builds(
    Release,
    key=st.just(ServiceKey("shop", "checkout")),
    revision=st.text("0123456789abcdef", min_size=1, max_size=10),
    attempt=st.integers(1, 99),
    plan=plans,
    window_seconds=st.floats(1.0, 60.0),
    created_at=times,
    phase_since=times,
    step_since=times,
    evidence=evidences,
    phase=st.sampled_from(Phase),
    stage=st.none() | st.sampled_from(Stage),
    reason=st.sampled_from(Reason),
    message=words,
    verdict=st.none() | verdicts,
    held_weight=st.integers(0, 100),
    ending=st.sampled_from(Phase),
    previous_template=st.none() | words,
    original_weights=st.none() | st.dictionaries(words, st.integers(0, 100), max_size=2),
    finished_at=st.none() | times,
)
RELEASE_SCHEMA = jsonschema.validators.validator_for({})(
    release_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
)
SIMPLE = Release(
    key=ServiceKey("shop", "checkout"),
    revision="5d9c7b8f6",
    attempt=1,
    plan=Plan("checkout", "checkout-canary", (Step(10, 60.0), Step(100, 60.0)), ()),
    window_seconds=5.0,
    created_at=1_700_000_003.5,
    phase_since=1_700_000_003.5,
    step_since=1_700_000_003.5,
    evidence=Evidence(1_700_000_000.0),
)


def stored(release: Release, **more: Any) -> Json:
    """The object as a server would give it back."""
    found = encode_object(release) | {"status": encode_status(release)} | more
    found["metadata"] |= {"resourceVersion": "7", "uid": "u-1"}
    return dict(json.loads(json.dumps(found, allow_nan=False)))


@given(releases)
def test_a_release_survives_storage_unchanged(release: Release) -> None:
    assert decode_release(stored(release)).release == release


@given(times)
def test_a_time_survives_storage_to_the_last_bit(seconds: float) -> None:
    assert parse_time(format_time(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000.5),
        ("2023-11-14T22:13:20.123456Z", 1_700_000_000.123456),
    ],
)
def test_times_of_other_writers_are_understood(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@given(releases)
def test_what_is_stored_fits_the_schema(release: Release) -> None:
    RELEASE_SCHEMA.validate(stored(release))


def test_an_object_that_was_never_saved_is_a_fresh_pending_release() -> None:
    never: tuple[Json | None, ...] = (None, {})
    for left in never:
        found = decode_release(stored(replace(SIMPLE, phase=Phase.HELD), status=left)).release
        assert (found.phase, found.step, found.revision) == (Phase.PENDING, 0, SIMPLE.revision)
        assert found.evidence.evaluated_until == 1_700_000_000.0


def test_wishes_are_read_from_the_spec() -> None:
    found = stored(SIMPLE)
    abort = {"by": "ada", "reason": "smoke"}
    found["spec"] |= {"abort": abort, "retry": True, "promote": True, "approvals": ["promotion"]}
    expected = Requests(
        "aborted by ada: smoke", retry=True, approved=frozenset({Gate.PROMOTION}), promote=True
    )
    assert decode_release(found).requests == expected


def test_an_abort_without_name_or_reason_still_aborts() -> None:
    found = stored(SIMPLE)
    found["spec"]["abort"] = {}
    assert decode_release(found).requests.abort == "aborted"


def spoil(path: str, value: Any) -> Json:
    found = stored(SIMPLE)
    *parents, last = path.split(".")
    place = found
    for parent in parents:
        place = place[parent]
    place[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("spec.plan", None, r"spec\.plan: is missing"),
        ("spec.plan.stable", 7, r"spec\.plan\.stable: 7 is not a text"),
        ("spec.approvals", ["maybe"], r'spec\.approvals\[0\]: "maybe" is none of first-step, promotion'),
        ("spec.attempt", 2, "describes checkout-5d9c7b8f6-2"),
        ("status.phase", "Lost", r'status\.phase: "Lost" is none of Pending'),
        ("status.stepSince", "yesterday", r"status\.stepSince: 'yesterday' is not an RFC 3339 time"),
        ("status.step", 5, r"status\.step: 5 is none of the plan's 2 steps"),
        ("status.step", True, r"status\.step: true is not a whole number"),
        (
            "status.evidence.stepUnattributed",
            {"requests": 1, "bad": 2},
            r"status\.evidence\.stepUnattributed",
        ),
        ("spec", None, "spec: nothing is not a mapping"),
    ],
)
def test_what_was_spoilt_by_hand_is_named_with_object_and_field(path: str, value: Any, words: str) -> None:
    with pytest.raises(TerminalError, match=rf"Release shop/checkout-5d9c7b8f6: .*{words}"):
        decode_release(spoil(path, value))


def test_fields_of_a_newer_controller_are_ignored() -> None:
    assert decode_release(spoil("status.fromTheFuture", 1)).release == SIMPLE


def test_conditions_tell_waiting_from_done() -> None:
    done = replace(SIMPLE, phase=Phase.SUCCEEDED, finished_at=1_700_000_100.0)
    by_type = {item["type"]: item for item in encode_status(done)["conditions"]}
    assert {kind: item["status"] for kind, item in by_type.items()} == {
        "Completed": "True",
        "Succeeded": "True",
        "Progressing": "False",
    }
    assert by_type["Completed"]["lastTransitionTime"] == "2023-11-14T22:15:00.000Z"
    waiting = {item["type"]: item["status"] for item in encode_status(SIMPLE)["conditions"]}
    assert waiting == {"Completed": "False", "Succeeded": "Unknown", "Progressing": "False"}


def test_the_steps_are_counted_as_people_do() -> None:
    assert encode_status(SIMPLE)["progress"] == "0/2"
    second = encode_status(replace(SIMPLE, phase=Phase.PROGRESSING, step=1))
    assert (second["progress"], second["weight"]) == ("2/2", 100)


def test_the_crd_in_the_repository_is_what_the_types_say() -> None:
    directory = Path(__file__).parents[2] / "config" / "crd"
    assert main(["--check", "--directory", str(directory)]) == 0
    assert [yaml.safe_load(text) for text in crd_files().values()] == list(crds())
    assert {path.name for path in directory.iterdir()} == crd_files().keys()


def test_an_outdated_crd_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("out of date") == 2
    assert main(["--directory", str(tmp_path)]) == 0
    assert main(["--check", "--directory", str(tmp_path)]) == 0

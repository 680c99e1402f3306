"""People step in with kubectl and canaryctl, and are told what happened. Each test leaves all at rest."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.domain.release import Phase
from canary.domain.verdict import Reason
from canary.sandbox.showcase import CANARY, NAMESPACE, SERVICE
from tests.e2e.records import shifts, version_now
from tests.e2e.stage import DEPLOYMENTS, Stage, stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

CANARYCTL = Path(sys.executable).with_name("canaryctl")


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with stage(steps="10@2s,50@2s") as made:
        made.start_controller()
        yield made


@pytest.fixture
def made(shared: Stage) -> Iterator[Stage]:
    assert shared.percent() == 0
    yield shared
    shared.wait(lambda: all(item.release.phase.is_terminal for item in shared.releases()), "rest")
    assert shared.percent() == 0


def canaryctl(made: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": str(made.sandbox.kubeconfig)}
    command = [str(CANARYCTL), *arguments, "--namespace", NAMESPACE]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)


def begin(made: Stage, version: str, behaviour: str = "") -> str:
    """Push a version; the name of its release, which has been created."""
    known = len(made.releases())
    made.push(version, behaviour)
    made.wait(lambda: len(made.releases()) > known, f"the release of {version}")
    return made.newest().name


def replicas(made: Stage, deployment: str) -> int:
    return int(made.get(f"{DEPLOYMENTS}/{deployment}")["spec"]["replicas"])


def test_canaryctl_abort_returns_all_traffic_and_ends_the_canarys_pods(made: Stage) -> None:
    stable, since = made.version_of(SERVICE), version_now(made)
    name = begin(made, "aborted")
    made.wait(lambda: made.percent() == 10, "the first step")
    done = canaryctl(made, "abort", SERVICE, "--reason", "wrong ticket")
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
    release = made.wait_until_finished()
    assert (release.name, release.phase, release.reason) == (name, Phase.ROLLED_BACK, Reason.ABORTED)
    assert "wrong ticket" in release.message
    assert shifts(made, since) == [10, 0]
    assert (made.version_of(SERVICE), replicas(made, CANARY)) == (stable, 0)
    again = canaryctl(made, "abort", SERVICE)
    assert again.returncode == 1
    assert "there is nothing to abort" in again.stderr


def test_kubectl_wait_returns_with_success_and_describe_tells_every_transition(made: Stage) -> None:
    name = begin(made, "good")
    made.kubectl("wait", "--for=condition=Succeeded", f"release/{name}", "--timeout=50s")
    assert made.newest().phase is Phase.SUCCEEDED
    columns, *rows = made.kubectl("get", "releases").splitlines()
    assert columns.split() == ["NAME", "SERVICE", "PHASE", "STEP", "WEIGHT", "REASON", "AGE"]
    (row,) = [row.split() for row in rows if row.split()[0] == name]
    assert row[1:6] == [SERVICE, "Succeeded", "2/2", "0", "Promoted"]

    def is_told() -> bool:
        described = made.kubectl("describe", "service", SERVICE)
        mine = [line for line in described.splitlines() if name in line]
        stages = ("Copying", "Returning", "Draining")
        wanted = [f"{name}: step 1 of 2", f"{name}: step 2 of 2", *(f"{name} ({each})" for each in stages)]
        ends = any("Succeeded" in line and "is stable now" in line for line in mine)
        return ends and all(any(each in line for line in mine) for each in wanted)

    made.wait(is_told, "the Events", seconds=10)


def test_typo_at_opt_in_is_named_with_its_remedy_and_no_release_begins(made: Stage) -> None:
    made.annotate(enabled=None)
    known = len(made.releases())
    made.annotate(enabled="true", max_eror_rate="1%")
    made.push("typo")

    def warning() -> list[str]:
        described = made.kubectl("describe", "service", SERVICE).splitlines()
        return [line for line in described if "InvalidPlan" in line and "max-eror-rate" in line]

    made.wait(lambda: bool(warning()), "the Event")
    assert "did you mean canaryctl.dev/max-error-rate?" in warning()[0]
    # The new revision has been rolled out, which the controller has seen, and still nothing begins.
    made.kubectl("rollout", "status", f"deployment/{CANARY}", "--timeout=30s")
    assert (len(made.releases()), made.percent()) == (known, 0)
    made.annotate(max_eror_rate=None)
    release = made.wait_until_finished(known + 1)
    assert release.phase is Phase.SUCCEEDED, release.message


def test_canary_that_only_fails_is_convicted_of_errors_by_name(made: Stage) -> None:
    stable, since = made.version_of(SERVICE), version_now(made)
    name = begin(made, "broken", "errors=100%")
    release = made.wait_until_finished()
    assert (release.name, release.phase) == (name, Phase.ROLLED_BACK)
    assert release.verdict is not None
    assert release.verdict.objective == "error-rate"
    counts = release.evidence.release_counts["error-rate"]
    assert counts.canary.requests == counts.canary.bad > 0
    assert counts.stable.bad == 0
    assert (shifts(made, since), made.version_of(SERVICE)) == ([10, 0], stable)
    explained = canaryctl(made, "explain", SERVICE)
    assert explained.returncode == 0, explained.stderr
    assert "error rate" in explained.stdout

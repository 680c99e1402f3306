"""canaryctl lint says so where an object is not what its author takes it for, or where there is none."""

from pathlib import Path

import pytest

from canary.entrypoints.findings import Severity
from tests.entrypoints.test_lint import GOOD, findings, run, told
from tests.entrypoints.test_lint_routes import CHECKOUT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "apiVersion: canaryctl.dev/v1alpha1\nkind: Releasepolicy\nmetadata: {name: a}",
            'x.yaml:2: error: Releasepolicy shop/a: kind: found "Releasepolicy"; did you mean ReleasePolicy?',
        ),
        (
            "apiVersion: canaryctl.dev/v1\nkind: ReleasePolicy\nmetadata: {name: a}\nspec: {}",
            'apiVersion: found "canaryctl.dev/v1"; write canaryctl.dev/v1alpha1',
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations: [x]",
            "x.yaml:5: error: Service shop/a: metadata.annotations: found",
        ),
        ("apiVersion: v1\nkind: Service\nmetadata: []", "metadata: found"),
        ("apiVersion: v1\nmetadata: {name: a}", "x.yaml:1: warning: kind is missing: this is no Kubernetes"),
        ("replicas: 1", "warning: apiVersion is missing"),
    ],
)
def test_what_an_object_is_not_is_said(text: str, message: str) -> None:
    assert message in "\n".join(told(text))


@pytest.mark.parametrize("text", ["", "---\n---\n", "# nothing but this\n"])
def test_what_holds_no_object_is_an_error(text: str) -> None:
    result = run("-", text=text)
    assert result.exit_code == 1
    assert "nothing to look at" in result.stdout


def test_a_helm_template_is_told_by_its_braces() -> None:
    result = run("-", text="{{- if .Values.x }}\n- a: {{ b }}\n{{- end }}\n")
    assert result.exit_code == 1
    assert "is this a Helm template? lint what `helm template` makes of it" in result.stdout


def test_a_link_to_itself_cannot_be_read(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    result = run(str(loop))
    assert result.exit_code == 1
    assert f"cannot read {loop}" in result.stderr


def test_of_a_good_object_beside_another_nothing_is_doubted() -> None:
    assert told(GOOD) == []


def test_steps_longer_than_the_deadline_that_nobody_set_are_warned_of() -> None:
    long = GOOD.replace("canaryctl.dev/policy: standard", "canaryctl.dev/steps: 10@1h,50@1h")
    (warning,) = told(long)
    assert "warning: Service shop/checkout: canaryctl.dev/deadline" in warning
    assert "take at least 2h; write a longer deadline or shorter steps (unless" in warning
    assert told(long.replace("10@1h,50@1h", "10@1h,50@1h\n    canaryctl.dev/deadline: 3h")) == []


def test_two_policies_of_one_name_are_doubted() -> None:
    policy = GOOD.split("---\n")[1]
    (found,) = findings(GOOD + "---\n" + policy.replace("weight: 10\n", "weight: 20\n"))
    assert (found.severity, found.line) == (Severity.WARNING, 21)
    assert "x.yaml:11 has it, too, and of the two this one counts" in found.message
    assert not findings(GOOD + "---\n" + policy.replace("name: standard", "name: standard, namespace: pay"))


def test_of_two_policies_of_one_name_the_later_counts() -> None:
    policy = GOOD.split("---\n")[1]
    broken = findings(GOOD + "---\n" + policy.replace("weight: 10\n", "weight: 0\n"))
    assert any(item.object == "Service shop/checkout" for item in broken)


def test_any_object_that_is_in_two_files_is_doubted_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CHECKOUT)
    (tmp_path / "b.yaml").write_text(CHECKOUT)
    lines = run(str(tmp_path)).stdout.splitlines()
    kinds = ["Service", "Deployment", "Deployment", "DestinationRule", "VirtualService"]
    assert [line.split(" ")[2] for line in lines] == kinds
    place = f"{tmp_path}/b.yaml:12: warning: Service shop/checkout: metadata.name"
    assert lines[0].startswith(f'{place}: found "checkout"; {tmp_path}/a.yaml:12 has it, too')


def test_objects_of_one_name_that_are_not_the_same_are_left_alone() -> None:
    policy = GOOD.split("---\n")[1]
    assert not findings(GOOD + "---\n" + policy.replace("name: standard", "name: standard, namespace: pay"))

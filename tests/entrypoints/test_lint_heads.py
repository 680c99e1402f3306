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


ANNOTATED = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations: {canaryctl.dev/steps: %s}"
POLICY = "apiVersion: canaryctl.dev/v1alpha1\nkind: ReleasePolicy\nmetadata: {name: a}\nspec: %s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ANNOTATED % "[10, 50]", "steps: found [10, 50]; write one text in quotes: values"),
        (ANNOTATED % "{a: null}", 'steps: found {"a": null}; write one text in quotes: values'),
        (ANNOTATED % "", "steps: found nothing; write one text in quotes: values"),
        (ANNOTATED % "yes", "steps: found true; put it in quotes: values"),
        (ANNOTATED % "2026-01-31", "steps: found 2026-01-31; put it in quotes: values"),
        (POLICY % "text", 'spec: found "text"; write a mapping'),
        (POLICY % "", "spec: found nothing; write a mapping"),
        (POLICY % "{steps: 5}", "spec.steps: found 5; write a list"),
        (POLICY % "{gates: [null]}", "spec.gates[0]: found nothing; write one of first-step, promotion"),
        (POLICY % "{tolerance: 1.2}", "spec.tolerance: found 1.2; write a text in quotes"),
        (POLICY % "{minRequests: true}", "spec.minRequests: found true; write a whole number"),
        (POLICY % "{2026-01-31: {2026-01-31: x}}", "found a mapping; known fields are"),
        ("apiVersion: v1\nkind: Service", "metadata: found nothing; write a mapping"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: {a: b}}",
            'metadata.name: found {"a": "b"}; write a',
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: 5}",
            "metadata.name: found 5; write a text in quotes",
        ),
        (
            "apiVersion: v1\nkind: [Service]",
            "warning: kind is a list and no text: this is no Kubernetes object",
        ),
        (
            "apiVersion: 1\nkind: Service",
            "warning: apiVersion is a number and no text: this is no Kubernetes",
        ),
    ],
)
def test_malformed_values_are_told_in_the_words_of_yaml(text: str, message: str) -> None:
    said = "\n".join(told(text))
    assert message in said
    assert not [word for word in ("None", "True", "dict", "{'", "['", "datetime") if word in said]


@pytest.mark.parametrize("version", ["apiVersion: v1", "apiVersion: 1", "other: v1"])
def test_nothing_is_looked_at_in_what_does_not_say_what_it_is(version: str) -> None:
    said = told((ANNOTATED % "[10, 50]").replace("apiVersion: v1", version))
    assert len(said) == 1
    assert ("nothing in it was looked at" in said[0]) == (version != "apiVersion: v1")


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
    assert f"{loop}:1: error: cannot be read" in result.stdout


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

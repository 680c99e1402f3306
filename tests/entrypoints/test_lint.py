"""canaryctl lint says what the controller would, with file and line, without a cluster and of any input."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from canary.entrypoints.canaryctl import cli
from canary.entrypoints.findings import Finding, Severity
from canary.entrypoints.linting import Installation, lint
from canary.entrypoints.manifests import UnreadableManifest, read_manifests

ROOT = Path(__file__).parents[2]
GOOD = """\
apiVersion: v1
kind: Service
metadata:
  name: checkout
  annotations:
    canaryctl.dev/enabled: "true"
    canaryctl.dev/policy: standard
---
apiVersion: canaryctl.dev/v1alpha1
kind: ReleasePolicy
metadata: {name: standard}
spec:
  steps:
    - weight: 10
      bake: 2m
    - weight: 100
  maxErrorRate: 1%
"""


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["lint", *arguments], input=text, catch_exceptions=False)


def findings(text: str, namespace: str = "shop") -> tuple[Finding, ...]:
    return lint(tuple(read_manifests(text, "x.yaml", namespace)), Installation())


def told(text: str) -> list[str]:
    return [str(item) for item in findings(text)]


def test_what_is_right_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(GOOD)
    done = run(str(tmp_path))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "2 objects looked at: 0 errors, 0 warnings\n"


def test_samples_of_the_project_lint_clean() -> None:
    settings = str(ROOT / "config" / "controller.yaml")
    done = run(str(ROOT / "config" / "samples"), "--strict", "--settings", settings)
    assert (done.exit_code, done.stdout) == (0, "")


def test_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(GOOD)
    done = run(str(tmp_path), str(tmp_path / "all.yaml"), str(tmp_path / "." / "all.yaml"))
    assert done.stderr == "2 objects looked at: 0 errors, 0 warnings\n"


def test_host_that_istio_does_not_complete_is_doubted_with_the_right_one(tmp_path: Path) -> None:
    sample = (ROOT / "config" / "samples" / "checkout.yaml").read_text()
    (tmp_path / "all.yaml").write_text(sample.replace("{host: checkout,", "{host: checkout.shop,"))
    done = run(str(tmp_path))
    assert "destination host checkout.shop, which Istio takes to the letter" in done.stdout
    assert "write checkout.shop.svc.cluster.local" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "right", "line", "words"),
    [
        ('enabled: "true"', 'enabled: "ture"', 6, 'enabled: found "ture"; write "true" or "false"'),
        ('enabled: "true"', "enabled: true", 6, "put it in quotes"),
        ("policy: standard", "polcy: standard", 7, "did you mean canaryctl.dev/policy?"),
        ("weight: 10\n", "weight: 0\n", 14, "spec.steps[0]: found"),
        ("bake: 2m", "bake: 2", 15, "spec.steps[0].bake: found"),
        ("bake: 2m", 'bake: "2"', 14, 'write "2s", "2ms", "2m" or "2h"'),
        ("maxErrorRate: 1%", "maxErorRate: 1%", 17, "did you mean maxErrorRate?"),
        ("maxErrorRate: 1%", 'maxErrorRate: "0.01"', 17, 'did you mean "1%"?'),
        ("weight: 100", "weight: 5", 13, "step 2 (5) must be above step 1 (10)"),
        ("spec:", "spec: []\nother:", 12, "spec: found"),
    ],
)
def test_every_problem_comes_with_its_line(wrong: str, right: str, line: int, words: str) -> None:
    assert wrong in GOOD
    found = findings(GOOD.replace(wrong, right))
    assert any(item.line == line and words in item.message for item in found), [str(item) for item in found]
    assert found[0].severity is Severity.ERROR


def test_problem_reads_as_compilers_write_them() -> None:
    (line,) = told(GOOD.replace('"true"', '"ture"'))
    assert line == (
        'x.yaml:6: error: Service shop/checkout: canaryctl.dev/enabled: found "ture"; write "true" or "false"'
    )


def test_policy_that_is_not_among_the_files_is_a_warning_and_its_wishes_are_not_guessed() -> None:
    service = GOOD.split("---", maxsplit=1)[0]
    (found,) = findings(service)
    assert found.severity is Severity.WARNING
    assert 'found "standard", which is not among the files' in found.message
    assert run("-", text=service).exit_code == 0
    assert run("-", "--strict", text=service).exit_code == 1


def test_policy_of_another_namespace_needs_its_consent() -> None:
    elsewhere = GOOD.replace("policy: standard", "policy: platform/standard").replace(
        "{name: standard}", "{name: standard, namespace: platform}"
    )
    (found,) = findings(elsewhere)
    assert "which is not shared with namespace shop" in found.message
    shared = elsewhere.replace(
        "namespace: platform}", "namespace: platform, annotations: {canaryctl.dev/shared-with: shop}}"
    )
    assert findings(shared) == ()


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("canaryctl.dev/shared-wiht: shop", "did you mean canaryctl.dev/shared-with?"),
        ('canaryctl.dev/shared-with: "shop pay"', "it shares with nobody"),
        ('canaryctl.dev/shared-with: "*,shop"', "it shares with nobody"),
        ("canaryctl.dev/enabled: 'true'", "annotate the Service"),
    ],
)
def test_consent_that_shares_with_nobody_is_warned_of(annotation: str, words: str) -> None:
    text = GOOD.replace("{name: standard}", f"{{name: standard, annotations: {{{annotation}}}}}")
    (found,) = findings(text)
    assert (found.severity, found.line) == (Severity.WARNING, 11)
    assert words in found.message


def test_annotations_on_what_is_no_service_are_warned_of() -> None:
    text = GOOD.replace("apiVersion: v1\nkind: Service", "apiVersion: apps/v1\nkind: Deployment")
    assert [item.line for item in findings(text)] == [6, 7]
    assert all("annotate the Service" in item.message for item in findings(text))


def test_services_that_ask_for_nothing_are_left_alone() -> None:
    assert told("apiVersion: v1\nkind: Service\nmetadata: {name: x, annotations: {a: 1}}\n") == []


def test_lists_and_json_are_read_too() -> None:
    service, policy = (item.value for item in read_manifests(GOOD.replace('"true"', '"ture"'), "x", "shop"))
    bundle = {"apiVersion": "v1", "kind": "List", "items": [service, policy]}
    assert len(told(json.dumps(bundle))) == 1
    assert len(told(yaml.safe_dump(bundle))) == 1


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\na: 2\n", 2, "the key a a second time"),
        ("kind: Service\n  name: x\n", 2, "no YAML"),
        ("- 1\n", 1, "no object"),
        ("just text", 1, "no object"),
        ("{{ .Values.x }}: 1", 1, "no YAML"),
        ("apiVersion: v1\nkind: List\nitems: [1]\n", 3, "no object"),
        ("a: \x00", 1, "no YAML"),
        ("kind: List\nitems: {a: 1}", 2, "no list of objects under items"),
        ("kind: List\nitems: false", 2, "no list of objects under items"),
    ],
)
def test_file_that_is_no_manifest_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(UnreadableManifest, match=words) as refused:
        list(read_manifests(text, "x.yaml", "shop"))
    assert refused.value.line == line


def test_unreadable_file_does_not_hide_what_is_wrong_in_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "b.yaml").write_text(GOOD.replace('"true"', '"ture"'))
    done = run(str(tmp_path))
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 2
    assert "2 errors" in done.stderr


def test_file_that_is_no_text_is_told_among_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (tmp_path / "b.yaml").write_text(GOOD.replace('"true"', '"ture"'))
    done = run(str(tmp_path))
    assert done.exit_code == 1
    assert f"{tmp_path}/a.yaml:2: error: no UTF-8 text" in done.stdout
    assert len(done.stdout.splitlines()) == 2


def test_value_that_holds_itself_is_refused_like_any_other() -> None:
    (found,) = findings(GOOD.replace("steps:\n", "steps: &s\n    - *s\n"))[:1]
    assert found.severity is Severity.ERROR


def test_typo_in_opting_in_itself_is_told() -> None:
    (found,) = findings(GOOD.replace("canaryctl.dev/enabled", "canaryctl.dev/enabeld"))
    assert (found.line, found.severity) == (6, Severity.ERROR)
    assert "did you mean canaryctl.dev/enabled?" in found.message


def test_document_for_scripts_has_what_the_lines_have() -> None:
    done = run("-", "-o", "json", text=GOOD.replace('"true"', '"ture"'))
    (item,) = json.loads(done.stdout)["items"]
    assert (item["file"], item["line"], item["severity"]) == ("<stdin>", 6, "error")
    assert item["object"] == "Service default/checkout"


@pytest.mark.parametrize("name", ["missing.yaml", "empty"])
def test_nothing_to_look_at_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    done = run(str(tmp_path / name))
    assert done.exit_code == 1
    assert name in done.stdout


def test_metric_templates_are_known_by_the_settings(tmp_path: Path) -> None:
    objective = "  objectives: [{name: payments, template: failed-payment, maxBad: 1%}]\n"
    policy = GOOD.split("---\n")[1] + objective
    assert run("-", text=policy).exit_code == 0
    settings = tmp_path / "controller.yaml"
    template = {"total": {"metric": "a_total"}, "bad": {"metric": "b_total"}}
    settings.write_text(yaml.safe_dump({"plans": {"metric_templates": {"failed-payments": template}}}))
    done = run("-", "--settings", str(settings), text=policy)
    assert done.exit_code == 1
    assert 'did you mean "failed-payments"?' in done.stdout
    settings.write_text("plans: {metric_templates: {x: {}}}")
    done = run("-", "--settings", str(settings), text=policy)
    assert done.exit_code == 1
    assert f"{settings}:1: error: the controller's settings are wrong" in done.stdout


def test_a_bound_that_is_of_the_other_kind_of_template_is_told_with_its_field(tmp_path: Path) -> None:
    objective = "  objectives: [{name: queue, template: queue, maxBad: 1%}]\n"
    policy = GOOD.split("---\n")[1] + objective
    settings = tmp_path / "controller.yaml"
    template = {"gauge": {"metric": "queue_length"}}
    settings.write_text(yaml.safe_dump({"plans": {"metric_templates": {"queue": template}}}))
    done = run("-", "--settings", str(settings), text=policy)
    assert done.exit_code == 1
    assert "spec.objectives[0].maxBad" in done.stdout
    assert "is a gauge: write atMost or atLeast with a number instead" in done.stdout
    assert (
        run("-", "--settings", str(settings), text=policy.replace("maxBad: 1%", "atMost: 500")).exit_code == 0
    )
    without = run("-", text=policy.replace("maxBad: 1%", "atMost: 500, consecutive: 9"))
    assert without.exit_code == 1
    assert "spec.objectives[0].consecutive" in without.stdout


def test_defaults_of_the_settings_stand_behind_what_is_linted(tmp_path: Path) -> None:
    settings = tmp_path / "controller.yaml"
    settings.write_text("plans: {defaults: {deadline: 5m}}")
    service = GOOD.split("---", maxsplit=1)[0].replace("policy: standard", "steps: 10@10m")
    done = run("-", "--settings", str(settings), text=service)
    assert "plans.defaults of the controller's settings: deadline" in done.stdout


def test_a_service_where_the_controller_does_not_work_is_doubted(tmp_path: Path) -> None:
    settings = tmp_path / "controller.yaml"
    settings.write_text("kubernetes: {namespaces: [shop, pay]}")
    elsewhere = GOOD.replace("  name: checkout", "  namespace: blog\n  name: checkout").replace(
        "{name: standard}", "{name: standard, namespace: blog}"
    )
    done = run("-", "--settings", str(settings), text=elsewhere)
    assert '<stdin>:4: warning: Service blog/checkout: namespace: found "blog"' in done.stdout
    assert "work in shop, pay only" in done.stdout
    assert run("-", "-n", "pay", "--settings", str(settings), text=GOOD).stdout == ""


YAMLISH = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 200), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["steps", "weight", "bake", "objectives", "name", "gates", "x", "namespace"]),
            inner,
        ),
    ),
    max_leaves=8,
)


@given(st.sampled_from(["Service", "ReleasePolicy", "VirtualService"]), YAMLISH, YAMLISH)
def test_any_object_is_judged_and_never_crashes_the_linter(kind: str, metadata: object, spec: object) -> None:
    version = "canaryctl.dev/v1alpha1" if kind == "ReleasePolicy" else "v1"
    annotated = {"annotations": {"canaryctl.dev/enabled": "true", "canaryctl.dev/steps": spec}}
    for meta in (metadata, annotated):
        body = {"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}
        for line in told(yaml.safe_dump(body)):
            assert ": " in line


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        manifests = list(read_manifests(text, "x", "shop"))
    except UnreadableManifest:
        return
    lint(manifests, Installation())

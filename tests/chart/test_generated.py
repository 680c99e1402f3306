"""What the chart has of other files is the same as there, and every value is documented and checked."""

import subprocess
import sys
from typing import Any

import pytest
import yaml

from canary.entrypoints.settings_keys import key_paths
from tests.chart.rendering import CHART, NEEDED, ROOT, only, render

Json = dict[str, Any]
DECIDED_BY_THE_CHART = {
    "kubernetes",
    "leadership.name",
    "leadership.namespace",
    "leadership.identity",
    "page.enabled",
}


def test_generated_files_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "charts" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("plural", ["releases", "releasepolicies"])
def test_chart_installs_the_very_definition_that_config_has(plural: str) -> None:
    original = yaml.safe_load((ROOT / "config" / "crd" / f"{plural}.yaml").read_text())
    installed = only(render(NEEDED), "CustomResourceDefinition", f"{plural}.canaryctl.dev")
    assert installed["spec"] == original["spec"]
    assert original["metadata"]["labels"].items() <= installed["metadata"]["labels"].items()


def test_every_definition_of_config_is_in_the_chart() -> None:
    names = {path.name for path in (ROOT / "config" / "crd").glob("*.yaml")}
    assert names == {path.name for path in (CHART / "files" / "crds").glob("*.yaml")}


def test_upgrade_of_the_chart_upgrades_the_definition_and_removal_keeps_it() -> None:
    # Helm installs what is in crds/ once and never touches it again.
    assert not (CHART / "crds").exists()
    definitions = [item for item in render(NEEDED) if item["kind"] == "CustomResourceDefinition"]
    assert len(definitions) == 2
    for definition in definitions:
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def values() -> Json:
    found: Json = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


def leaves(node: Json, prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, value in node.items():
        is_branch = isinstance(value, dict) and value
        found += leaves(value, f"{prefix}{name}.") if is_branch else [f"{prefix}{name}"]
    return found


def test_every_value_is_in_the_table_itself_or_as_part_of_another() -> None:
    table = (CHART / "README.md").read_text()
    for leaf in leaves(values()):
        parts = leaf.split(".")
        ancestors = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        if leaf == "podLabels.sidecar.istio.io/inject":
            ancestors = ["podLabels"]
        assert any(f"| `{name}` |" in table for name in ancestors), leaf


def test_schema_knows_the_values_that_there_are_and_no_others() -> None:
    with_schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert with_schema["additionalProperties"] is False
    assert with_schema["properties"].keys() - {"global"} == values().keys()


def test_every_setting_of_the_controller_is_a_value_unless_the_chart_decides_it() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]["config"]
    for key in key_paths():
        name = ".".join(key)
        if {key[0], name} & DECIDED_BY_THE_CHART:
            continue
        node = schema
        for part in key:
            candidates = [node, *node.get("anyOf", [])]
            node = next(item["properties"][part] for item in candidates if part in item.get("properties", {}))
        assert node, name


def test_chart_and_package_have_one_version() -> None:
    from canary import __version__  # noqa: PLC0415 - the package's own word for it

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    assert f"ARG VERSION={__version__}" in (ROOT / "Dockerfile").read_text()

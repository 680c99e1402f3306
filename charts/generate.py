"""Write the generated parts of the chart again, or with --check say which are out of date.

Generated are: what the chart has of files that live elsewhere (the CRDs of config/crd, the alerts and the
dashboard of config/monitoring), the schema of ``config`` in values.schema.json (from the controller's own
settings), and the table of values in README.md (from the comments of values.yaml).
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from canary.entrypoints.settings import Settings

CHART: Final = Path(__file__).parent / "canary"
CONFIG: Final = Path(__file__).parent.parent / "config"
DECIDED: Final = {
    "KubernetesSettings": None,
    "LeadershipSettings": ("name", "namespace", "identity"),
    "PageSettings": ("enabled",),
}
"""Settings that are no values, by group (None: the whole group): the chart decides them."""
PART: Final = re.compile(r"(<!-- generated: values -->\n).*?(<!-- end -->)", re.DOTALL)
DOCUMENTED: Final = "# -- "

OF_NO_USE_TO_HELM: Final = frozenset({"title", "default", "properties", "required", "writeOnly"})

Json = dict[str, Any]


def copies() -> dict[Path, str]:
    """Return what the chart's files must hold, because other files do."""
    found = {CHART / "files" / "crds" / path.name: path for path in sorted((CONFIG / "crd").glob("*.yaml"))}
    monitoring = CONFIG / "monitoring"
    found |= {CHART / "files" / name: monitoring / name for name in ("alerts.yaml", "dashboard.json")}
    return {copy: original.read_text(encoding="utf-8") for copy, original in found.items()}


def config_schema() -> Json:
    """Return the JSON schema of the value ``config``: of the controller's settings as a file holds them."""
    schema = Settings.model_json_schema(mode="serialization", by_alias=True)
    definitions = schema.pop("$defs")
    for group, keys in DECIDED.items():
        if keys is None:
            del definitions[group]
            name = group.removesuffix("Settings").lower()
            del schema["properties"][name]
        else:
            for key in keys:
                del definitions[group]["properties"][key]
    for group in ("HttpSettings", "PageSettings"):
        # Zero is any free port: in a pod nobody would find it.
        definitions[group]["properties"]["port"]["minimum"] = 1
    return dict(_resolved(schema, definitions)) | {"description": "Generated from the controller's settings."}


def _resolved(node: Any, definitions: Mapping[str, Json]) -> Any:
    """Put definitions where they are referred to, and leave titles and defaults out."""
    if isinstance(node, list):
        return [_resolved(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _resolved(definitions[node["$ref"].rpartition("/")[2]], definitions)
    properties = {name: _resolved(item, definitions) for name, item in node.get("properties", {}).items()}
    kept = {
        name: _resolved(value, definitions)
        for name, value in node.items()
        if name not in OF_NO_USE_TO_HELM and not name.startswith("x-kubernetes-")
    }
    if not properties:
        return kept
    # The chart's default for the URL is empty; templates insist on it with better words.
    required = {"required": [name for name in node.get("required", ()) if name != "url"]}
    closed = {"additionalProperties": False, "properties": properties}
    return kept | closed | (required if required["required"] else {})


def schema(before: str) -> str:
    """Return values.schema.json with the present schema of ``config``."""
    document = json.loads(before)
    document["properties"]["config"] = config_schema()
    return json.dumps(document, indent=2) + "\n"


def values_table(text: str) -> str:
    """Return the table of what values.yaml documents: name, default, meaning."""
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for name, default, meaning in documented_values(text):
        shown = json.dumps(default, ensure_ascii=False)
        rows.append(f"| `{name}` | `{shown}` | {meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def documented_values(text: str) -> Iterator[tuple[str, Any, str]]:
    """Yield every value with a comment that begins with two dashes; what is in it needs none of its own."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml is no mapping")
    yield from _documented(root, "", lines)


def _documented(node: yaml.MappingNode, prefix: str, lines: list[str]) -> Iterator[tuple[str, Any, str]]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        meaning = _comment_above(key.start_mark.line, lines)
        inner = isinstance(value, yaml.MappingNode) and _has_comments(value, lines)
        if meaning:
            constructor = yaml.SafeLoader("")
            default = {"…": "see below"} if inner else constructor.construct_object(value, deep=True)
            yield name, default, meaning
        if isinstance(value, yaml.MappingNode) and (inner or not meaning):
            yield from _documented(value, f"{name}.", lines)


def _has_comments(node: yaml.MappingNode, lines: list[str]) -> bool:
    return any(
        _comment_above(key.start_mark.line, lines)
        or (isinstance(value, yaml.MappingNode) and _has_comments(value, lines))
        for key, value in node.value
    )


def _comment_above(line: int, lines: list[str]) -> str:
    """Return the comment that ends right above ``line``, from its dashes on; empty when there is none."""
    words: list[str] = []
    while line > 0 and (above := lines[line - 1].strip()).startswith("#"):
        line -= 1
        if above.startswith(DOCUMENTED):
            return " ".join([above.removeprefix(DOCUMENTED), *words])
        words.insert(0, above.removeprefix("#").strip())
    return ""


def expected() -> dict[Path, str]:
    """Return every generated file with what it must hold."""
    readme, values_schema = CHART / "README.md", CHART / "values.schema.json"
    table = values_table((CHART / "values.yaml").read_text(encoding="utf-8"))
    described = PART.sub(
        lambda part: f"{part[1]}{table}\n{part[2]}", readme.read_text(encoding="utf-8"), count=1
    )
    return copies() | {readme: described, values_schema: schema(values_schema.read_text(encoding="utf-8"))}


def main() -> int:
    """Rewrite, or check, everything generated."""
    check = "--check" in sys.argv[1:]
    stale = {
        path: text
        for path, text in expected().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        words = "out of date; run python charts/generate.py" if check else "written"
        print(f"{path.relative_to(CHART.parent)}: {words}", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

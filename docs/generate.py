"""Write the generated parts of the documentation again, or with --check say which are out of date.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

from canary.adapters.kube.wire import wire_name
from canary.domain.policy import PolicySpec
from canary.domain.reference import REFERENCE
from canary.domain.release import TRANSITIONS, Phase

DOCS = Path(__file__).parent
PART = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def phase_diagram() -> str:
    """Return the transition table as a Mermaid state diagram."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Phase.PENDING}"]
    for phase in Phase:
        lines += [f"    {phase} --> {following}" for following in Phase if following in TRANSITIONS[phase]]
        if phase.is_terminal:
            lines.append(f"    {phase} --> [*]")
    return "\n".join([*lines, "```"])


def annotation_table() -> str:
    """Return every annotation with its meaning, form, default and an example."""
    rows = ["| annotation | meaning | form | default | example |", "| --- | --- | --- | --- | --- |"]
    for item in REFERENCE:
        default = f"`{item.default}`" if item.default is not None else item.absent
        example = f"`{item.example}`" if item.example else ""
        cells = (f"`{item.key}`", item.meaning, item.form, default, example)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


LISTS: Mapping[str, str] = {
    "steps": "`[{weight: 10, bake: 2m}, {weight: 100}]`",
    "gates": "`[first-step, promotion]`",
    "virtualServices": "`[checkout, gateway/primary]`",
    "minRequests": "`200`",
}
"""Examples of the fields that are no texts."""


def policy_fields() -> str:
    """Return every field of a ReleasePolicy that is an annotation too, with an example."""
    wire_names = {wire_name(item.name) for item in fields(PolicySpec)}
    rows = ["| field | annotation | example |", "| --- | --- | --- |"]
    for item in REFERENCE:
        if item.policy_field in wire_names:
            example = LISTS.get(item.policy_field, f"`{item.example}`")
            rows.append(f"| `{item.policy_field}` | `{item.key}` | {example} |")
    return "\n".join(rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "phases": phase_diagram,
    "annotations": annotation_table,
    "policy-fields": policy_fields,
}


def regenerated(text: str) -> str:
    """Return ``text`` with every generated part as it should be."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part['name']]()}\n{part[3]}", text)


def main() -> int:
    """Rewrite, or check, every document that has generated parts."""
    check = "--check" in sys.argv[1:]
    stale = []
    for path in sorted([*DOCS.glob("*.md"), DOCS.parent / "README.md"]):
        before = path.read_text()
        after = regenerated(before)
        if before != after:
            stale.append(path)
            if not check:
                path.write_text(after)
    for path in stale:
        print(f"{path.name}: {'out of date; run `make docs`' if check else 'written'}", file=sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

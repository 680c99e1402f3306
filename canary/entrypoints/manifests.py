"""Manifests: Kubernetes objects as they stand in YAML or JSON files, each part with its line.

A key that stands twice is an error here: YAML's own loader keeps the last one without a word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

__all__ = ["ISTIO", "KeyTwice", "Manifest", "StrictLoader", "UnreadableManifest", "read_manifests"]

Json = dict[str, Any]
ISTIO: Final = "networking.istio.io"
"""The API group of VirtualServices and DestinationRules."""
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


class KeyTwice(yaml.constructor.ConstructorError):
    """A mapping has the same key twice; ``problem`` names it."""


class StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, but for keys that stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping; raises ``KeyTwice``."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise KeyTwice(None, None, key.value, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class UnreadableManifest(ValueError):
    """A file that cannot be read as YAML; ``line`` is where, counted from 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file."""

    file: str
    namespace: str
    """The one that it names, or that of objects which name none."""
    value: Json
    node: yaml.MappingNode

    @property
    def kind(self) -> str:
        """Its kind; empty when it has none."""
        return _text(self.value.get("kind"))

    @property
    def group(self) -> str:
        """Its API group; empty for the core group."""
        group, slash, _ = _text(self.value.get("apiVersion")).partition("/")
        return group if slash else ""

    @property
    def metadata(self) -> Json:
        """Its metadata; empty when there is none."""
        return _metadata(self.value)

    @property
    def name(self) -> str:
        """Its name; empty when it has none."""
        return _text(self.metadata.get("name"))

    @property
    def annotations(self) -> dict[str, Any]:
        """Its annotations as they are written, texts or not."""
        written = self.metadata.get("annotations")
        return {str(name): text for name, text in (written if isinstance(written, dict) else {}).items()}

    def __str__(self) -> str:
        """What it is, for people: its kind and whose name it has."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.name else self.kind

    @property
    def is_object(self) -> bool:
        """Whether it says what it is, as every object of Kubernetes does."""
        return all(isinstance(self.value.get(part), str) for part in ("apiVersion", "kind"))

    def line_of_annotation(self, name: str) -> int:
        """The line of an annotation, or of what would hold it."""
        return self.line("metadata", "annotations", name)

    def is_a(self, group: str, kind: str) -> bool:
        """Whether it is of this kind, in whichever version."""
        return (self.group, self.kind) == (group, kind)

    def line(self, *path: str | int) -> int:
        """The line, counted from 1, of the part at ``path``, or of the innermost part of it that there is."""
        node: yaml.Node = self.node
        mark = node.start_mark
        for step in path:
            found = _inside(node, step)
            if found is None:
                break
            mark, node = found
        return int(mark.line) + 1

    def at(self, *path: str | int) -> Any:
        """The part at ``path``, as it is written; None where there is none."""
        found: Any = self.value
        for step in path:
            if isinstance(step, int):
                found = found[step] if isinstance(found, list) and step < len(found) else None
            else:
                found = found.get(step) if isinstance(found, dict) else None
        return found

    def line_of(self, place: str) -> int:
        """The line of a place in words, such as ``spec.steps[1].weight``."""
        steps = (int(number) if number else name for name, number in _STEP.findall(place))
        return self.line(*steps)


def _text(value: object) -> str:
    """A text; empty for what is none, of which the linting of heads tells."""
    return value if isinstance(value, str) else ""


def _metadata(value: Json) -> Json:
    found = value.get("metadata")
    return found if isinstance(found, dict) else {}


def _inside(node: yaml.Node, step: str | int) -> tuple[Any, yaml.Node] | None:
    """Where a part begins (a field with its name), and the part."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == step:
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark, node.value[step]
    return None


def read_manifests(text: str, file: str, namespace: str) -> Iterator[Manifest]:
    """Yield every object of a file, those in Lists one by one. Raises ``UnreadableManifest``.

    Objects that name no namespace are in ``namespace``.
    """
    try:
        loader = StrictLoader(text)
        while loader.check_node():
            node = loader.get_node()
            yield from _objects(node, loader.construct_document(node), file, namespace)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        problem = getattr(exc, "problem", None) or "it is no text"
        words = f"the key {problem} a second time" if isinstance(exc, KeyTwice) else f"no YAML: {problem}"
        if "{{" in text:
            words += "; is this a Helm template? lint what `helm template` makes of it"
        raise UnreadableManifest(mark.line + 1 if mark is not None else 1, words) from exc
    except UnreadableManifest:
        raise
    except RecursionError as exc:
        raise UnreadableManifest(1, "no YAML: it is nested too deeply") from exc
    except ValueError as exc:
        raise UnreadableManifest(1, f"no YAML: {exc}") from exc


def _objects(node: yaml.Node | None, value: object, file: str, namespace: str) -> Iterator[Manifest]:
    if node is None or value is None:
        return
    if not isinstance(node, yaml.MappingNode) or not isinstance(value, dict):
        raise UnreadableManifest(
            node.start_mark.line + 1, "no object: write a mapping with apiVersion and kind"
        )
    items = _inside(node, "items")
    if _text(value.get("kind")).endswith("List") and items is not None and value["items"] is not None:
        if not isinstance(items[1], yaml.SequenceNode):
            raise UnreadableManifest(items[0].line + 1, "no list of objects under items")
        for child, item in zip(items[1].value, value["items"], strict=True):
            yield from _objects(child, item, file, namespace)
        return
    yield Manifest(file, _text(_metadata(value).get("namespace")) or namespace, value, node)

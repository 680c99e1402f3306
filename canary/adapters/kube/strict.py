"""Everything that is wrong with a value as a person wrote it; ``wire.from_wire`` stops at the first problem.

What ``from_wire`` passes over in silence, so that an older controller can read what a newer one wrote, is a
problem here: an unknown field is a typo until it is proven otherwise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from canary.adapters.kube.wire import UnreadableField, field_type, from_wire, wire_name
from canary.domain.errors import Problem
from canary.domain.values import shown
from canary.domain.wishes import suggestion

__all__ = ["problems_in"]


def problems_in(kind: Any, data: object, path: str) -> tuple[Problem, ...]:
    """Return every problem with ``data`` as the stored form of a ``kind`` at ``path``."""
    return tuple(_problems(kind, data, path))


def _problems(kind: Any, data: object, path: str) -> Iterator[Problem]:
    found = list(_of_parts(kind, data, path))
    yield from found
    if not found:
        try:
            from_wire(kind, data, path)
        except UnreadableField as unreadable:
            wanted = unreadable.wanted
            remedy = f"write {wanted}" if wanted is not None else unreadable.problem
            yield Problem(unreadable.path, shown(data), remedy)


def _of_parts(kind: Any, data: object, path: str) -> Iterator[Problem]:
    origin, args = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(data, dict):
        yield from _of_fields(kind, data, path)
    elif origin in {tuple, frozenset} and isinstance(data, list):
        for number, item in enumerate(data):
            yield from _problems(args[0], item, f"{path}[{number}]")
    elif origin is Mapping and isinstance(data, dict):
        for name, item in data.items():
            yield from _problems(args[1], item, f"{path}.{name}")


def _of_fields(kind: Any, data: Mapping[str, object], path: str) -> Iterator[Problem]:
    hints = get_type_hints(kind)
    known = {wire_name(item.name): item for item in fields(kind)}
    for name, value in data.items():
        item = known.get(name)
        if item is None:
            close = suggestion(str(name), list(known))
            remedy = f"did you mean {close}?" if close else f"known fields are {', '.join(known)}"
            yield Problem(f"{path}.{name}", shown(value), remedy)
        elif value is not None:
            yield from _problems(field_type(hints[item.name])[0], value, f"{path}.{name}")
    for name, item in known.items():
        optional = field_type(hints[item.name])[1]
        has_default = item.default is not MISSING or item.default_factory is not MISSING
        if data.get(name) is None and not optional and not has_default:
            yield Problem(f"{path}.{name}", "nothing", "it is needed")

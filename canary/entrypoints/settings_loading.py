"""Finding the settings: flags win over environment variables, those over the file, that over the defaults.

Whatever is wrong anywhere is reported at once, each problem with where it stands, what was found and what
would be right. Nothing is ignored: an unknown key or variable is a problem, and so is a key that stands
twice, because a typo must never silently mean a default. A variable that is set to nothing counts as not set.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from canary.domain.errors import Problem
from canary.entrypoints.settings import Settings
from canary.entrypoints.settings_keys import Key, key_paths, option_of, text_of, variable_of

__all__ = ["CONFIG_VARIABLE", "InvalidSettings", "load_settings"]

PREFIX: Final = "CANARY_"
CONFIG_VARIABLE: Final = "CANARY_CONFIG"
LONGEST_FOUND: Final = 80
_SERVICE_LINK: Final = re.compile(
    r"CANARY_([A-Z0-9]+_)*(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9]+)*|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes itself sets in every pod for a Service called canary or canary-something."""
_PROTOCOL_PORTS: Final = ("_TCP_PORT", "_UDP_PORT", "_SCTP_PORT")


class InvalidSettings(ValueError):
    """The settings cannot be used. ``problems`` holds every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class _Found:
    """A value, and where it was found."""

    value: object
    where: str


_Values = dict[Key, _Found]


class _Twice(yaml.constructor.ConstructorError):
    """A mapping has the same key twice; YAML's own loader keeps the last one without a word."""


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise _Twice(None, None, key.value, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_settings(
    flags: Mapping[str, object], environ: Mapping[str, str], config: Path | None = None
) -> Settings:
    """Return the settings in force; raises ``InvalidSettings``.

    ``flags`` are values by key, such as ``{"controller.tick": "5s"}``; ``config`` is the file that a flag
    names, which wins over the one that CANARY_CONFIG names.
    """
    file = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    problems: list[Problem] = []
    found: _Values = {}
    unread = False
    if file is not None:
        read = _read_file(file, problems)
        unread = read is None
        found |= read or {}
    found |= _read_environment(environ, problems)
    for name, value in flags.items():
        key = tuple(name.split("."))
        found[key] = _Found(value, option_of(key) or text_of(key))
    try:
        settings = Settings.model_validate(_nested(found))
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        # What is missing may well stand in the file that could not be read.
        problems += [_problem(each, found) for each in errors if not (unread and each["type"] == "missing")]
    if problems:
        raise InvalidSettings(problems)
    return settings


def _read_file(path: Path, problems: list[Problem]) -> _Values | None:
    """Return what the file says; None when it cannot be read, which is one problem."""
    mapping = "a YAML mapping with the groups " + ", ".join(Settings.model_fields)
    try:
        document: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe one
    except OSError as exc:
        problems.append(Problem(str(path), exc.strerror or "an unreadable file", "name a readable file"))
        return None
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        # Only the place: the lines that YAML quotes may hold secrets.
        mark = getattr(exc, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        if isinstance(exc, _Twice):
            problems.append(Problem(place, f"the key {exc.problem} a second time", "keep one of the two"))
        else:
            problems.append(Problem(place, "something that is not YAML", f"write {mapping}"))
        return None
    if document is None:
        return {}
    if not isinstance(document, dict):
        problems.append(Problem(str(path), f"a {type(document).__name__}", f"write {mapping}"))
        return None
    values: _Values = {}
    known = key_paths()
    for key, value in _leaves(document, (), known):
        where = f"{path}: {text_of(key)}"
        if key in known or _is_group(key, known):
            values[key] = _Found(value, where)
        else:
            problems.append(
                Problem(where, "an unknown key", _did_you_mean(text_of(key), map(text_of, known)))
            )
    return values


def _leaves(document: Mapping[Any, Any], prefix: Key, known: Sequence[Key]) -> Iterator[tuple[Key, object]]:
    for name, value in document.items():
        key = (*prefix, str(name))
        if isinstance(value, dict) and _is_group(key, known):
            yield from _leaves(value, key, known)
        elif value is not None or not _is_group(key, known):
            yield key, value


def _is_group(key: Key, known: Sequence[Key]) -> bool:
    return any(len(each) > len(key) and each[: len(key)] == key for each in known)


def _read_environment(environ: Mapping[str, str], problems: list[Problem]) -> _Values:
    by_variable = {variable_of(key): key for key in key_paths()}
    values: _Values = {}
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable in by_variable:
            if text:
                values[by_variable[variable]] = _Found(text, variable)
        elif not _is_service_link(variable, text):
            remedy = _did_you_mean(variable, [CONFIG_VARIABLE, *by_variable])
            problems.append(Problem(variable, "an unknown environment variable", remedy))
    return values


def _is_service_link(variable: str, text: str) -> bool:
    # CANARY_HTTP_PORT is a Service's when it holds a URL such as tcp://10.0.0.1:80, and else a typo of ours.
    is_whole = variable.endswith("_PORT") and not variable.endswith(("_SERVICE_PORT", *_PROTOCOL_PORTS))
    return _SERVICE_LINK.fullmatch(variable) is not None and (not is_whole or "://" in text)


def _did_you_mean(name: str, known: Any) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def _nested(found: _Values) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, each in found.items():
        node = tree
        for name in key[:-1]:
            inner = node.setdefault(name, {})
            # A group that a file gives as a plain value: pydantic reports that, not what lies below it.
            if not isinstance(inner, dict):
                break
            node = inner
        else:
            node[key[-1]] = each.value
    # Without it the missing url would be reported as a missing group.
    tree.setdefault("prometheus", {})
    return tree


def _problem(error: ErrorDetails, found: _Values) -> Problem:
    location: Key = tuple(str(part) for part in error["loc"] if part != "[key]")
    key = next((location[:end] for end in range(len(location), 0, -1) if location[:end] in found), location)
    where = found[key].where if key in found else _where_to_set(key)
    if error["type"] == "missing":
        return Problem(_where_to_set(location), "nothing", "set it: it has no default")
    remedy = _remedy(error)
    if key not in found:
        return Problem(text_of(key) or "settings", "settings that do not fit together", remedy)
    return Problem(where, _shown(key, found[key].value), remedy)


def _where_to_set(key: Key) -> str:
    option = option_of(key)
    return f"{text_of(key)} ({option + ', ' if option else ''}{variable_of(key)})"


def _remedy(error: ErrorDetails) -> str:
    if "error" in error.get("ctx", {}):
        return str(error["ctx"]["error"])
    message = "write a mapping of keys to values" if error["type"] == "model_type" else error["msg"]
    return (message[:1].lower() + message[1:]).replace("input should be", "it should be")


def _shown(key: Key, value: object) -> str:
    text = repr(value)
    # What stands where a group or a header should be may be a credential, and so may a part of a URL.
    if key not in key_paths() or "headers" in key or "@" in text:
        return "a value that is not shown"
    return text if len(text) <= LONGEST_FOUND else text[: LONGEST_FOUND - 1] + "…"

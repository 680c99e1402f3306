"""Finding the settings: flags win over environment variables, those over the file, that over the defaults.

``pydantic-settings`` reads and merges them. What is added here is that nothing is ignored: an unknown key or
variable is a problem, and so is a key that stands twice, because a typo must never silently mean a default.
Whatever is wrong anywhere is reported at once, each problem with where it stands, what was found and what
would be right. A variable that is set to nothing counts as not set.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    YamlConfigSettingsSource,
)

from canary.domain.errors import Problem
from canary.domain.values import kind_of, shown
from canary.entrypoints.manifests import KeyTwice, StrictLoader
from canary.entrypoints.settings import Settings
from canary.entrypoints.settings_keys import Key, key_paths, option_of, text_of, variable_of

__all__ = ["CONFIG_VARIABLE", "InvalidSettings", "load_settings"]

PREFIX: Final = Settings.model_config["env_prefix"]
CONFIG_VARIABLE: Final = "CANARY_CONFIG"
CACHE_VARIABLE: Final = "CANARY_CACHE"
"""Where the demo's real control plane keeps what it builds; its controllers inherit it."""
TESTS_PREFIX: Final = "CANARY_TEST_"
"""Of variables that tell the project's own tests something."""
NOT_SHOWN: Final = "a value that is not shown"
_WRITE_A_MAPPING: Final = "write a YAML mapping with the groups " + ", ".join(Settings.model_fields)
_SECOND_DOCUMENT: Final = "expected a single document in the stream"
"""The YAML library's words."""
_NO_OBJECT: Final = (
    "name the file that the controller is started with, which a ConfigMap may hold: a YAML mapping with the "
    "groups " + ", ".join(Settings.model_fields)
)
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


class _Variables(EnvSettingsSource):
    """The library's source, but of the variables it is handed, and strict about their names."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._environ = environ
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        known = [variable_of(key) for key in key_paths()]
        found: dict[str, str | None] = {}
        for variable, text in sorted(self._environ.items()):
            if variable in known:
                if text:
                    found[variable.lower()] = text
            elif variable.startswith(PREFIX) and not _belongs_elsewhere(variable, text):
                remedy = _did_you_mean(variable, [CONFIG_VARIABLE, *known])
                self.problems.append(Problem(variable, "an unknown environment variable", remedy))
        return found


class _File(YamlConfigSettingsSource):
    """The library's source, but strict: that one passes over a missing file, and trips over a list."""

    def __init__(self, path: Path | None) -> None:
        self.problems: list[Problem] = []
        self.unread: list[Key] = []
        """Groups that may well say something, but not so that it can be read; ``()`` is all of them."""
        # The library takes the path "." for none.
        self._path = path
        super().__init__(Settings, path)

    def _read_files(self, files: Any, deep_merge: bool = False) -> dict[str, Any]:  # noqa: ARG002 - theirs
        document: Any = None
        try:
            if self._path is not None:
                document = yaml.load(self._path.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506 - safe
        except (OSError, yaml.YAMLError, ValueError, RecursionError) as exc:
            self.problems.append(_unreadable(str(self._path), exc))
        else:
            if isinstance(document, dict) and _is_an_object(document):
                self.problems.append(Problem(str(self._path), f"a Kubernetes {document['kind']}", _NO_OBJECT))
            elif document is None or isinstance(document, dict):
                # Without the group, the missing url would be reported as a missing group.
                return {"prometheus": {}} | self._known(document or {}, ())
            else:
                self.problems.append(Problem(str(self._path), kind_of(document), _WRITE_A_MAPPING))
        self.unread.append(())
        return {}

    def _known(self, mapping: Mapping[Any, Any], prefix: Key) -> dict[str, Any]:
        """Return what stands under known keys; an empty group says nothing."""
        kept: dict[str, Any] = {}
        for name, value in mapping.items():
            key = (*prefix, str(name))
            if key in key_paths():
                kept[key[-1]] = value
            elif not any(each[: len(key)] == key for each in key_paths()):
                beside = dict.fromkeys(
                    text_of(each[: len(key)]) for each in key_paths() if each[: len(prefix)] == prefix
                )
                remedy = _did_you_mean(text_of(key), [text_of(each) for each in key_paths()], tuple(beside))
                self.problems.append(Problem(self.place_of(key), "an unknown key", remedy))
            elif isinstance(value, dict):
                kept[key[-1]] = self._known(value, key)
            elif value is not None:
                # A variable of this group would win over it, and nobody would hear of it.
                problem = Problem(self.place_of(key), NOT_SHOWN, "write a mapping of keys to values")
                self.problems.append(problem)
                self.unread.append(key)
        return kept

    def place_of(self, key: Key) -> str:
        return f"{self._path}: {text_of(key)}"


def load_settings(
    flags: Mapping[str, object], environ: Mapping[str, str], config: Path | None = None
) -> Settings:
    """Return the settings in force; raises ``InvalidSettings``.

    ``flags`` are values by key, such as ``{"controller.tick": "5s"}``; ``config`` is the file that a flag
    names, which wins over the one that CANARY_CONFIG names.
    """
    named = environ.get(CONFIG_VARIABLE)
    file, variables = _File(config or (Path(named) if named else None)), _Variables(environ)
    problems = file.problems + variables.problems

    def place_of(key: Key) -> str:
        if text_of(key) in flags:
            return option_of(key) or text_of(key)
        variable = variable_of(key)
        return variable if variable.lower() in variables.env_vars else file.place_of(key)

    try:
        settings = _merged(flags, variables, file)
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            # What is missing may well stand in what could not be read.
            unread = any(error["loc"][: len(key)] == key for key in file.unread)
            if not (unread and error["type"] == "missing"):
                problems.append(_problem(error, place_of))
    if problems:
        raise InvalidSettings(problems)
    return settings


def _merged(flags: Mapping[str, object], *sources: PydanticBaseSettingsSource) -> Settings:
    class Sourced(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: Any,  # noqa: ARG003 - the library's signature
            init_settings: PydanticBaseSettingsSource,
            *_: Any,
            **__: Any,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, *sources)

    # The library asks a class for its sources, and values of two classes are never equal.
    return Settings.model_construct(**dict(Sourced(**_nested(flags))))


def _unreadable(path: str, exc: Exception) -> Problem:
    if isinstance(exc, OSError):
        return Problem(path, exc.strerror or "an unreadable file", "name a readable file")
    # Only the place: the lines that YAML quotes may hold secrets.
    mark = getattr(exc, "problem_mark", None)
    place = f"{path}:{mark.line + 1}" if mark is not None else path
    if isinstance(exc, KeyTwice):
        return Problem(place, f"the key {exc.problem} a second time", "keep one of the two")
    if getattr(exc, "context", None) == _SECOND_DOCUMENT:
        return Problem(place, "a second document", _WRITE_A_MAPPING.replace("write a", "write one"))
    return Problem(place, "something that is not YAML", _WRITE_A_MAPPING)


def _belongs_elsewhere(variable: str, text: str) -> bool:
    if variable in {CONFIG_VARIABLE, CACHE_VARIABLE} or variable.startswith(TESTS_PREFIX):
        return True
    # CANARY_HTTP_PORT is a Service's when it holds a URL such as tcp://10.0.0.1:80, and else a typo of ours.
    is_whole = variable.endswith("_PORT") and not variable.endswith(("_SERVICE_PORT", *_PROTOCOL_PORTS))
    return _SERVICE_LINK.fullmatch(variable) is not None and (not is_whole or "://" in text)


def _is_an_object(document: Mapping[Any, Any]) -> bool:
    """Whether it is a manifest: the settings themselves have neither of these keys."""
    return isinstance(document.get("kind"), str) and "apiVersion" in document


def _did_you_mean(name: str, names: Sequence[str], beside: Sequence[str] = ()) -> str:
    """Return the name that is near, else all that could stand ``beside`` others in the same place."""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(beside or names)}"


def _nested(flags: Mapping[str, object]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for text, value in flags.items():
        *groups, name = text.split(".")
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
        node[name] = value
    return tree


def _problem(error: ErrorDetails, place_of: Callable[[Key], str]) -> Problem:
    location: Key = tuple(str(part) for part in error["loc"])
    if error["type"] == "missing":
        option = option_of(location)
        where = f"{text_of(location)} ({option + ', ' if option else ''}{variable_of(location)})"
        return Problem(where, "nothing", "set it: it has no default")
    remedy = str(error["ctx"]["error"]) if "error" in error.get("ctx", {}) else error["msg"]
    remedy = (remedy[:1].lower() + remedy[1:]).replace("input should be", "it should be")
    key = next((each for each in key_paths() if location[: len(each)] == each), None)
    if key is None:
        return Problem(text_of(location) or "settings", "settings that do not fit together", remedy)
    # What a setting holds by name, such as a template, is found by that name.
    inside = "".join(f".{part}" for part in location[len(key) :] if part != "[key]")
    return Problem(place_of(key) + inside, _shown(key, error["input"]), remedy)


def _shown(key: Key, value: object) -> str:
    text = shown(value)
    # What stands where a header, a file or a single word should may be a credential; so may a URL's user.
    if "headers" in key or key[-1].endswith("_file") or isinstance(value, dict | list) or "@" in text:
        return NOT_SHOWN
    return text

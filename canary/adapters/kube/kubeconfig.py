"""What is wrong with kubeconfig files, in words: the library that reads them says it in Python's.

Only what is needed to reach the cluster is looked at: the chosen context, its cluster and its user.
"""

import base64
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from canary.domain.errors import Problem
from canary.domain.values import kind_of, shown

__all__ = ["usable_context"]

Json = Mapping[str, Any]
_LISTS: Final = ("clusters", "contexts", "users")
_RIGHT: Final = "name a kubeconfig: a YAML mapping with clusters, contexts and users"
_FILES: Final = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
_DATA: Final = {
    "cluster": ("certificate-authority-data",),
    "user": ("client-certificate-data", "client-key-data"),
}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One named cluster, context or user, and the file that has it."""

    file: Path
    value: Json


def usable_context(files: Sequence[Path], context: str | None) -> str | Problem:
    """Return the name of ``context``, or of the current one; or the first thing wrong with what it needs."""
    entries: dict[str, dict[str, _Entry]] = {name: {} for name in _LISTS}
    current = None
    for file in files:
        document = _read(file)
        if isinstance(document, Problem):
            return document
        # As the library has it: of two entries the first counts, of two current contexts the last.
        current = document.get("current-context", current)
        for name in _LISTS:
            for each in document.get(name) or ():
                entries[name].setdefault(each["name"], _Entry(file, each))
    where, chosen = f"kubeconfig {os.pathsep.join(map(str, files))}", context or current
    return next(_of_context(where, chosen, entries), None) or str(chosen)


def _read(file: Path) -> Json | Problem:
    where = f"kubeconfig {file}"
    try:
        document = yaml.safe_load(file.read_bytes())
    except OSError as exc:
        return Problem(where, exc.strerror or "an unreadable file", "name a file that can be read")
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        return Problem(where, f"something that is not YAML{line}", _RIGHT)
    if not isinstance(document, dict):
        return Problem(where, kind_of(document), _RIGHT)
    if not any(name in document for name in _LISTS):
        kind = document.get("kind")
        found = f"an object of kind {kind}" if isinstance(kind, str) else "a mapping with none of these"
        return Problem(where, found, _RIGHT)
    for name in _LISTS:
        listed = document.get(name)
        if not isinstance(listed, list | None):
            return Problem(f"{where}: {name}", kind_of(listed), "write a list")
        for number, each in enumerate(listed or ()):
            part, place = name.removesuffix("s"), f"{where}: {name}[{number}]"
            if not isinstance(each, dict) or not isinstance(each.get("name"), str):
                # Not what it is: it may hold credentials.
                found = "no name" if isinstance(each, dict) else kind_of(each)
                return Problem(place, found, f"write a mapping with name and {part}")
            if not isinstance(each.get(part), dict | None):
                return Problem(f"{place}.{part}", kind_of(each[part]), "write a mapping")
    return document


def _of_context(where: str, name: object, entries: Mapping[str, Mapping[str, _Entry]]) -> Iterator[Problem]:
    contexts = entries["contexts"]
    if not name:
        yield Problem(where, "no current-context", f"name a context; it has {_names(contexts)}")
        return
    if not isinstance(name, str) or name not in contexts:
        yield Problem(where, f"no context {name}", f"name another; it has {_names(contexts)}")
        return
    chosen = contexts[name].value.get("context") or {}
    place = f"context {name} of {where}"
    for part in ("cluster", "user"):
        known, named = entries[part + "s"], chosen.get(part)
        if isinstance(named, str) and named in known:
            yield from _of_entry(f"{where}: {part} {named}", part, known[named])
        elif named or part == "cluster":
            # A context without a user is somebody whom the server does not know, which it may allow.
            found = f"{part} {named}, which is not there" if named else f"no {part}"
            yield Problem(place, found, f"name one of the {part}s: it has {_names(known)}")


def _names(entries: Mapping[str, _Entry]) -> str:
    return ", ".join(sorted(entries)) or "none"


def _of_entry(where: str, part: str, entry: _Entry) -> Iterator[Problem]:
    value: Json = entry.value.get(part) or {}
    if part == "cluster" and not str(value.get("server") or "").startswith(("https://", "http://")):
        found = "nothing" if value.get("server") is None else "what is no URL"
        yield Problem(f"{where}: server", found, "write its URL, such as https://HOST:6443")
    for key in _FILES[part]:
        named = value.get(key)
        # What stands there itself wins; an empty text is as good as none.
        data = "token" if key == "tokenFile" else f"{key}-data"
        if not named or value.get(data):
            continue
        # A file is found from where the kubeconfig is.
        if not isinstance(named, str) or not (entry.file.parent / named).is_file():
            found = f"{shown(named)}, where there is no file"
            yield Problem(f"{where}: {key}", found, f"write the path of one, or {data}")
    for key in _DATA[part]:
        if value.get(key) and not _is_base64(value[key]):
            yield Problem(
                f"{where}: {key}", "what is not base64", "write the file's content as base64 has it"
            )
    provider = value.get("auth-provider")
    if provider is not None and not (isinstance(provider, dict) and isinstance(provider.get("config"), dict)):
        remedy = "have your provider's tool write a kubeconfig with exec, as kubectl itself needs it"
        yield Problem(f"{where}: auth-provider", "one without config", remedy)
    if value.get("exec") is not None:
        yield from _of_plugin(f"{where}: exec", entry.file.parent, value["exec"])


def _is_base64(written: object) -> bool:
    try:
        return isinstance(written, str) and bool(base64.b64decode("".join(written.split()), validate=True))
    except ValueError:
        return False


def _of_plugin(where: str, directory: Path, plugin: object) -> Iterator[Problem]:
    if not isinstance(plugin, dict):
        yield Problem(where, kind_of(plugin), "write a mapping with apiVersion and command")
        return
    for key in ("apiVersion", "command"):
        if not isinstance(plugin.get(key), str):
            yield Problem(f"{where}.{key}", shown(plugin.get(key)), "write a text")
            return
    command = plugin["command"]
    path = str(directory / command) if os.sep in command else command
    if shutil.which(path, path=_search_path(plugin.get("env"))) is None:
        hint = plugin.get("installHint")
        remedy = " ".join(hint.split()) if isinstance(hint, str) else "install it, or correct its name"
        yield Problem(f"{where}.command", f"{shown(command)}, which is not installed", remedy)


def _search_path(variables: object) -> str | None:
    """The PATH that a plugin is to be looked for in, where the kubeconfig sets one."""
    listed = variables if isinstance(variables, list) else []
    named = (item.get("value") for item in listed if isinstance(item, dict) and item.get("name") == "PATH")
    return next((value for value in named if isinstance(value, str)), None)

"""The names of every setting: its key, its environment variable, and for the commonest a flag."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from pydantic import BaseModel

from canary.entrypoints.settings import Settings

__all__ = ["Key", "key_paths", "option_of", "settings_options", "text_of", "variable_of"]

Key = tuple[str, ...]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Flag:
    """A flag of the controller for one setting."""

    option: str
    help: str
    metavar: str = "TEXT"
    multiple: bool = False
    off: str | None = None
    """The flag that sets a switch to false."""


_FLAGS: Final = {
    "kubernetes.kubeconfig": _Flag("--kubeconfig", "Kubeconfig file; default: KUBECONFIG, the pod.", "FILE"),
    "kubernetes.context": _Flag("--context", "Context of the kubeconfig.", "NAME"),
    "kubernetes.namespaces": _Flag(
        "--namespace", "Look after this namespace only; repeatable.", "NAME", True
    ),
    "prometheus.url": _Flag("--prometheus-url", "Base URL of the Prometheus API.", "URL"),
    "prometheus.reporter": _Flag("--prometheus-reporter", "source or destination.", "NAME"),
    "prometheus.scrape_interval": _Flag("--scrape-interval", "Of Envoy's metrics, such as 15s.", "DURATION"),
    "controller.tick": _Flag("--tick", "How often to look at active releases, such as 2s.", "DURATION"),
    "controller.checkpoint_interval": _Flag(
        "--checkpoint-interval", "The longest that evidence stays unsaved, such as 10s.", "DURATION"
    ),
    "controller.workers": _Flag("--workers", "Passes that may run at once.", "NUMBER"),
    "leadership.enabled": _Flag(
        "--leader-election", "Run with a Lease, or alone.", off="--no-leader-election"
    ),
    "leadership.namespace": _Flag("--lease-namespace", "Namespace of the Lease.", "NAME"),
    "http.host": _Flag("--http-host", "Address that /metrics, /livez and /readyz listen on.", "ADDRESS"),
    "http.port": _Flag("--http-port", "Port of /metrics, /livez and /readyz.", "NUMBER"),
    "log.format": _Flag("--log-format", "auto, json or console.", "NAME"),
    "log.level": _Flag("--log-level", "debug, info, warning or error.", "NAME"),
}


def text_of(key: Key) -> str:
    """Return a key as files and errors name it: ``controller.tick``."""
    return ".".join(key)


def variable_of(key: Key) -> str:
    """Return the environment variable of a setting: ``CANARY_CONTROLLER__TICK``."""
    return "CANARY_" + "__".join(key).upper()


def option_of(key: Key) -> str | None:
    """Return the controller's flag for a setting, if it has one."""
    flag = _FLAGS.get(text_of(key))
    return flag.option if flag is not None else None


@cache
def key_paths() -> tuple[Key, ...]:
    """Return the keys of all settings."""
    return tuple(_paths(Settings, ()))


def _paths(model: type[BaseModel], prefix: Key) -> list[Key]:
    found: list[Key] = []
    for name, field in model.model_fields.items():
        key = (*prefix, field.alias or name)
        group = _group_in(field.annotation)
        found += _paths(group, key) if group is not None else [key]
    return found


def _group_in(annotation: Any) -> type[BaseModel] | None:
    """Return the group that a field holds, optional or not."""
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)


def settings_options(function: F) -> F:
    """Give a click command ``--config`` and the flags; it is called with ``config`` and ``flags``.

    ``config`` is a path or None; ``flags`` holds what was given, by key, for ``load_settings``.
    """

    @wraps(function)
    def called(config: Path | None, **given: Any) -> Any:
        flags = {}
        for text in _FLAGS:
            value = given.pop(_parameter(text))
            if value is not None and value != ():
                flags[text] = list(value) if isinstance(value, tuple) else value
        return function(config=config, flags=flags, **given)

    decorated: Any = called
    for text, flag in reversed(_FLAGS.items()):
        declaration = f"{flag.option}/{flag.off}" if flag.off else flag.option
        kind: dict[str, Any] = {} if flag.off else {"metavar": flag.metavar, "multiple": flag.multiple}
        decorated = click.option(declaration, _parameter(text), default=None, help=flag.help, **kind)(
            decorated
        )
    file = click.Path(path_type=Path)
    return click.option("--config", type=file, metavar="FILE", help="YAML settings; default: CANARY_CONFIG.")(  # type: ignore[no-any-return]
        decorated
    )


def _parameter(text: str) -> str:
    return text.replace(".", "_")

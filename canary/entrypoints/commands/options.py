"""What all commands share: kubectl's options for the cluster, exit codes, and errors in one line.

Imports click and nothing else that takes time.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click

from canary.entrypoints.rendering import printable

__all__ = [
    "EXIT_ERROR",
    "EXIT_NOT_FOUND",
    "ClusterOptions",
    "CommandFailed",
    "cluster_options",
    "options_in",
    "require_name",
]

EXIT_ERROR: Final = 1
EXIT_NOT_FOUND: Final = 3
_META: Final = "canary.cluster."
F = TypeVar("F", bound=Callable[..., Any])


class CommandFailed(click.ClickException):
    """A command cannot do what it was asked; the message says why and what would be right."""

    def __init__(self, message: str, exit_code: int = EXIT_ERROR) -> None:
        super().__init__(printable(" ".join(message.split())))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: IO[Any] | None = None) -> None:
        """Write one line to standard error."""
        click.echo(f"canaryctl: {self.format_message()}", file=file, err=file is None)


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Which cluster and namespace, as given anywhere on the command line."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False


_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)


def require_name(text: str, what: str) -> None:
    """Refuse what can be no object's name, lest it becomes part of a request. Raises ``click.UsageError``."""
    if not text:
        raise click.UsageError(f"{what} is empty")
    if not _NAME.fullmatch(text):
        raise click.UsageError(
            f"{what} {printable(repr(text))} can be no name: lower case letters, digits, - and . only"
        )


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep what was given; the same option after the command wins over the one before it."""
    if parameter.name == "namespace" and value is not None:
        require_name(value, "the namespace of -n")
    if value:
        context.meta[f"{_META}{parameter.name}"] = value


def cluster_options(function: F) -> F:
    """Add -n, -A, --context and --kubeconfig; ``options_in`` returns what was given."""
    shared: dict[str, Any] = {"expose_value": False, "callback": _remember}
    file = click.Path(path_type=Path)
    options = [
        click.option(
            "-n", "--namespace", metavar="NAME", help="Namespace; default: the context's.", **shared
        ),
        click.option(
            "-A",
            "--all-namespaces",
            is_flag=True,
            help="All namespaces, whatever -n says; not with a NAME.",
            **shared,
        ),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig.", **shared),
        click.option("--kubeconfig", type=file, metavar="FILE", help="Default: KUBECONFIG.", **shared),
    ]
    decorated: Any = function
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


def options_in(context: click.Context) -> ClusterOptions:
    """Return the cluster options of this call."""
    names = ("kubeconfig", "context", "namespace", "all_namespaces")
    given = {name: context.meta[_META + name] for name in names if _META + name in context.meta}
    return ClusterOptions(**given)

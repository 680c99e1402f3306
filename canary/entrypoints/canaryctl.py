"""canaryctl: what goes on, why, and what to do about it; for people and for scripts.

Starts fast: a command's module, and with it the Kubernetes client, is loaded when the command is run.
"""

import difflib
import importlib
import sys
from pathlib import PurePath
from typing import Any, Final, NamedTuple

import click

from canary import __version__
from canary.app.errors import NotFound, Retryable, WorldError
from canary.entrypoints.commands.options import EXIT_NOT_FOUND, CommandFailed, cluster_options

__all__ = ["cli", "main"]


class _Entry(NamedTuple):
    module: str
    help: str


_COMMANDS: Final = {
    "status": _Entry("status", "Show services and their releases, or one in detail."),
    "explain": _Entry("explain", "Show all that a verdict rests on, and the way out by hand."),
    "abort": _Entry("asking", "End a release with all traffic on stable."),
    "promote": _Entry("asking", "Skip the steps that are left, unless an objective is breached."),
    "approve": _Entry("asking", "Open a gate that a release waits at."),
    "retry": _Entry("asking", "Try a revision again that was rolled back."),
    "lint": _Entry("lint", "Check Services and policies in files, by the controller's own rules."),
    "demo": _Entry("demo", "Three releases on real traffic, in a cluster of their own."),
    "version": _Entry("about", "Show the version."),
    "completion": _Entry("about", "Print a completion script for bash, zsh or fish."),
}

_EPILOG: Final = """\b
Exit codes:
  0  done
  1  the cluster could not be asked or refused, what was asked makes no sense now, or lint found an error
  2  the command line is wrong
  3  no such service or release
"""


class _Commands(click.Group):
    """Knows the names and purposes of its commands without loading them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        entry = _COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"canary.entrypoints.commands.{entry.module}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        close = difflib.get_close_matches(name, _COMMANDS, n=1)
        if name not in _COMMANDS and close:
            ctx.fail(f"No such command {name!r}: did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in _COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from_click = click.Command.shell_complete(self, ctx, incomplete)
        item = click.shell_completion.CompletionItem
        found = [
            item(name, help=entry.help) for name, entry in _COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*found, *from_click]

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NotFound as error:
            raise CommandFailed(str(error), EXIT_NOT_FOUND) from error
        except Retryable as error:
            remedy = "try again, or name the right cluster with --context or --kubeconfig"
            raise CommandFailed(f"{error}; {remedy}") from error
        except WorldError as error:
            raise CommandFailed(str(error)) from error


@click.version_option(__version__, message="canaryctl %(version)s")
@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@cluster_options
def cli() -> None:
    """See and steer canary releases on Kubernetes and Istio."""


def main() -> None:
    """Run canaryctl; as ``kubectl-canary`` it is the kubectl plugin ``kubectl canary``."""
    is_plugin = PurePath(sys.argv[0]).stem == "kubectl-canary"
    cli(prog_name="kubectl canary" if is_plugin else "canaryctl")


if __name__ == "__main__":
    main()

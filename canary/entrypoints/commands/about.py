"""canaryctl version and completion."""

import json
import platform
from typing import Final

import click
from click.shell_completion import get_completion_class

from canary import __version__
from canary.entrypoints.commands.options import CommandFailed

__all__ = ["completion", "version"]

COMPLETE_VARIABLE: Final = "_CANARYCTL_COMPLETE"


@click.command()
@click.option("-o", "--output", type=click.Choice(["json"]), help="Print a document instead of a line.")
def version(output: str | None) -> None:
    """Show the version of canaryctl, without asking a cluster."""
    if output == "json":
        click.echo(json.dumps({"version": __version__, "python": platform.python_version()}))
    else:
        click.echo(f"canaryctl {__version__}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a completion script.

    \b
    bash: source <(canaryctl completion bash)
    zsh:  source <(canaryctl completion zsh)
    fish: canaryctl completion fish | source
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise CommandFailed(f"there is no completion for {shell}; use bash, zsh or fish")
    click.echo(kind(context.find_root().command, {}, "canaryctl", COMPLETE_VARIABLE).source())

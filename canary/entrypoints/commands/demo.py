"""canaryctl demo: needs the extra ``sandbox``, and says so when it is not there."""

import importlib
import importlib.util
from typing import Final

import click

from canary.entrypoints.commands.options import CommandFailed

__all__ = ["demo"]

NEEDED: Final = ("envoy", "jsonpatch", "jsonschema", "starlette", "uvicorn")


@click.command()
@click.option("--fast", is_flag=True, help="Shorter steps.")
@click.option("--keep", is_flag=True, help="Leave the cluster running at the end, until Ctrl-C.")
@click.option("--plain", is_flag=True, help="Lines instead of a live panel.")
@click.pass_context
def demo(context: click.Context, fast: bool, keep: bool, plain: bool) -> None:
    """Run three releases on real traffic, in a cluster that lives on this machine for the time being.

    One is healthy, one answers errors and one becomes slow; each ends as it should, or the command fails.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandFailed(f"the demo needs {', '.join(missing)}: pip install 'canary[sandbox]'")
    run = importlib.import_module("canary.entrypoints.demo").run
    context.exit(run(fast=fast, keep=keep, plain=plain))

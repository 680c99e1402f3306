"""canaryctl demo: needs the extra ``sandbox``, and says so when it is not there."""

import importlib
import importlib.util
import signal
from types import FrameType
from typing import Final, NoReturn

import click

from canary.entrypoints.commands.options import CommandFailed

__all__ = ["demo"]

NEEDED: Final = ("envoy", "jsonpatch", "jsonschema", "starlette", "uvicorn")


@click.command()
@click.option("--fast", is_flag=True, help="Shorter steps.")
@click.option("--keep", is_flag=True, help="Leave the cluster running at the end, until Ctrl-C.")
@click.option("--plain", is_flag=True, help="Lines instead of a live panel.")
@click.option(
    "--real-control-plane",
    is_flag=True,
    help="Run on a real etcd, kube-apiserver and kube-controller-manager, which Go builds the first time.",
)
@click.pass_context
def demo(context: click.Context, fast: bool, keep: bool, plain: bool, real_control_plane: bool) -> None:
    """Run three releases on real traffic, in a cluster that lives on this machine for the time being.

    One is healthy, one answers errors and one becomes slow; each ends as it should, or the command fails.
    Interrupted, it ends and removes everything that it made, and exits with 130 (143 after SIGTERM).
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandFailed(f"the demo needs {', '.join(missing)}: pip install 'canary[sandbox]'")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    run = importlib.import_module("canary.entrypoints.demo").run
    context.exit(run(fast=fast, keep=keep, plain=plain, real_control_plane=real_control_plane))


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - signal's signature
    # An exception, because only that lets the sandbox stop its processes and remove its directory.
    raise SystemExit(128 + number)

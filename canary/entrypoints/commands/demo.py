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
    "ground",
    flag_value="real-control-plane",
    help="Run on a real etcd, kube-apiserver and kube-controller-manager, which Go builds the first time.",
)
@click.option(
    "--real-mesh",
    "ground",
    flag_value="real-mesh",
    help="The same, with Istio's istiod between VirtualServices and Envoy, in a network of their own.",
)
@click.pass_context
def demo(context: click.Context, fast: bool, keep: bool, plain: bool, ground: str | None) -> None:
    """Run three releases on real traffic, in a cluster that lives on this machine for the time being.

    One is healthy, one answers errors and one becomes slow; each ends as it should, or the command fails.
    Interrupted, it ends and removes everything that it made, and exits with 130 (143 after SIGTERM).
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        remedy = "pip install '.[sandbox]' in a checkout of Canary"
        raise CommandFailed(f"the demo needs {', '.join(missing)}: {remedy}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    # After the check: the sandbox imports what the extra brings.
    module = importlib.import_module("canary.entrypoints.demo")
    chosen = module.Ground.OWN if ground is None else module.Ground(ground)
    context.exit(module.run(chosen, fast=fast, keep=keep, plain=plain))


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - signal's signature
    # An exception, because only that lets the sandbox stop its processes and remove its directory.
    raise SystemExit(128 + number)

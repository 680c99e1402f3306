"""The controller's process: settings, wiring, health, signals, and an exit status that says how it ended."""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import structlog

from canary import __version__
from canary.adapters.kube.follow import WatchGroup
from canary.app.errors import WorldError
from canary.entrypoints.health import Check, health_server
from canary.entrypoints.http_server import HttpServer
from canary.entrypoints.logs import configure_logs
from canary.entrypoints.settings import Settings, dump_settings
from canary.entrypoints.settings_keys import settings_options
from canary.entrypoints.settings_loading import InvalidSettings, load_settings
from canary.entrypoints.wiring import Wired, wire

__all__ = ["main"]

EXIT_LOST_LEADERSHIP = 3
WATCH_SILENT_SECONDS = 180.0
"""A watch that has heard nothing for longer than this does not know the cluster any more."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@settings_options
@click.option("--print-config", is_flag=True, help="Print the settings in force, secrets masked, and exit.")
@click.version_option(__version__, "--version", prog_name="canary-controller")
def main(config: Path | None, flags: Mapping[str, object], print_config: bool) -> None:
    """Run the Canary controller.

    Settings come from flags, then environment variables (CANARY_CONTROLLER__TICK=5s), then the file that
    --config or CANARY_CONFIG names, then defaults. Ends with 0 after SIGTERM or SIGINT, 1 when it cannot
    start, 2 when the settings are wrong, and 3 when it lost leadership.
    """
    try:
        settings = load_settings(flags, os.environ, config)
    except InvalidSettings as invalid:
        for problem in invalid.problems:
            click.echo(f"canary-controller: {problem}", err=True)
        sys.exit(2)
    if print_config:
        click.echo(dump_settings(settings), nl=False)
        return
    configure_logs(settings.log.level, settings.log.format)
    sys.exit(_run(settings))


def _run(settings: Settings) -> int:
    log = structlog.get_logger()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        wired = wire(settings, stop)
        live, ready = {"loop": _loop_check(wired)}, {"watches": _watch_check(wired)}
        http = (settings.http.host, settings.http.port)
        servers = {"http_port": health_server(http, wired.telemetry.registry, live, ready)}
        if settings.page.enabled:
            servers["page_port"] = HttpServer((settings.page.host, settings.page.port), wired.site.answer)
    except (WorldError, OSError) as error:
        log.error("cannot start", error=str(error))  # noqa: TRY400 - a sentence, not a traceback
        return 1
    ports = {name: server.start() for name, server in servers.items()}
    log.info("started", version=__version__, prometheus=settings.prometheus.url, **ports)
    try:
        clean = wired.controller.run()
    finally:
        for server in servers.values():
            server.stop()
        wired.close()
    log.info("ended", leadership="not lost" if clean else "lost")
    return 0 if clean else EXIT_LOST_LEADERSHIP


def _loop_check(wired: Wired) -> Check:
    """Only a leader ticks; a replica that waits for its turn is alive all the same."""
    return lambda: wired.heartbeat() if wired.controller.leads else None


def _watch_check(wired: Wired) -> Check:
    """Fails when no namespace can be looked after: one that cannot is no reason to have the others wait."""

    def check() -> str | None:
        problems = [_problems_of(watch) for watch in wired.watches]
        namespaces = {namespace for watch in wired.watches for namespace in watch.namespaces}
        failing = {namespace for found in problems for namespace in found}
        if failing < namespaces:
            return None
        return "; ".join(words for found in problems for words in found.values()) or None

    return check


def _problems_of(watch: WatchGroup[Any]) -> dict[str, str]:
    """By namespace: what keeps it from being followed."""
    failures, ages = watch.failures(), watch.ages()
    found = {}
    for namespace, path in watch.namespaces.items():
        if path in failures:
            found[namespace] = f"{path}: {failures[path]}"
        elif ages[path] > WATCH_SILENT_SECONDS:
            found[namespace] = f"{path}: silent for {ages[path]:.0f} s"
    return found


if __name__ == "__main__":
    main()

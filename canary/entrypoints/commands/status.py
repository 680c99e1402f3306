"""canaryctl status: the list of services, or one in detail; once, or until Ctrl-C."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import click
import yaml
from rich.console import Console

from canary.adapters.kube.wire import to_wire
from canary.app.errors import WorldError
from canary.entrypoints.commands.detail import Detail, detail_document, print_detail, read_detail
from canary.entrypoints.commands.finding import find_subject, the_cluster
from canary.entrypoints.commands.options import cluster_options, options_in
from canary.entrypoints.commands.watching import follow_one
from canary.entrypoints.status_view import Row, nothing_in_words, status_rows, status_table

__all__ = ["status"]

WATCH_SECONDS: Final = 2.0

Json = dict[str, Any]


@click.command()
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Choice(["json", "yaml", "wide", "name"]), help="Output format.")
@click.option("-l", "--selector", default="", metavar="LABELS", help="Only services with these labels.")
@click.option("-w", "--watch", is_flag=True, help="Go on until Ctrl-C, showing what changes.")
@cluster_options
@click.pass_context
def status(context: click.Context, name: str | None, output: str | None, selector: str, watch: bool) -> None:
    """Show services and their releases; with NAME, a service or release in detail.

    WEIGHT is what the controller wants for the canary. EVIDENCE says how near a rollback is: 100% is the
    threshold, on a logarithmic scale.
    """
    if name is not None and selector:
        raise click.UsageError("a NAME and a selector exclude each other")
    if watch and output in {"json", "yaml", "name"}:
        raise click.UsageError(f"--watch and -o {output} exclude each other")
    if name is None:
        _list(context, output, selector, watch=watch)
        return
    cluster = the_cluster(context)

    def read() -> Detail:
        return read_detail(cluster, find_subject(context, cluster, name))

    if watch:
        with suppress(KeyboardInterrupt):
            follow_one(read, time.sleep, Console(highlight=False))
    else:
        _print_one(read(), output)


def _print_one(detail: Detail, output: str | None) -> None:
    match output:
        case "json" | "yaml":
            _print_document(detail_document(detail), output)
        case "name":
            click.echo(_name(detail.row))
        case _:
            print_detail(detail)


def _list(context: click.Context, output: str | None, selector: str, *, watch: bool) -> None:
    options, cluster = options_in(context), the_cluster(context)
    namespace = None if options.all_namespaces else cluster.namespace

    def read() -> tuple[Row, ...]:
        services = cluster.services(namespace, selector)
        releases = cluster.all_releases(namespace)
        if selector:
            wanted = {service.key for service in services}
            releases = tuple(item for item in releases if item.release.key in wanted)
        workloads = cluster.workloads(namespace)
        return status_rows(releases, cluster.wishes(services), cluster.clock.now(), workloads)

    def show(rows: tuple[Row, ...], *, has_header: bool) -> None:
        text = status_table(
            rows, with_namespace=options.all_namespaces, is_wide=output == "wide", has_header=has_header
        )
        click.echo(text)

    rows = read()
    match output:
        case "json" | "yaml":
            _print_document({"items": [to_wire(row) for row in rows]}, output)
            return
        case "name":
            for row in rows:
                click.echo(_name(row))
            return
    if rows:
        show(rows, has_header=True)
    else:
        click.echo(nothing_in_words(namespace), err=True)
    if watch:
        with suppress(KeyboardInterrupt):
            _follow_list(rows, read, lambda changed: show(changed, has_header=False))


def _follow_list(
    rows: tuple[Row, ...], read: Callable[[], tuple[Row, ...]], show: Callable[[tuple[Row, ...]], None]
) -> None:
    """Print each row again when it has changed in something else than its age, as kubectl does."""
    known = {_without_age(row) for row in rows}
    while True:
        time.sleep(WATCH_SECONDS)
        try:
            rows = read()
        except WorldError as error:
            click.echo(f"canaryctl: {error}", err=True)
            continue
        changed = tuple(row for row in rows if _without_age(row) not in known)
        known = {_without_age(row) for row in rows}
        if changed:
            show(changed)
            sys.stdout.flush()


def _without_age(row: Row) -> tuple[object, ...]:
    position = (row.namespace, row.service, row.release, row.phase, row.step, row.weight)
    return (*position, row.reason, row.evidence_percent)


def _name(row: Row) -> str:
    return f"release.canaryctl.dev/{row.release}" if row.release else f"service/{row.service}"


def _print_document(document: Json, output: str) -> None:
    if output == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)

"""canaryctl lint: what the controller would say of files, without a cluster."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from canary.adapters.kube.wire import to_wire
from canary.domain.wishes import escaped
from canary.entrypoints.commands.options import cluster_options, options_in
from canary.entrypoints.findings import Finding, Severity
from canary.entrypoints.linting import Installation
from canary.entrypoints.linting import lint as findings_in
from canary.entrypoints.manifest_files import UnreadableFile, contents_of, no_file
from canary.entrypoints.manifests import Manifest, UnreadableManifest, read_manifests
from canary.entrypoints.plans import provided
from canary.entrypoints.settings_loading import InvalidSettings, load_settings

__all__ = ["lint"]

UNSET: Final = {"prometheus.url": "http://unset"}
"""The one setting without a default; plans do not rest on it."""


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|DIRECTORY|-...")
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The controller's settings; without them its defaults, metric templates, namespaces and"
    " cluster domain are not known.",
)
@click.option("--strict", is_flag=True, help="Let warnings fail, too.")
@click.option("-o", "--output", type=click.Choice(["json"]), help="Print a document instead of lines.")
@cluster_options
@click.pass_context
def lint(
    context: click.Context, files: tuple[str, ...], settings: Path | None, strict: bool, output: str | None
) -> None:
    """Check Services and ReleasePolicies in files, by the controller's own rules and without a cluster.

    Looks into directories, but not into hidden ones, for .yaml, .yml and .json; - is standard input. Exits
    with 1 on an error. Objects that name no namespace are taken to be in that of -n, or in default.
    """
    options = options_in(context)
    if options.all_namespaces:
        raise click.UsageError("objects say their namespaces themselves: use -n for those that name none")
    namespace = options.namespace or "default"
    manifests: list[Manifest] = []
    found: list[Finding] = []
    for content in contents_of(files):
        if isinstance(content, UnreadableFile):
            found.append(_of_a_file(content.file, 1, content))
            continue
        file, text = content
        try:
            manifests += read_manifests(_decoded(text), file, namespace)
        except UnreadableManifest as unreadable:
            found.append(_of_a_file(file, unreadable.line, unreadable))
    if not manifests and not found:
        nothing = "nothing to look at: an empty file, or a template that rendered to nothing?"
        found.append(_of_a_file(files[0], 1, nothing))
    installation = _installation(settings)
    if isinstance(installation, Installation):
        found += findings_in(manifests, installation)
    else:
        # Without them, what is right could be called wrong: they have to be mended first.
        found += installation
    if output == "json":
        document = json.dumps({"items": [to_wire(item) for item in found]}, indent=2, ensure_ascii=False)
        # A file's name may hold what is no UTF-8.
        click.echo(document.encode(errors="backslashreplace"))
    else:
        for item in found:
            click.echo(escaped(str(item)))
        click.echo(_summary(len(manifests), found), err=True)
    if any(item.severity is Severity.ERROR or strict for item in found):
        context.exit(1)


def _of_a_file(file: str, line: int, said: object) -> Finding:
    return Finding(file, line, Severity.ERROR, "", str(said))


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise UnreadableManifest(content[: exc.start].count(b"\n") + 1, "no UTF-8 text") from exc


def _installation(settings: Path | None) -> Installation | list[Finding]:
    """What the settings say that matters to files, or what is wrong with them."""
    if settings is None:
        return Installation()
    with suppress(OSError):
        if kind := no_file(settings):
            return [_of_a_file(str(settings), 1, f"is {kind}: name the controller's settings file")]
    try:
        found = load_settings(UNSET, {}, settings)
    except InvalidSettings as invalid:
        wrong = (f"the controller's settings are wrong: {problem}" for problem in invalid.problems)
        return [_of_a_file(str(settings), 1, each) for each in wrong]
    namespaces = tuple(found.kubernetes.namespaces)
    return Installation(provided(found.plans), found.controller.cluster_domain, namespaces)


def _summary(count: int, found: list[Finding]) -> str:
    errors = sum(item.severity is Severity.ERROR for item in found)
    said = f"{_count(errors, 'error')}, {_count(len(found) - errors, 'warning')}"
    return f"{_count(count, 'object')} looked at: {said}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")

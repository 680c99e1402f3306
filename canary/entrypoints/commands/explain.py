"""canaryctl explain: the verdict in full, with queries, and the way out by hand."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from canary.adapters.istio.objects import Home
from canary.adapters.prometheus.access import PrometheusAccess
from canary.adapters.prometheus.client import PrometheusSource
from canary.app.errors import WorldError
from canary.app.observing import metric_target
from canary.app.ports import MetricsUnavailable
from canary.domain.observation import Routes
from canary.domain.release import Release
from canary.entrypoints.clock import SystemClock
from canary.entrypoints.cluster import Cluster
from canary.entrypoints.commands.finding import find_release, the_cluster
from canary.entrypoints.commands.options import ClusterOptions, cluster_options, options_in
from canary.entrypoints.explain_view import (
    Explanation,
    explain_text,
    explanation_document,
    kubectl_patches,
)
from canary.entrypoints.live_view import live_view

__all__ = ["explain"]

Json = dict[str, Any]

ANY_PROMETHEUS = "http://prometheus"
"""Queries do not depend on where they are sent, and nothing is sent."""


@click.command()
@click.argument("name")
@click.option("-o", "--output", type=click.Choice(["json"]), help="Print a document instead of text.")
@cluster_options
@click.pass_context
def explain(context: click.Context, name: str, output: str | None) -> None:
    """Explain the release of service NAME, or the release NAME.

    Shows the verdict, its counts, intervals and windows, each test's evidence, the decisions so far, the
    queries, what was asked for, what comes next, and kubectl commands that return all traffic to stable
    without the controller.
    """
    cluster = the_cluster(context)
    _, stored = find_release(context, cluster, name)
    release = stored.release
    routes, phrases = _routes(cluster, release)
    view = live_view(release, routes.max_canary_percent if routes.routes else None, cluster.clock.now())
    patches = cluster.patches_to_stable(routes)
    explanation = Explanation(
        stored=stored,
        view=view,
        queries=_queries(release, routes),
        commands=_commands(release, routes, patches, _kubectl_options(options_in(context))),
        routes=phrases,
        withheld=[str(problem) for problem in routes.withheld],
    )
    if output == "json":
        click.echo(json.dumps(explanation_document(explanation), indent=2, ensure_ascii=False))
    else:
        click.echo(explain_text(explanation))


def _commands(
    release: Release, routes: Routes, patches: Mapping[Home, Sequence[Json]], options: Sequence[str]
) -> tuple[str, ...]:
    """What returns all traffic to stable by hand."""
    if routes.absent:
        # Requests are spread over all pods of the Service then: only fewer of the canary's help.
        kubectl = shlex.join(["kubectl", *options])
        return (f"{kubectl} scale deployment/{release.plan.canary} -n {release.key.namespace} --replicas=0",)
    return kubectl_patches(patches, options)


def _kubectl_options(options: ClusterOptions) -> list[str]:
    """What kubectl needs to reach the cluster that was asked; nothing when that is its default, too."""
    context = [] if options.context is None else [f"--context={options.context}"]
    return context if options.kubeconfig is None else [*context, f"--kubeconfig={options.kubeconfig}"]


def _routes(cluster: Cluster, release: Release) -> tuple[Routes, list[str]]:
    try:
        routes = cluster.routes(release.key, release.plan)
    except WorldError as error:
        return Routes(), [f"could not be read: {error}"]
    phrases = [
        f"{item.virtual_service} http[{item.index}]: stable {item.split.stable}, canary {item.split.canary}"
        for item in routes.routes
    ]
    phrases += [f"problem: {problem}" for problem in routes.problems]
    return routes, [*phrases, *(f"left out: {what}" for what in routes.left_out)]


def _queries(release: Release, routes: Routes) -> Mapping[str, str]:
    """The queries as the controller writes them, for this release alone and one window."""
    evidence = release.evidence
    target = metric_target(release, routes, evidence.evaluated_until, evidence.reporter)
    source = PrometheusSource(PrometheusAccess(ANY_PROMETHEUS), SystemClock())
    try:
        return source.queries(target)
    except MetricsUnavailable:
        return {}  # Without hosts there is nothing to ask for; the routes say why.
    finally:
        source.close()

"""Finding the service and the release that a person means by a name."""

from dataclasses import dataclass

import click

from canary.app.errors import NotFound
from canary.app.ports import AnnotatedService, StoredRelease
from canary.domain.plan import ServiceKey
from canary.entrypoints.cluster import Cluster, open_cluster
from canary.entrypoints.commands.options import EXIT_NOT_FOUND, CommandFailed, options_in, require_name
from canary.entrypoints.status_view import newest

__all__ = ["Subject", "find_release", "find_subject", "the_cluster"]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a name stands for: a service, its releases oldest first, and the one that is meant."""

    key: ServiceKey
    service: AnnotatedService | None
    history: tuple[StoredRelease, ...]
    chosen: StoredRelease | None
    """The release named, or the one under way, or the newest; None when there is none."""


def the_cluster(context: click.Context) -> Cluster:
    """Return the cluster that the command line names."""
    options = options_in(context)
    return open_cluster(options.kubeconfig, options.context, options.namespace)


def find_subject(context: click.Context, cluster: Cluster, name: str) -> Subject:
    """Find the service ``name``, or the service of the release ``name``; fails with exit code 3."""
    if options_in(context).all_namespaces:
        raise click.UsageError("a NAME is looked for in one namespace: use -n instead of -A")
    require_name(name, "NAME")
    key = ServiceKey(cluster.namespace, name)
    service = cluster.service(key)
    history = cluster.history(key)
    if history or (service is not None and service.annotations):
        return Subject(key, service, history, newest(history))
    try:
        named = cluster.releases.get(cluster.namespace, name)
    except NotFound:
        raise CommandFailed(_nothing_found(key, service), EXIT_NOT_FOUND) from None
    key = named.release.key
    return Subject(key, cluster.service(key), cluster.history(key), named)


def _nothing_found(key: ServiceKey, service: AnnotatedService | None) -> str:
    if service is not None:
        return (
            f"service {key} is not looked after: annotate it with canaryctl.dev/enabled=true, "
            "or name another (canaryctl status lists them)"
        )
    return (
        f"namespace {key.namespace} has no service or release {key.name}; canaryctl status -A lists them all"
    )


def find_release(context: click.Context, cluster: Cluster, name: str) -> tuple[Subject, StoredRelease]:
    """Find a release by its service's name or its own; fails with exit code 3 when there is none."""
    subject = find_subject(context, cluster, name)
    if subject.chosen is None:
        raise CommandFailed(f"service {subject.key} has no release yet", EXIT_NOT_FOUND)
    return subject, subject.chosen

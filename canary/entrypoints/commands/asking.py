"""canaryctl abort, promote, approve, retry: one wish each, written into a Release; the controller acts."""

from collections.abc import Callable
from typing import Final

import click

from canary.adapters.kube.release_codec import Abort
from canary.adapters.kube.releases import Wish
from canary.app.errors import ConflictError
from canary.app.ports import StoredRelease
from canary.domain.annotations import is_paused
from canary.domain.plan import Gate
from canary.domain.release import Phase, Release
from canary.entrypoints.cluster import Cluster
from canary.entrypoints.commands.finding import Subject, find_release, the_cluster
from canary.entrypoints.commands.options import CommandFailed, cluster_options
from canary.entrypoints.rendering import duration

__all__ = ["abort", "approve", "promote", "retry"]

CONFLICT_ATTEMPTS: Final = 5

Asking = Callable[[StoredRelease], Wish]
"""Returns what to ask of a release as it is now, or fails when it makes no sense."""


@click.command()
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever reads it later.")
@cluster_options
@click.pass_context
def abort(context: click.Context, name: str, reason: str) -> None:
    """End the release of service NAME, or the release NAME, with all traffic on stable.

    Needs neither Prometheus nor anybody's approval, and works in every phase until the release is finished.
    """
    cluster = the_cluster(context)
    subject, stored = find_release(context, cluster, name)
    if stored.requests.abort is not None and not stored.release.phase.is_terminal:
        _say(subject, stored, f"has been asked to end before: {stored.requests.abort}")
        return
    user = cluster.user()

    def wish(current: StoredRelease) -> Wish:
        _refuse_finished(cluster, current.release, "abort")
        return Wish(abort=Abort(by=user, reason=reason))

    asked = _ask(cluster, stored, wish)
    _say(subject, asked, f"abort asked for by {user}; the controller returns all traffic to stable")


@click.command()
@click.argument("name")
@cluster_options
@click.pass_context
def promote(context: click.Context, name: str) -> None:
    """Promote the release of service NAME now, without the steps that are left.

    The controller still refuses while an objective is breached or a workload is not ready.
    """
    cluster = the_cluster(context)
    subject, stored = find_release(context, cluster, name)

    def wish(current: StoredRelease) -> Wish:
        _refuse_finished(cluster, current.release, "promote")
        _refuse_rolling_back(current.release, "promoted")
        if current.release.phase is Phase.PROMOTING:
            raise CommandFailed(f"release {current.release.name} is being promoted already")
        return Wish(promote=True)

    asked = _ask(cluster, stored, wish)
    _say(subject, asked, "promotion asked for; the controller promotes it unless an objective is breached")


@click.command()
@click.argument("name")
@click.argument("gate", type=click.Choice([gate.value for gate in Gate]))
@cluster_options
@click.pass_context
def approve(context: click.Context, name: str, gate: str) -> None:
    """Open GATE for the release of service NAME."""
    cluster = the_cluster(context)
    subject, stored = find_release(context, cluster, name)
    wanted = Gate(gate)
    if wanted in stored.requests.approved:
        _say(subject, stored, f"gate {gate} was approved before")
        return

    def wish(current: StoredRelease) -> Wish:
        release = current.release
        _refuse_finished(cluster, release, "approve")
        _refuse_rolling_back(release, "approved")
        if wanted not in release.plan.gates:
            have = ", ".join(sorted(item.value for item in release.plan.gates)) or "none"
            raise CommandFailed(f"release {release.name} has no gate {gate}; its gates: {have}")
        return Wish(approve=frozenset({wanted}))

    asked = _ask(cluster, stored, wish)
    _say(subject, asked, f"gate {gate} approved; the controller goes on when the rest allows it")


@click.command()
@click.argument("name")
@cluster_options
@click.pass_context
def retry(context: click.Context, name: str) -> None:
    """Try the revision of service NAME again that was rolled back, from its first step."""
    cluster = the_cluster(context)
    subject, stored = find_release(context, cluster, name)

    def wish(current: StoredRelease) -> Wish:
        release = current.release
        if not release.phase.is_terminal:
            words = f"release {release.name} is {release.phase.value}; abort it first, or wait for its end"
            raise CommandFailed(words)
        if release.phase is not Phase.ROLLED_BACK:
            words = (
                f"release {release.name} ended {release.phase.value}; only what was rolled back is retried"
            )
            raise CommandFailed(words)
        carried = cluster.canary_revision(release.key, release.plan)
        if carried not in {None, release.revision}:
            # The wish would wait for whenever somebody deploys that revision again: nobody wants that then.
            words = (
                f"{release.plan.canary} carries revision {carried} now; deploy {release.revision} again first"
            )
            raise CommandFailed(words)
        return Wish(retry=True)

    asked = _ask(cluster, stored, wish)
    revision = asked.release.revision
    canary = asked.release.plan.canary
    _say(
        subject, asked, f"retry asked for; a new attempt begins if {canary} still carries revision {revision}"
    )


def _ask(cluster: Cluster, stored: StoredRelease, wish: Asking) -> StoredRelease:
    """Write the wish; when the release has changed meanwhile, look again whether it still makes sense."""
    for _ in range(CONFLICT_ATTEMPTS):
        try:
            return cluster.releases.ask(stored, wish(stored))
        except ConflictError:
            stored = cluster.releases.get(stored.release.key.namespace, stored.release.name)
    raise CommandFailed(f"release {stored.release.name} changes faster than it can be written; try again")


def _refuse_finished(cluster: Cluster, release: Release, verb: str) -> None:
    if not release.phase.is_terminal:
        return
    since = cluster.clock.now() - (release.finished_at or release.phase_since)
    ended = f"release {release.name} is finished ({release.phase.value} {duration(since)} ago)"
    raise CommandFailed(f"{ended}: there is nothing to {verb}")


def _refuse_rolling_back(release: Release, participle: str) -> None:
    if release.phase is Phase.ROLLING_BACK:
        words = f"release {release.name} is rolling back ({release.reason.value}); it cannot be {participle}"
        raise CommandFailed(words)


def _say(subject: Subject, stored: StoredRelease, what: str) -> None:
    click.echo(f"release {stored.release.name}: {what}.")
    if subject.service is not None and is_paused(subject.service.annotations):
        click.echo(
            "The service is paused: the controller ends a release that is aborted, and does nothing else.",
            err=True,
        )
    key = subject.key
    click.echo(f"Follow it with: canaryctl status {key.name} -n {key.namespace} --watch")

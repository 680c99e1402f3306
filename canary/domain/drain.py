"""The drain: when the canary's pods may go, after all traffic was given back to stable.

Not before requests that were under way have had their time, nor while the canary is seen to get new ones:
proxies that have not heard of the weights still send them, and without its pods they would fail.
"""

from dataclasses import dataclass, replace

from canary.domain.carriers import traffic_has_left
from canary.domain.observation import Observation
from canary.domain.release import Release
from canary.domain.verdict import Reason

__all__ = ["drain_is_over", "may_end_pods", "with_word_of_drain"]

SCALE_DOWN_PATIENCE_SECONDS = 60.0
"""How long to wait, after the drain, until no canary pod is asked for any more."""
BLIND_SECONDS = 15.0
"""How long to wait, after the drain, for a measurement that says whether the canary still gets requests."""
STILL_HEARD_SECONDS = 1800.0
"""How long to wait, after the drain, while the canary still gets requests."""
LINGERS = (
    " (the canary's pods stay, for they still get requests although no route gives them weight: have the "
    "proxies heard of it, is istiod up?)"
)


@dataclass(frozen=True, slots=True)
class _Quiet:
    """What is known of the canary's requests since the drain began."""

    since: float
    """When it got the last one, or, when none is known, when the drain began; Unix seconds."""
    is_over: bool | None
    """Whether it had none for as long as a drain takes; None: that is not known."""


def may_end_pods(release: Release, observation: Observation, now: float) -> bool:
    """Whether the canary's pods are ours to end, and no request will miss them, for all that is known."""
    quiet = _quiet(release, observation)
    if quiet.is_over is False or not _are_ours(release, observation):
        return False
    return _has_waited(release, 0.0 if quiet.is_over else BLIND_SECONDS, now)


def drain_is_over(release: Release, observation: Observation, now: float) -> bool:
    """Whether the canary's pods have gone, or are not ours to end, or do not go however long one waits."""
    if not _are_ours(release, observation):
        return _has_waited(release, 0.0, now)
    quiet = _quiet(release, observation)
    if quiet.is_over is False:
        return _has_waited(release, STILL_HEARD_SECONDS, now)
    return now - quiet.since > release.plan.drain_seconds + SCALE_DOWN_PATIENCE_SECONDS


def with_word_of_drain(release: Release, observation: Observation, now: float) -> Release:
    """Say so in the message when the canary's pods stay longer because they still get requests."""
    cause = release.message.split(LINGERS)[0]
    lingers = _has_waited(release, BLIND_SECONDS, now) and _quiet(release, observation).is_over is False
    return replace(release, message=f"{cause}{LINGERS}" if lingers else cause)


def _has_waited(release: Release, seconds: float, now: float) -> bool:
    """Whether requests that were under way when traffic left have had their time, and this much more."""
    return now - release.stage_since >= release.plan.drain_seconds + seconds


def _quiet(release: Release, observation: Observation) -> _Quiet:
    """Where users come to the canary by a route of their own, its requests say nothing about the weights.

    Nor do they where no route is left: they are spread over all pods, and go elsewhere when the canary's end.
    """
    wanted = [item.name for item in release.plan.objectives if item.counts_requests]
    later = [each for each in observation.measurements if each.window.start >= release.stage_since]
    routes = observation.routes
    if not wanted or routes.canary_has_other_ways or routes.absent:
        return _Quiet(release.stage_since, is_over=True)
    heard = [
        each.window.end
        for each in later
        if any(each.counts[name].canary.requests for name in wanted if name in each.counts)
    ]
    since = max(heard, default=release.stage_since)
    silence = later[-1].window.end - since if later else 0.0
    if silence >= max(release.window_seconds, release.plan.drain_seconds):
        return _Quiet(since, is_over=True)
    return _Quiet(since, is_over=False if heard else None)


def _are_ours(release: Release, observation: Observation) -> bool:
    """Whether the canary's pods are ours to end.

    They are not when they carry another revision, after opt-out, nor while a route gives them weight, or
    may do so because it cannot be made out.
    """
    canary = observation.canary
    if canary is None or canary.replicas == 0:
        return False
    if release.reason is Reason.OPTED_OUT or not traffic_has_left(observation):
        return False
    return canary.revision == release.revision or observation.canary_matches_stable

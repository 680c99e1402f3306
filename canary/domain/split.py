"""The observed split: whether requests follow the weights, by the requests themselves.

A weight that is written reaches the proxies late, or, while Istio's control plane is down, not at all. Then
what is measured belongs to an earlier step. So a step's clock starts anew whenever its requests say that the
canary gets less than its weight, and until twice as many have come again as said so, with a share that is
nearer to what the weights give it than to what it was: chance alone may keep fewer from saying it again, and
the doubt would come and go while nothing changes.
"""

from dataclasses import replace

from canary.domain.analysis import start_step
from canary.domain.evidence import Evidence, SplitDoubt
from canary.domain.interval import anytime_interval
from canary.domain.measurement import NOTHING, Counts
from canary.domain.observation import Routes
from canary.domain.plan import ObjectiveKind, Plan
from canary.domain.release import Release

__all__ = ["look_at_split", "split_of"]

ALPHA = 0.01
"""How rarely a step in which requests follow the weights is doubted, at any of all looks."""
DISPELS = 2
"""How many times the requests that raised a doubt must come without it before it is dropped."""
NEARLY_ALL = 0.99
"""At 100 % a request in a hundred may have been under way, or have come another way."""


def split_of(evidence: Evidence, plan: Plan) -> Counts:
    """All requests of the step that reached a workload, and as ``bad`` those that the canary got."""
    objective = next((item for item in plan.objectives if item.kind is not ObjectiveKind.TEMPLATE), None)
    counts = evidence.step_counts.get(objective.name) if objective is not None else None
    if counts is None:
        return NOTHING
    return Counts(counts.canary.requests + counts.stable.requests, counts.canary.requests)


def look_at_split(release: Release, routes: Routes) -> Release:
    """Doubt the step, or doubt it no longer; a doubted step begins anew where its evidence ends."""
    evidence = release.evidence
    seen, least = split_of(evidence, release.plan), _least_share(release, routes)
    interval = anytime_interval(seen.requests, seen.bad, alpha=ALPHA)
    doubt = evidence.split_doubt
    if interval.high < least:
        since = evidence.evaluated_until if doubt is None else doubt.since
        # Failed checks stand: a canary may fail by a threshold with fewer requests than its weight, too.
        renewed = replace(
            start_step(evidence),
            split_doubt=SplitDoubt(since, seen, least),
            step_checks=evidence.step_checks,
        )
        return replace(release, evidence=renewed, step_since=evidence.evaluated_until)
    if doubt is not None and _is_dispelled(doubt, seen):
        return replace(release, evidence=replace(evidence, split_doubt=None))
    return release


def _is_dispelled(doubt: SplitDoubt, seen: Counts) -> bool:
    was, share = doubt.seen.bad_ratio or 0.0, seen.bad_ratio or 0.0
    return seen.requests >= DISPELS * doubt.seen.requests and share > (was + doubt.least_share) / 2.0


def _least_share(release: Release, routes: Routes) -> float:
    """The least share of the service's requests that the canary gets when the weights are in force.

    Where requests come to stable by other ways, too, the share cannot be told from the weights alone, but it
    grows from step to step as they do. Where they come to both, nothing is known of it.
    """
    if not routes.routes:
        return 0.0
    weight = min(route.split.canary / max(1, route.split.total) for route in routes.routes)
    by_weights = min(weight, NEARLY_ALL)
    if not routes.stable_has_other_ways:
        return by_weights
    before = release.evidence.split_before
    if routes.canary_has_other_ways or release.step == 0 or not before.requests:
        return 0.0
    growth = 100 * weight / release.plan.steps[release.step - 1].weight
    # Never more than by the weights alone: stable may have been away for a part of the step before.
    return min(by_weights, growth * anytime_interval(before.requests, before.bad, alpha=ALPHA).low)

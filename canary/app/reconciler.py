"""One pass over one key: observe, decide, save, act, announce, in this order.

A pass is level-triggered: it looks at the whole world of its service and may be repeated, cut short
or lost at any instruction. What it decides is saved, guarded by the version it was read at, before
anything is done about it; effects are derived from what was saved.
"""

from dataclasses import dataclass

from canary.app.observing import Observer
from canary.app.planning import Planner
from canary.app.ports import (
    Announcement,
    Announcer,
    Clock,
    Fence,
    ReleaseStore,
    RouteTable,
    ServiceCatalogue,
    StoredRelease,
    Telemetry,
    Workloads,
)
from canary.domain.annotations import is_paused
from canary.domain.decision import decide
from canary.domain.effects import (
    Effect,
    PromoteTemplate,
    RestoreTemplate,
    ScaleCanary,
    ShiftTraffic,
    idle_effects,
)
from canary.domain.errors import Problem
from canary.domain.observation import Observation
from canary.domain.plan import Plan, ServiceKey
from canary.domain.release import Phase, Release
from canary.domain.succession import Predecessor, next_release
from canary.domain.verdict import Reason
from canary.domain.waiting import Obstacle

__all__ = ["Reconciler", "ReconcilerPorts", "ReconcilerSettings"]

BEHIND_SECONDS = 0.5
CONTESTED_TIMES = 5
"""From how many times on an effect that does not show is somebody else's doing."""
LONGEST_INSISTING_SECONDS = 30.0
WORTH_TELLING = frozenset({Reason.STABLE_MISSING, Reason.CANARY_MISSING})
"""Why no release begins, where somebody should do something about it; the rest is how a service rests."""
WITHHELD_SECONDS = 30.0
"""How soon to see, at rest, whether a route that is withheld is shared by now: nothing else would tell."""
AFTER_EFFECT_SECONDS = 0.5
"""How soon to see what an effect did; not at once, so that one that never shows cannot spin."""


@dataclass(frozen=True, slots=True)
class ReconcilerPorts:
    """The world, as the reconciler may touch it."""

    services: ServiceCatalogue
    planner: Planner
    releases: ReleaseStore
    workloads: Workloads
    routes: RouteTable
    observer: Observer
    announcer: Announcer
    telemetry: Telemetry
    fence: Fence
    clock: Clock


@dataclass(frozen=True, slots=True)
class ReconcilerSettings:
    """How releases are measured and kept."""

    window_seconds: float
    """The measurement grid of new releases: the targets' scrape interval."""
    tick_seconds: float
    """How often to look at a release that waits for data, unless its plan says otherwise."""
    checkpoint_seconds: float
    """The longest that folded evidence stays unsaved between transitions."""
    history_limit: int


@dataclass(frozen=True, slots=True)
class _Working:
    """What this process knows beyond the stored status: evidence folded since the last save."""

    version: str
    release: Release
    saved_at: float


@dataclass(frozen=True, slots=True)
class _Insisting:
    """The effects that were performed last, how many times in a row, and when they may be again."""

    effects: tuple[Effect, ...]
    times: int
    not_before: float


class Reconciler:
    """Passes over different keys may run at once; the queue sees to it that those over one key do not."""

    def __init__(self, ports: ReconcilerPorts, settings: ReconcilerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._working: dict[ServiceKey, _Working] = {}
        self._insisting: dict[ServiceKey, _Insisting] = {}
        self._told: dict[ServiceKey, tuple[Announcement, ...]] = {}
        self._withheld: dict[ServiceKey, tuple[Problem, ...]] = {}

    def reconcile(self, key: ServiceKey) -> float | None:
        """Make one pass; return in how many seconds to make another, None for when something changes.

        Raises ``WorldError`` when the world did not do as asked, ``LeadershipLost`` before any write.
        """
        plan, problems = self._understand(key)
        history = self._ports.releases.list(key)
        active = next((item for item in history if not item.release.phase.is_terminal), None)
        service = self._ports.services.get(key)
        if service is not None and is_paused(service.annotations) and not _is_being_ended(active):
            self._tell_once(key, Announcement("Paused", "canaryctl.dev/paused is set: nothing is done"))
            return None
        if active is not None:
            return self._advance(key, active, plan, problems)
        self._working.pop(key, None)
        self._ports.observer.forget(key)
        if plan is None:
            if not problems:
                self._ports.telemetry.forget(key)
            self._insisting.pop(key, None)
            self._withheld.pop(key, None)
            if not problems:
                self._told.pop(key, None)
            return None
        return self._begin(key, plan, history)

    def forget(self, key: ServiceKey) -> None:
        """Drop what was remembered, after a conflict: the next pass starts from what is stored."""
        self._working.pop(key, None)

    def _understand(self, key: ServiceKey) -> tuple[Plan | None, tuple[Problem, ...]]:
        plan, problems = self._ports.planner.understand(key)
        if problems:
            self._tell_once(key, *(Announcement("InvalidPlan", str(item), warning=True) for item in problems))
        return plan, problems

    def _begin(self, key: ServiceKey, plan: Plan, history: tuple[StoredRelease, ...]) -> float | None:
        if not self._ports.planner.is_current(key, plan):
            # A watch is behind another: a release must not begin with a plan of yesterday.
            return BEHIND_SECONDS
        observation = self._ports.observer.observe_idle(key, plan)
        self._warn_of_withheld(key, observation)
        predecessors = [Predecessor(item.release, item.requests.retry) for item in history]
        outcome = next_release(
            key,
            plan,
            predecessors,
            observation,
            window_seconds=self._settings.window_seconds,
            now=self._ports.clock.now(),
        )
        if isinstance(outcome, Obstacle):
            if outcome.reason in WORTH_TELLING:
                self._tell_once(key, Announcement(outcome.reason.value, outcome.message, warning=True))
            return self._keep_idle(key, observation)
        self._ports.fence.check()
        stored = self._ports.releases.create(outcome)
        message = f"release {stored.release.name}: revision {outcome.revision} is to replace stable"
        self._announce(key, stored.release, Announcement("ReleaseCreated", message))
        self._prune(history)
        return 0.0

    def _keep_idle(self, key: ServiceKey, observation: Observation) -> float | None:
        for effect in idle_effects(observation):
            message = "no release is under way: the weight left on the canary goes to stable"
            self._announce(key, None, Announcement("WeightsReturned", message))
            self._ports.fence.check()
            self._ports.routes.shift(key, observation.routes, effect.canary_percent)
            return AFTER_EFFECT_SECONDS
        return WITHHELD_SECONDS if observation.routes.withheld else None

    def _advance(
        self, key: ServiceKey, stored: StoredRelease, plan: Plan | None, problems: tuple[Problem, ...]
    ) -> float | None:
        working = self._working.get(key)
        current = working is not None and working.version == stored.version
        before = working.release if working is not None and current else stored.release
        saved_at = working.saved_at if working is not None and current else self._ports.clock.monotonic()
        observation = self._ports.observer.observe(before, plan, problems, stored.requests)
        self._warn_of_withheld(key, observation)
        decision = decide(before, observation, self._ports.clock.now())
        after = decision.release
        if _is_transition(before, after) or self._checkpoint_due(saved_at, after, stored.release):
            self._ports.fence.check()
            stored = self._ports.releases.save(stored, after)
            saved_at = self._ports.clock.monotonic()
        self._working[key] = _Working(stored.version, after, saved_at)
        self._ports.observer.follow(after, observation, stored.release.evidence.evaluated_until)
        self._ports.telemetry.release_observed(after)
        if _news(before) != _news(after):
            self._told.pop(key, None)
            self._announce(key, after, _announcement(after))
        acted = self._act(key, after, observation, decision.effects)
        if after.phase.is_terminal:
            return 0.0
        if acted is not None:
            return acted
        if decision.wake_after_seconds is not None:
            return decision.wake_after_seconds
        return after.plan.interval_seconds or self._settings.tick_seconds

    def _act(
        self, key: ServiceKey, release: Release, observation: Observation, effects: tuple[Effect, ...]
    ) -> float | None:
        """Perform ``effects``; return how soon to see what they did, None when there were none.

        Effects that were performed before and do not show are repeated ever more rarely: whoever undoes
        them (GitOps, a webhook, a person) must not be fought with at every tick.
        """
        if not effects:
            self._insisting.pop(key, None)
            return None
        known = self._insisting.get(key)
        now = self._ports.clock.monotonic()
        again = known is not None and known.effects == effects
        if known is not None and again and now < known.not_before:
            return known.not_before - now
        for effect in effects:
            self._perform(key, release, observation, effect)
        times = known.times + 1 if known is not None and again else 1
        wait = min(AFTER_EFFECT_SECONDS * 2.0 ** min(times - 1, 10), LONGEST_INSISTING_SECONDS)
        self._insisting[key] = _Insisting(effects, times, now + wait)
        if times == CONTESTED_TIMES:
            message = (
                f"{release.name}: {effects[0]} was written {times} times and does not stay; see who undoes it"
            )
            self._announce(key, release, Announcement("Contested", message, warning=True))
        return wait

    def _checkpoint_due(self, saved_at: float, after: Release, stored: Release) -> bool:
        since = self._ports.clock.monotonic() - saved_at
        return since >= self._settings.checkpoint_seconds and after != stored

    def _perform(self, key: ServiceKey, release: Release, observation: Observation, effect: Effect) -> None:
        self._ports.fence.check()
        workloads, stable, canary = self._ports.workloads, observation.stable, observation.canary
        match effect:
            case ShiftTraffic(percent):
                self._ports.routes.shift(key, observation.routes, percent)
            case ScaleCanary(replicas) if canary is not None:
                workloads.scale(key, canary, replicas)
            case PromoteTemplate(revision) if stable is not None:
                workloads.promote(key, release.plan, stable, revision)
            case RestoreTemplate(template) if stable is not None:
                workloads.restore(key, stable, template)
            case _:
                raise AssertionError(f"{effect} was derived for a workload that does not exist")

    def _prune(self, history: tuple[StoredRelease, ...]) -> None:
        for old in history[: max(0, len(history) + 1 - self._settings.history_limit)]:
            self._ports.fence.check()
            self._ports.releases.delete(old)

    def _tell_once(self, key: ServiceKey, *announcements: Announcement) -> None:
        """Announce what is not a transition, and say it again only after something else was said."""
        if self._told.get(key) != announcements:
            self._told[key] = announcements
            for announcement in announcements:
                self._announce(key, None, announcement)

    def _warn_of_withheld(self, key: ServiceKey, observation: Observation) -> None:
        """Name routes that may not be looked at, in whichever phase: each time that others are."""
        withheld = observation.routes.withheld
        if self._withheld.get(key, ()) != withheld:
            self._withheld[key] = withheld
            for problem in withheld:
                self._announce(key, None, Announcement("RoutesWithheld", str(problem), warning=True))

    def _announce(self, key: ServiceKey, release: Release | None, announcement: Announcement) -> None:
        self._ports.announcer.announce(key, release, announcement)


def _is_being_ended(active: StoredRelease | None) -> bool:
    """Whether a release is to end, which goes before everything else, a pause included."""
    if active is None:
        return False
    return active.requests.abort is not None or active.release.phase is Phase.ROLLING_BACK


def _is_transition(before: Release, after: Release) -> bool:
    """Whether something changed that effects are derived from: that is saved before it is acted on."""
    return _position(before) != _position(after)


def _position(release: Release) -> tuple[object, ...]:
    return (*_news(release), release.in_force, release.held_weight, release.ending)


def _news(release: Release) -> tuple[object, ...]:
    """What people are told of when it changes."""
    waiting = release.reason if release.phase in {Phase.PENDING, Phase.HELD} else None
    return (release.phase, release.stage, release.step, waiting)


def _announcement(release: Release) -> Announcement:
    bad = release.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK} and release.ending is Phase.ROLLED_BACK
    stage = f" ({release.stage.value})" if release.stage is not None else ""
    return Announcement(release.phase.value, f"{release.name}{stage}: {release.message}", warning=bad)

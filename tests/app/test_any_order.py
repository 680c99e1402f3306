"""Whatever happens in whatever order: in a world that calms down, all traffic ends on a ready stable."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from canary.domain.measurement import NoData, NoDataReason
from canary.domain.release import Phase, Release
from tests.app.simulation import Simulation, opted_in
from tests.app.test_hard_ends import AMBIGUOUS
from tests.app.world import Behaviour, Crash, Deployment, World

CALM_SECONDS = 1500
QUIET_SECONDS = 60


class AnyOrder(RuleBasedStateMachine):
    """A world in which people, pods and Prometheus do as they please, and the process dies now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.simulation = Simulation(World(opted_in(max_error_rate="1%")))
        self.world = self.simulation.world
        self.version = 1
        self.pushed = {"v1"}

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        self.simulation.run(seconds)

    @precondition(lambda self: self.version < 5)
    @rule(errors=st.sampled_from([0.0, 0.0, 0.2, 1.0]))
    def somebody_pushes_a_revision(self, errors: float) -> None:
        self.version += 1
        name = f"v{self.version}"
        self.pushed.add(name)
        self.world.behaviours[name] = Behaviour(errors=errors)
        self.world.deploy("checkout-canary", name)

    @rule()
    def somebody_goes_back_to_what_stable_runs(self) -> None:
        self.world.deploy("checkout-canary", self.world.deployments["checkout"].template)

    @rule(dead=st.sampled_from([set(), {"checkout-canary"}, {"checkout"}]))
    def pods_die_or_recover(self, dead: set[str]) -> None:
        self.world.dead = set(dead)

    @rule(no_data=st.sampled_from([None, NoData(NoDataReason.TIMEOUT, "no answer", 0.0)]))
    def prometheus_goes_or_returns(self, no_data: NoData | None) -> None:
        self.world.no_data = no_data

    @precondition(lambda self: bool(self.world.releases))
    @rule(wish=st.sampled_from([{"abort": "aborted by ada"}, {"retry": True}, {"promote": True}]))
    def somebody_asks(self, wish: dict[str, Any]) -> None:
        self.simulation.ask(**wish)

    @rule(wanted=st.booleans())
    def the_annotation_goes_or_returns(self, wanted: bool) -> None:
        self.world.annotations = opted_in(max_error_rate="1%") if wanted else None

    @precondition(lambda self: self.version < 5)
    @rule(name=st.sampled_from(["checkout", "checkout-canary"]))
    def somebody_deletes_a_workload_and_makes_it_anew(self, name: str) -> None:
        gone = self.world.deployments.pop(name)
        self.simulation.run(3)
        template = "v1" if name == "checkout" else gone.template
        anew = Deployment(name, template, max(gone.replicas, 1), version=gone.version + 1)
        anew.changed_at, anew.was_serving = self.world.now_at, False
        self.world.deployments[name] = anew

    @rule()
    def somebody_reverts_stable(self) -> None:
        self.world.deploy("checkout", "v1")

    @precondition(lambda self: bool(self.world.releases))
    @rule()
    def somebody_deletes_the_newest_release(self) -> None:
        self.world.releases.pop(list(self.world.releases)[-1])

    @rule(hidden=st.booleans(), wrong=st.booleans())
    def routes_go_wrong_or_right(self, hidden: bool, wrong: bool) -> None:
        self.world.route_problems = (AMBIGUOUS,) if wrong else ()
        self.world.routes_hidden = wrong and hidden

    @rule(paused=st.booleans())
    def somebody_pauses_or_resumes(self, paused: bool) -> None:
        if self.world.annotations is not None:
            self.world.annotations["canaryctl.dev/paused"] = "true" if paused else "false"

    @rule(applied=st.booleans(), later=st.integers(1, 4))
    def the_process_dies_at_a_write(self, applied: bool, later: int) -> None:
        doomed = self.world.writes + later

        def die(number: int) -> None:
            if number == doomed:
                raise Crash

        if applied:
            self.world.after_write = die
        else:
            self.world.before_write = die

    @invariant()
    def at_most_one_release_is_under_way(self) -> None:
        assert len(self.under_way()) <= 1

    @invariant()
    def stable_runs_only_what_was_judged(self) -> None:
        judged = {"v1"} | {
            item.revision.removeprefix("hash-")
            for item, _, _ in self.world.releases.values()
            if item.phase in {Phase.PROMOTING, Phase.SUCCEEDED}
            or (item.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK} and item.previous_template)
        }
        assert self.world.deployments["checkout"].template in judged

    def teardown(self) -> None:
        """In a world that calms down, everything comes to rest with all traffic on a ready stable."""
        self.world.dead, self.world.no_data = set(), None
        self.world.route_problems, self.world.routes_hidden = (), False
        if self.world.annotations is not None:
            self.world.annotations["canaryctl.dev/paused"] = "false"
        for name in self.pushed:
            self.world.behaviours[name] = Behaviour()
        # As long as it takes, but not for ever; and then it has to stay so.
        for _ in range(CALM_SECONDS // QUIET_SECONDS):
            if self.is_at_rest():
                break
            self.simulation.run(QUIET_SECONDS)
        self.simulation.run(QUIET_SECONDS)
        assert not self.under_way(), self.under_way()[0].message
        assert self.is_at_rest()

    def under_way(self) -> list[Release]:
        return [item for item, _, _ in self.world.releases.values() if not item.phase.is_terminal]

    def is_at_rest(self) -> bool:
        all_to_stable = self.world.annotations is None or self.world.percent() == 0
        return (
            all_to_stable and not self.under_way() and self.world.ready(self.world.deployments["checkout"])[1]
        )


AnyOrder.TestCase.settings = settings(
    max_examples=50,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
test_any_order_of_events_ends_well = AnyOrder.TestCase

"""What stands behind a service's annotations: found in its own namespace, or elsewhere only by consent."""

import pytest

from canary.app.index import ServiceIndex
from canary.app.planning import Planner
from canary.app.ports import AnnotatedService, StoredPolicy
from canary.domain.errors import Problem
from canary.domain.plan import ServiceKey
from canary.domain.policy import NOTHING_PROVIDED, Policy, PolicySpec, Provided

KEY = ServiceKey("shop", "checkout")


class Services:
    """A catalogue of one service, which may know less than what is asked for live."""

    def __init__(self, **annotations: str) -> None:
        self.cached = self.live = service(**annotations)

    def get(self, key: ServiceKey) -> AnnotatedService | None:
        return self.cached if key == KEY else None

    def read(self, key: ServiceKey) -> AnnotatedService | None:
        return self.live if key == KEY else None


class Policies:
    def __init__(self, *stored: StoredPolicy) -> None:
        self.cached = {(item.namespace, item.name): item for item in stored}
        self.live = dict(self.cached)

    def get(self, namespace: str, name: str) -> StoredPolicy | None:
        return self.cached.get((namespace, name))

    def read(self, namespace: str, name: str) -> StoredPolicy | None:
        return self.live.get((namespace, name))


def service(**annotations: str) -> AnnotatedService:
    written = {"enabled": "true", **annotations}
    return AnnotatedService(KEY, "uid", {f"canaryctl.dev/{name}": text for name, text in written.items()})


def stored(namespace: str, shared: str | None = None, **said: str) -> StoredPolicy:
    consent = {"canaryctl.dev/shared-with": shared} if shared is not None else {}
    return StoredPolicy(namespace, "standard", PolicySpec(**said), consent=consent)


def understood(policy: str, *known: StoredPolicy) -> tuple[float | None, tuple[Problem, ...]]:
    planner = Planner(Services(policy=policy), Policies(*known), NOTHING_PROVIDED)
    plan, problems = planner.understand(KEY)
    return (plan.tolerance if plan is not None else None), problems


def test_policy_of_the_own_namespace_is_used() -> None:
    assert understood("standard", stored("shop", tolerance="1.5x")) == (1.5, ())
    assert understood("shop/standard", stored("shop", tolerance="1.5x")) == (1.5, ())


def test_own_namespace_is_meant_whatever_others_share() -> None:
    shared = stored("platform", "*", tolerance="9x")
    _, (problem,) = understood("standard", shared)
    assert problem.found == '"standard", which is no ReleasePolicy of namespace shop'


@pytest.mark.parametrize("consent", ["shop", "pay, shop", "*"])
def test_policy_of_another_namespace_is_used_where_its_owners_consent(consent: str) -> None:
    assert understood("platform/standard", stored("platform", consent, tolerance="1.5x")) == (1.5, ())


@pytest.mark.parametrize("consent", [None, "", "pay", "shop-2", "sho", "shop*", "shop/checkout"])
def test_without_consent_a_policy_of_another_namespace_is_refused(consent: str | None) -> None:
    tolerance, (problem,) = understood("platform/standard", stored("platform", consent, tolerance="9x"))
    assert tolerance is None
    assert problem.where == "canaryctl.dev/policy"
    assert problem.found == '"platform/standard", which is not shared with namespace shop'
    assert problem.remedy.startswith("have its owners annotate it canaryctl.dev/shared-with=shop; ")


def test_nobody_learns_whether_an_unshared_policy_exists_or_what_is_wrong_with_it() -> None:
    broken = StoredPolicy("platform", "standard", None, (Problem("spec.x", "secret", "mend it"),))
    refused = [understood("platform/standard", *known)[1] for known in ([], [stored("platform")], [broken])]
    assert refused[0] == refused[1] == refused[2]


def test_policy_that_cannot_be_understood_is_told_with_what_is_wrong() -> None:
    broken = StoredPolicy("shop", "standard", None, (Problem("spec.tolerance", "7", "write a string"),))
    _, (problem,) = understood("standard", broken)
    assert "correct it: spec.tolerance: found 7; write a string" in problem.remedy


def test_wish_of_a_policy_that_is_not_understood_is_told_with_the_policys_name() -> None:
    _, (problem,) = understood("standard", stored("shop", tolerance="1.5"))
    assert problem.where == "ReleasePolicy shop/standard: spec.tolerance"


def test_plan_is_current_only_while_service_and_policy_say_so_live() -> None:
    services, policies = Services(policy="standard"), Policies(stored("shop", tolerance="1.5x"))
    planner = Planner(services, policies, NOTHING_PROVIDED)
    plan, _ = planner.understand(KEY)
    assert plan is not None
    assert planner.is_current(KEY, plan)
    policies.live = {("shop", "standard"): stored("shop", tolerance="2x")}
    assert not planner.is_current(KEY, plan)
    policies.live = {}
    assert not planner.is_current(KEY, plan)
    policies.live = dict(policies.cached)
    services.live = service(policy="standard", steps="100")
    assert not planner.is_current(KEY, plan)


def test_defaults_of_an_administrator_stand_behind_the_policy() -> None:
    provided = Provided(Policy(PolicySpec(tolerance="3x", deadline="9h"), "plans.defaults."))
    planner = Planner(Services(policy="standard"), Policies(stored("shop", tolerance="2x")), provided)
    plan, _ = planner.understand(KEY)
    assert plan is not None
    assert (plan.tolerance, plan.deadline_seconds) == (2.0, 9 * 3600.0)


def test_change_of_a_policy_concerns_the_services_that_name_it() -> None:
    policies = Policies()
    index = ServiceIndex(Planner(Services(), policies, NOTHING_PROVIDED).plan_of)
    index.note(KEY, service(policy="standard"))
    # Not yet usable, and all the more to be looked at when it comes.
    assert index.using_policy("shop", "standard") == (KEY,)
    assert index.using_workload("shop", "checkout") == ()
    policies.cached = {("shop", "standard"): stored("shop", stable="checkout-blue")}
    index.note(KEY, service(policy="standard"))
    assert index.using_workload("shop", "checkout-blue") == (KEY,)
    index.note(KEY, service(policy="platform/standard"))
    assert index.using_policy("shop", "standard") == ()
    assert index.using_policy("platform", "standard") == (KEY,)
    index.note(KEY, None)
    assert index.using_policy("platform", "standard") == ()

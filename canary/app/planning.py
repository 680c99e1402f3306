"""Planning: from a Service and what stands behind its annotations to its plan, or to what is wrong."""

from collections.abc import Callable

from canary.app.ports import AnnotatedService, PolicyCatalogue, ServiceCatalogue, StoredPolicy
from canary.domain.annotations import parse_plan, policy_named_by
from canary.domain.consent import consent_remedy, shared_with
from canary.domain.errors import InvalidPlan, Problem
from canary.domain.plan import Plan, PolicyRef, ServiceKey
from canary.domain.policy import Policy, Provided, Unavailable
from canary.domain.wishes import quote

__all__ = ["FindPolicy", "Planner", "plan_of", "policy_behind"]

FindPolicy = Callable[[str, str], StoredPolicy | None]
"""By namespace and name."""


class Planner:
    """Understands services by what the watches know, and live where a release is to begin."""

    def __init__(self, services: ServiceCatalogue, policies: PolicyCatalogue, provided: Provided) -> None:
        self._services = services
        self._policies = policies
        self._provided = provided

    def understand(self, key: ServiceKey) -> tuple[Plan | None, tuple[Problem, ...]]:
        """Return the plan, None when nothing is asked for; or None and every problem."""
        service = self._services.get(key)
        if service is None:
            return None, ()
        try:
            return self.plan_of(service), ()
        except InvalidPlan as invalid:
            return None, invalid.problems

    def plan_of(self, service: AnnotatedService) -> Plan | None:
        """Return what a service asks for; raises ``InvalidPlan``."""
        return plan_of(service, self._policies.get, self._provided)

    def is_current(self, key: ServiceKey, plan: Plan) -> bool:
        """Whether the service asks for ``plan`` at this moment: watches may be behind one another."""
        service = self._services.read(key)
        try:
            return service is not None and plan_of(service, self._policies.read, self._provided) == plan
        except InvalidPlan:
            return False


def plan_of(service: AnnotatedService, find: FindPolicy, provided: Provided) -> Plan | None:
    """Return what a service asks for, None when nothing; raises ``InvalidPlan``."""
    named = policy_named_by(service.annotations)
    policy = policy_behind(named, service.key.namespace, find) if named is not None else None
    return parse_plan(service.key, service.annotations, policy, provided)


def policy_behind(named: PolicyRef, namespace: str, find: FindPolicy) -> Policy | Unavailable:
    """Return the policy that a service of ``namespace`` names, or why it cannot be used.

    Of another namespace no more is told than whether it shares: not even whether there is such a policy.
    """
    place = named.namespace or namespace
    stored = find(place, named.name)
    if place != namespace and (stored is None or not shared_with(stored.consent, namespace)):
        found = f"{quote(str(named))}, which is not shared with namespace {namespace}"
        return Unavailable(
            found, f"{consent_remedy(namespace)}; the controller must look after namespace {place}, too"
        )
    if stored is None:
        found = f"{quote(str(named))}, which is no ReleasePolicy of namespace {namespace}"
        return Unavailable(found, "create it, or name another one")
    if stored.spec is None:
        wrong = "; ".join(str(problem) for problem in stored.problems)
        return Unavailable(f"{quote(str(named))}, which cannot be understood", f"correct it: {wrong}")
    return Policy(stored.spec, f"ReleasePolicy {place}/{named.name}: spec.")

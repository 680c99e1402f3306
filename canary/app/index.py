"""Which services a change of a workload or of a policy concerns: kept from what the services ask for."""

import threading
from collections.abc import Callable

from canary.app.ports import AnnotatedService
from canary.domain.annotations import policy_named_by
from canary.domain.errors import InvalidPlan
from canary.domain.plan import Plan, ServiceKey

__all__ = ["ServiceIndex"]

Used = tuple[str, str, str]
"""Kind, namespace and name of an object that a service rests on."""


class ServiceIndex:
    """Thread-safe; one entry for each service that has opted in."""

    def __init__(self, plan_of: Callable[[AnnotatedService], Plan | None]) -> None:
        self._plan_of = plan_of
        self._lock = threading.Lock()
        self._used: dict[ServiceKey, frozenset[Used]] = {}
        self._users: dict[Used, set[ServiceKey]] = {}

    def note(self, key: ServiceKey, service: AnnotatedService | None) -> None:
        """Remember which workloads and which policy ``service`` names now; None forgets it."""
        used = self._used_by(service) if service is not None else frozenset()
        with self._lock:
            for item in self._used.pop(key, frozenset()):
                users = self._users[item]
                users.discard(key)
                if not users:
                    del self._users[item]
            if used:
                self._used[key] = used
            for item in used:
                self._users.setdefault(item, set()).add(key)

    def using_workload(self, namespace: str, name: str) -> tuple[ServiceKey, ...]:
        """The services whose stable or canary workload this is."""
        return self._using(("workload", namespace, name))

    def using_policy(self, namespace: str, name: str) -> tuple[ServiceKey, ...]:
        """The services that name this policy, whether or not it can be used."""
        return self._using(("policy", namespace, name))

    def _using(self, used: Used) -> tuple[ServiceKey, ...]:
        with self._lock:
            return tuple(self._users.get(used, ()))

    def _used_by(self, service: AnnotatedService) -> frozenset[Used]:
        namespace = service.key.namespace
        found: set[Used] = set()
        policy = policy_named_by(service.annotations)
        if policy is not None:
            found.add(("policy", policy.namespace or namespace, policy.name))
        try:
            plan = self._plan_of(service)
        except InvalidPlan:
            plan = None
        if plan is not None:
            found |= {("workload", namespace, plan.stable), ("workload", namespace, plan.canary)}
        return frozenset(found)

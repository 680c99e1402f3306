"""Which services a change of a workload concerns: kept from the services' own annotations."""

import threading

from canary.app.ports import AnnotatedService
from canary.domain.annotations import parse_plan
from canary.domain.errors import InvalidPlan
from canary.domain.plan import ServiceKey

__all__ = ["ServiceIndex"]


class ServiceIndex:
    """Thread-safe; one entry for each service that has opted in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workloads: dict[ServiceKey, frozenset[str]] = {}
        self._users: dict[tuple[str, str], set[ServiceKey]] = {}

    def note(self, key: ServiceKey, service: AnnotatedService | None) -> None:
        """Remember which workloads ``service`` names now; None forgets it."""
        names = _workloads_of(key, service)
        with self._lock:
            for name in self._workloads.pop(key, frozenset()):
                users = self._users[key.namespace, name]
                users.discard(key)
                if not users:
                    del self._users[key.namespace, name]
            if names:
                self._workloads[key] = names
            for name in names:
                self._users.setdefault((key.namespace, name), set()).add(key)

    def using(self, namespace: str, workload: str) -> tuple[ServiceKey, ...]:
        """The services whose stable or canary workload this is."""
        with self._lock:
            return tuple(self._users.get((namespace, workload), ()))


def _workloads_of(key: ServiceKey, service: AnnotatedService | None) -> frozenset[str]:
    try:
        plan = parse_plan(key, service.annotations) if service is not None else None
    except InvalidPlan:
        return frozenset()
    return frozenset({plan.stable, plan.canary}) if plan is not None else frozenset()

"""The reconciler's ports onto a simulated world."""

from dataclasses import dataclass, replace

from canary.app.errors import ConflictError, NotFound
from canary.app.ports import AnnotatedService, Announcement, StoredPolicy, StoredRelease, WorkloadPair
from canary.domain.errors import Problem
from canary.domain.observation import Requests, Route, Routes, Workload
from canary.domain.plan import Plan, ServiceKey
from canary.domain.release import Release
from canary.domain.weight import split_total
from tests.app.world import Deployment, World


@dataclass
class Ports:
    """The reconciler's ports onto a world."""

    world: World

    # ServiceCatalogue
    def get(self, key: ServiceKey) -> AnnotatedService | None:
        if self.world.annotations is None:
            return None
        return AnnotatedService(key, "uid", self.world.annotations)

    def read(self, key: ServiceKey) -> AnnotatedService | None:
        return self.get(key)


@dataclass
class FakePolicies:
    world: World

    def get(self, namespace: str, name: str) -> StoredPolicy | None:
        return self.world.policies.get((namespace, name))

    def read(self, namespace: str, name: str) -> StoredPolicy | None:
        return self.get(namespace, name)


@dataclass
class FakeWorkloads:
    world: World

    def _observe(self, name: str) -> Workload | None:
        deployment = self.world.deployments.get(name)
        if deployment is None:
            return None
        ready, rolled_out = self.world.ready(deployment)
        version = str(deployment.version)
        revision = f"hash-{deployment.template}"
        return Workload(name, version, revision, deployment.replicas, ready, rolled_out)

    def read(self, key: ServiceKey, plan: Plan) -> WorkloadPair:
        stable, canary = self.world.deployments.get(plan.stable), self.world.deployments.get(plan.canary)
        same = stable is not None and canary is not None and stable.template == canary.template
        return WorkloadPair(self._observe(plan.stable), self._observe(plan.canary), same)

    def stable_template(self, key: ServiceKey, stable: Workload) -> str:
        return self.world.deployments[stable.name].template

    def _guarded(self, workload: Workload) -> Deployment:
        self.world._write()
        deployment = self.world.deployments.get(workload.name)
        if deployment is None:
            raise NotFound(workload.name)
        if str(deployment.version) != workload.version:
            raise ConflictError(f"{workload.name} is at {deployment.version}, not {workload.version}")
        return deployment

    def promote(self, key: ServiceKey, plan: Plan, stable: Workload, revision: str) -> None:
        template = revision.removeprefix("hash-")
        if template not in self.world.templates[plan.canary]:
            raise NotFound(revision)
        self._guarded(stable)
        self.world.deploy(stable.name, template)
        self.world.after_write(self.world.writes)

    def holds_template_of(self, key: ServiceKey, plan: Plan, stable: Workload, revision: str) -> bool:
        template = revision.removeprefix("hash-")
        if plan.canary not in self.world.deployments or template not in self.world.templates[plan.canary]:
            raise NotFound(revision)
        return self.world.deployments[plan.stable].template == template

    def restore(self, key: ServiceKey, stable: Workload, template: str) -> None:
        self._guarded(stable)
        self.world.deploy(stable.name, template)
        self.world.after_write(self.world.writes)

    def holds_template(self, key: ServiceKey, stable: Workload, template: str) -> bool:
        return self.world.deployments[stable.name].template == template

    def scale(self, key: ServiceKey, workload: Workload, replicas: int) -> None:
        deployment = self._guarded(workload)
        if deployment.replicas == 0:
            deployment.changed_at = self.world.now_at
            deployment.was_serving = False
        deployment.replicas = replicas
        deployment.version += 1
        self.world.after_write(self.world.writes)


@dataclass
class FakeRoutes:
    world: World

    def read(self, key: ServiceKey, plan: Plan) -> Routes:
        routes = tuple(
            Route(name, index, f"route {index}", split)
            for name, splits in self.world.routes.items()
            if name not in self.world.withheld
            for index, split in enumerate(splits)
        )
        withheld = tuple(Problem("annotation", name, "share it") for name in sorted(self.world.withheld))
        problems = (*self.world.route_problems, *withheld)
        if self.world.routes_hidden:
            routes = ()
        if not routes and not problems:
            problems = (Problem("VirtualService", "none that routes to both workloads", "add one"),)
        versions = {route.virtual_service: str(self.world.route_version) for route in routes}
        host, absent = "checkout.shop.svc.cluster.local", not self.world.routes
        return Routes(routes, versions, host, host, absent=absent, problems=problems, withheld=withheld)

    def shift(self, key: ServiceKey, routes: Routes, canary_percent: int) -> None:
        for name, version in routes.versions.items():
            self.world._write()
            self.world.writes_without_consent += name in self.world.withheld
            if str(self.world.route_version) != version:
                raise ConflictError(f"{name} is at {self.world.route_version}, not {version}")
            before = self.world.routes[name]
            self.world.routes[name] = [split_total(split.total, canary_percent) for split in before]
        self.world.route_version += 1
        self.world.weights.append(self.world.percent())
        self.world.after_write(self.world.writes)


@dataclass
class FakeReleases:
    world: World

    def list(self, key: ServiceKey) -> tuple[StoredRelease, ...]:
        return tuple(
            StoredRelease(release, str(version), name, requests)
            for name, (release, version, requests) in self.world.releases.items()
        )

    def create(self, release: Release) -> StoredRelease:
        self.world._write()
        self.world.releases.setdefault(release.name, (release, 1, Requests()))
        self.world.after_write(self.world.writes)
        stored, version, requests = self.world.releases[release.name]
        return StoredRelease(stored, str(version), release.name, requests)

    def save(self, stored: StoredRelease, release: Release) -> StoredRelease:
        self.world._write()
        _, version, requests = self.world.releases[release.name]
        if str(version) != stored.version:
            raise ConflictError(f"{release.name} is at {version}, not {stored.version}")
        self.world.releases[release.name] = (release, version + 1, requests)
        self.world.after_write(self.world.writes)
        return replace(stored, release=release, version=str(version + 1))

    def delete(self, stored: StoredRelease) -> None:
        self.world._write()
        self.world.releases.pop(stored.release.name, None)
        self.world.after_write(self.world.writes)


@dataclass
class FakeAnnouncer:
    world: World

    def announce(self, key: ServiceKey, release: Release | None, announcement: Announcement) -> None:
        self.world.announced.append(announcement)


class SilentTelemetry:
    def pass_finished(self, key: ServiceKey, outcome: str, seconds: float) -> None: ...
    def release_observed(self, release: Release) -> None: ...
    def forget(self, key: ServiceKey) -> None: ...
    def query_finished(self, provider: str, outcome: str, seconds: float) -> None: ...


class AlwaysLeads:
    def check(self) -> None: ...

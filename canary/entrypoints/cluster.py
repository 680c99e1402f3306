"""What canaryctl reads from a cluster, as the person who runs it. Writes nothing but wishes.

All calls are bounded by the transport and raise ``WorldError``.
"""

import getpass
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec
from kubernetes import config

from canary.adapters.decoding import decode
from canary.adapters.istio.objects import Home
from canary.adapters.istio.patches import patches_for
from canary.adapters.istio.virtual_services import IstioRoutes
from canary.adapters.kube.connection import connect
from canary.adapters.kube.objects import Metadata, MetadataOnly, path_of
from canary.adapters.kube.policies import read_policy
from canary.adapters.kube.releases import KubeReleases
from canary.adapters.kube.transport import METADATA_LIST, Transport
from canary.adapters.kube.wire import parse_time
from canary.adapters.kube.workloads import KubeDeployments
from canary.app.errors import NotFound, TerminalError, WorldError
from canary.app.planning import plan_of
from canary.app.ports import AnnotatedService, StoredPolicy, StoredRelease
from canary.domain.annotations import PREFIX
from canary.domain.consent import SHARED_WITH
from canary.domain.observation import Routes
from canary.domain.plan import Plan, ServiceKey
from canary.domain.policy import PolicySpec, Provided
from canary.entrypoints.clock import SystemClock
from canary.entrypoints.status_view import Wishes, read_wishes

__all__ = ["Cluster", "EventView", "open_cluster"]

POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
SELF_REVIEW = "authentication.k8s.io/v1"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventView:
    """A Kubernetes Event about a service, as the controller wrote it."""

    reason: str
    message: str
    type: str
    count: int
    last_at: float


class _Event(msgspec.Struct, rename="camel"):
    metadata: Metadata
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int | None = None
    last_timestamp: str | None = None
    reporting_component: str = ""


class _UserInfo(msgspec.Struct):
    username: str = ""


class _Review(msgspec.Struct, rename="camel"):
    class Status(msgspec.Struct, rename="camel"):
        user_info: _UserInfo

    status: Status


class Cluster:
    """One cluster, seen from ``namespace``."""

    def __init__(self, transport: Transport, namespace: str) -> None:
        self._transport = transport
        self.namespace = namespace
        self.clock = SystemClock()
        self.releases = KubeReleases(transport)

    @cached_property
    def _routes(self) -> IstioRoutes:
        return IstioRoutes(self._transport, self.clock)

    def services(self, namespace: str | None, selector: str = "") -> tuple[AnnotatedService, ...]:
        """Services with annotations of ours, in one namespace or in all, whose labels match."""
        query = {"labelSelector": selector} if selector else {}
        path = path_of("v1", namespace or "", "services")
        found = self._transport.list(path, MetadataOnly, query, accept=METADATA_LIST)
        annotated = (_service(item.metadata) for item in found)
        return tuple(item for item in annotated if item.annotations)

    def service(self, key: ServiceKey) -> AnnotatedService | None:
        """One Service with its annotations of ours, if any; None when there is no such Service."""
        try:
            found = self._transport.get(path_of("v1", key.namespace, "services", key.name), MetadataOnly)
        except NotFound:
            return None
        return _service(found.metadata)

    def policy(self, namespace: str, name: str) -> StoredPolicy | None:
        """One ReleasePolicy; None when there is none, and one that says nothing when it may not be read."""
        try:
            return read_policy(self._transport, namespace, name)
        except TerminalError:
            return StoredPolicy(namespace, name, PolicySpec(), consent={SHARED_WITH: "*"})

    def wishes(self, services: Iterable[AnnotatedService]) -> dict[ServiceKey, Wishes]:
        """What services ask for, by their policies as they are now.

        What an administrator provides is not known here: defaults are ours, any metric template may exist.
        """
        # Many services may name the same policy.
        find = cache(self.policy)
        return {
            item.key: read_wishes(item, lambda service: plan_of(service, find, Provided()))
            for item in services
        }

    def workloads(self, namespace: str | None) -> frozenset[tuple[str, str]] | None:
        """Namespace and name of every Deployment; None when this person may not list them."""
        path = path_of("apps/v1", namespace or "", "deployments")
        try:
            found = self._transport.list(path, MetadataOnly, accept=METADATA_LIST)
        except TerminalError:
            return None
        return frozenset((item.metadata.namespace, item.metadata.name) for item in found)

    def canary_revision(self, key: ServiceKey, plan: Plan) -> str | None:
        """The revision that the canary carries now; None when that cannot be told."""
        try:
            canary = KubeDeployments(self._transport).read(key, plan).canary
        except TerminalError:
            return None
        return canary.revision or None if canary is not None else None

    def all_releases(self, namespace: str | None) -> tuple[StoredRelease, ...]:
        """Every release, oldest first; raises ``NotFound`` when the cluster does not know releases."""
        with _installed():
            return self.releases.list_all(namespace)

    def history(self, key: ServiceKey) -> tuple[StoredRelease, ...]:
        """The releases of one service, oldest first; raises ``NotFound`` as ``all_releases`` does."""
        with _installed():
            return self.releases.list(key)

    def events(self, key: ServiceKey, most: int) -> tuple[EventView, ...]:
        """The controller's latest Events about a service, oldest first."""
        selector = f"involvedObject.kind=Service,involvedObject.name={key.name}"
        path = path_of("v1", key.namespace, "events")
        found = self._transport.list(path, _Event, {"fieldSelector": selector})
        ours = [_event(item) for item in found if item.reporting_component.startswith(PREFIX)]
        return tuple(sorted(ours, key=lambda item: item.last_at)[-most:])

    def routes(self, key: ServiceKey, plan: Plan) -> Routes:
        """The routes of a service's pair as they are now."""
        return self._routes.read(key, plan)

    @staticmethod
    def patches_to_stable(routes: Routes) -> Mapping[Home, list[Json]]:
        """By VirtualService: the JSON Patch that gives stable all that the pair has, unless it has it."""
        return patches_for(routes, 0)

    def user(self) -> str:
        """Who the API server takes us for; the local user's name when it does not say."""
        body = {"apiVersion": SELF_REVIEW, "kind": "SelfSubjectReview"}
        with suppress(WorldError, msgspec.MsgspecError):
            answer = self._transport.request("POST", f"/apis/{SELF_REVIEW}/selfsubjectreviews", body=body)
            name = decode(answer, _Review).status.user_info.username
            if name:
                return name
        with suppress(OSError, KeyError):
            return getpass.getuser()
        return "unknown"


def open_cluster(kubeconfig: Path | None, context: str | None, namespace: str | None) -> Cluster:
    """Return the cluster that the options, or else the environment, name; raises ``TerminalError``."""
    transport = connect(kubeconfig, context)
    return Cluster(transport, namespace or _default_namespace(kubeconfig, context))


@contextmanager
def _installed() -> Iterator[None]:
    """A collection that is not found is a resource that the cluster does not know."""
    try:
        yield
    except NotFound as exc:
        words = "this cluster has no Releases: is canary installed? CustomResourceDefinition"
        raise NotFound(f"{words} releases.canaryctl.dev is missing") from exc


def _default_namespace(kubeconfig: Path | None, context: str | None) -> str:
    """The context's namespace, else the pod's own, else ``default``: as kubectl does."""
    files = str(kubeconfig or os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    with suppress(config.ConfigException):
        list_contexts: Callable[[str], tuple[list[Json], Json]] = config.list_kube_config_contexts
        contexts, active = list_contexts(files)
        chosen = next((item for item in contexts if item["name"] == context), None) if context else active
        # A context without a namespace means the default one.
        return str((chosen or {}).get("context", {}).get("namespace") or "default")
    with suppress(OSError):
        return POD_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
    return "default"


def _service(metadata: Metadata) -> AnnotatedService:
    ours = {name: value for name, value in metadata.annotations.items() if name.startswith(PREFIX)}
    return AnnotatedService(ServiceKey(metadata.namespace, metadata.name), metadata.uid, ours)


def _event(found: _Event) -> EventView:
    at = 0.0
    with suppress(ValueError):
        at = parse_time(found.last_timestamp or "")
    return EventView(found.reason, found.message, found.type, found.count or 1, at)

"""The parts of Istio's and Kubernetes' objects that decide where requests go; all else is skipped unread."""

from dataclasses import dataclass

import msgspec

__all__ = [
    "Deployment",
    "DestinationRule",
    "Home",
    "HttpRoute",
    "Labelled",
    "PlainRoute",
    "Service",
    "VirtualService",
    "WeightedDestination",
]


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """Who an object is."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    creation_timestamp: str = ""
    """To the second, in UTC: texts in the order of time."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


@dataclass(frozen=True, slots=True, order=True)
class Home:
    """The VirtualService that a route stands in: where a write has to go."""

    namespace: str
    name: str

    def path(self, group_version: str) -> str:
        """Return its path in the API."""
        return f"/apis/{group_version}/namespaces/{self.namespace}/virtualservices/{self.name}"


class Labelled(msgspec.Struct, frozen=True):
    """An object of which only the metadata matters."""

    metadata: Metadata


class Destination(msgspec.Struct, frozen=True):
    """A host, as it is written, and perhaps a subset of it."""

    host: str = ""
    subset: str = ""


class WeightedDestination(msgspec.Struct, frozen=True):
    """A destination and its share; None where none is written."""

    destination: Destination
    weight: int | None = None


class Delegate(msgspec.Struct, frozen=True):
    """Another VirtualService that decides."""

    name: str = ""
    namespace: str = ""


class MirrorPolicy(msgspec.Struct, frozen=True):
    """One of several mirrors."""

    destination: Destination


class HttpRoute(msgspec.Struct, frozen=True):
    """One element of ``spec.http``."""

    name: str = ""
    route: tuple[WeightedDestination, ...] | None = None
    delegate: Delegate | None = None
    mirror: Destination | None = None
    mirrors: tuple[MirrorPolicy, ...] | None = None


class PlainRoute(msgspec.Struct, frozen=True):
    """One element of ``spec.tls`` or ``spec.tcp``."""

    route: tuple[WeightedDestination, ...] | None = None


class VirtualServiceSpec(msgspec.Struct, frozen=True):
    """Hosts, gateways and routes."""

    hosts: tuple[str, ...] | None = None
    gateways: tuple[str, ...] | None = None
    http: tuple[HttpRoute, ...] | None = None
    tls: tuple[PlainRoute, ...] | None = None
    tcp: tuple[PlainRoute, ...] | None = None


class VirtualService(msgspec.Struct, frozen=True):
    """A VirtualService."""

    metadata: Metadata
    spec: VirtualServiceSpec = VirtualServiceSpec()

    @property
    def home(self) -> Home:
        """Which one it is."""
        return Home(self.metadata.namespace, self.metadata.name)

    @property
    def applies_to_mesh(self) -> bool:
        """Whether sidecars and waypoints use it; gateways omitted means the mesh only."""
        return not self.spec.gateways or "mesh" in self.spec.gateways


class Subset(msgspec.Struct, frozen=True):
    """A named part of a host's pods."""

    name: str
    labels: dict[str, str] | None = None


class DestinationRuleSpec(msgspec.Struct, frozen=True):
    """A host and its subsets."""

    host: str = ""
    subsets: tuple[Subset, ...] | None = None


class DestinationRule(msgspec.Struct, frozen=True):
    """A DestinationRule."""

    metadata: Metadata
    spec: DestinationRuleSpec = DestinationRuleSpec()


class ServiceSpec(msgspec.Struct, frozen=True):
    """The labels of the pods behind a Service."""

    selector: dict[str, str] | None = None


class Service(msgspec.Struct, frozen=True):
    """A Service."""

    metadata: Metadata
    spec: ServiceSpec = ServiceSpec()


class PodTemplate(msgspec.Struct, frozen=True):
    """A pod template's metadata."""

    metadata: Metadata = Metadata()


class DeploymentSpec(msgspec.Struct, frozen=True):
    """A Deployment's pod template."""

    template: PodTemplate = PodTemplate()


class Deployment(msgspec.Struct, frozen=True):
    """A Deployment."""

    metadata: Metadata
    spec: DeploymentSpec = DeploymentSpec()

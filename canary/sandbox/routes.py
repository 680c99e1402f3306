"""What the proxy should do, from what the Kubernetes API holds: a pure translation, as istiod's.

Services and the subsets of DestinationRules become clusters with the ready Pods as endpoints;
VirtualServices become the routes of virtual hosts. A VirtualService that cannot be translated is left out
and named in `problems`; the others stay. A route to a subset or host that does not exist names a cluster
that does not exist: Envoy answers 503 (flag NC), as in a mesh. A subset without ready Pods is a cluster
without endpoints: 503 (flag UH).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from canary.sandbox.matches import InvalidRoute, Json
from canary.sandbox.virtual_services import (
    cluster_name,
    full_host,
    hosts_of,
    is_for_mesh,
    not_reproduced,
    routes_of,
)

ADDRESS_ANNOTATION = "sandbox.canaryctl.dev/address"
"""The Pod annotation with the host:port where its process really listens."""


@dataclass(frozen=True, slots=True)
class MeshObjects:
    """The objects that shape the traffic, as the API serves them."""

    services: tuple[Json, ...] = ()
    pods: tuple[Json, ...] = ()
    destination_rules: tuple[Json, ...] = ()
    virtual_services: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A ready Pod's process and what Istio's metrics call it."""

    host: str
    port: int
    workload: str
    namespace: str
    app: str
    version: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """The endpoints behind one destination of a Service."""

    name: str
    host: str
    service: str
    namespace: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """The routes for one host, in order; `domains` are the names that clients may call it by."""

    host: str
    domains: tuple[str, ...]
    routes: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A VirtualService that is not, or not wholly, in force, and why."""

    virtual_service: str
    message: str


@dataclass(frozen=True, slots=True)
class Mesh:
    """All the proxy needs. `versions`: the resourceVersion of each VirtualService in force, by key."""

    clusters: tuple[Cluster, ...]
    virtual_hosts: tuple[VirtualHost, ...]
    problems: tuple[Problem, ...]
    versions: dict[str, str]


def translate(objects: MeshObjects) -> Mesh:
    """The proxy's state for these objects. The order of the objects does not matter."""
    services = {_service_host(service): service for service in sorted(objects.services, key=_key)}
    ports = {host: _ports(service)[0] for host, service in services.items()}
    problems: list[Problem] = []
    chosen: dict[str, list[Json]] = {}
    versions: dict[str, str] = {}
    for virtual_service in sorted(objects.virtual_services, key=_age):
        key = _key(virtual_service)
        try:
            if not is_for_mesh(virtual_service):
                continue
            hosts, routes = hosts_of(virtual_service), routes_of(virtual_service, ports)
        except InvalidRoute as exc:
            problems.append(Problem(key, f"ignored: {exc}"))
            continue
        versions[key] = virtual_service["metadata"].get("resourceVersion", "")
        problems += [Problem(key, f"{place} is not reproduced") for place in not_reproduced(virtual_service)]
        for host in hosts:
            if host in chosen:
                # In a client's proxy istiod does not merge VirtualServices: the oldest has the host.
                problems.append(Problem(key, f"ignored for {host}: an older VirtualService has this host"))
            else:
                chosen[host] = routes
    return Mesh(
        clusters=_clusters(services, objects),
        virtual_hosts=_virtual_hosts(services, ports, chosen),
        problems=tuple(problems),
        versions=versions,
    )


def workload_of(pod: Json) -> str:
    """The name that Istio gives a Pod's workload: its Deployment, else its owner, else the Pod itself."""
    metadata = pod["metadata"]
    owner = next((ref for ref in metadata.get("ownerReferences") or [] if ref.get("controller")), None)
    if owner is None:
        return str(metadata["name"])
    template_hash = (metadata.get("labels") or {}).get("pod-template-hash")
    if owner["kind"] == "ReplicaSet" and template_hash:
        return str(owner["name"]).removesuffix(f"-{template_hash}")
    return str(owner["name"])


def _virtual_hosts(
    services: dict[str, Json], ports: dict[str, int], chosen: dict[str, list[Json]]
) -> tuple[VirtualHost, ...]:
    hosts = dict.fromkeys([*services, *chosen])
    return tuple(
        VirtualHost(
            host,
            # Envoy refuses a domain that occurs twice: a host itself wins over a Service's short name.
            tuple(domain for domain in _domains(host, services) if domain == host or domain not in hosts),
            tuple(_routes_for(host, ports, chosen)),
        )
        for host in hosts
    )


def _routes_for(host: str, ports: dict[str, int], chosen: dict[str, list[Json]]) -> list[Json]:
    wildcards = [wild for wild in chosen if wild.startswith("*") and host.endswith(wild[1:])]
    for candidate in [host, *sorted(wildcards, key=len, reverse=True)]:
        if candidate in chosen:
            return chosen[candidate]
    name = cluster_name(host, "", ports[host])
    return [{"match": {"prefix": "/"}, "route": {"cluster": name, "timeout": "0s"}}]


def _domains(host: str, services: dict[str, Json]) -> tuple[str, ...]:
    if host not in services:
        return (host,)
    metadata = services[host]["metadata"]
    short = f"{metadata['name']}.{metadata['namespace']}"
    return (host, f"{short}.svc", short)


def _clusters(services: dict[str, Json], objects: MeshObjects) -> tuple[Cluster, ...]:
    ready = [
        (pod, endpoint) for pod in sorted(objects.pods, key=_key) if (endpoint := _endpoint(pod)) is not None
    ]
    subsets = _subsets(objects.destination_rules)
    clusters: list[Cluster] = []
    for host, service in services.items():
        metadata = service["metadata"]
        selector = (service.get("spec") or {}).get("selector") or {}
        for subset, labels in {**subsets.get(host, {}), "": {}}.items():
            wanted = {**selector, **labels}
            endpoints = tuple(
                endpoint
                for pod, endpoint in ready
                if selector
                and endpoint.namespace == metadata["namespace"]
                and _has_labels(pod, wanted, selector)
            )
            clusters += [
                Cluster(
                    cluster_name(host, subset, port), host, metadata["name"], metadata["namespace"], endpoints
                )
                for port in _ports(service)
            ]
    return tuple(clusters)


def _subsets(destination_rules: Iterable[Json]) -> dict[str, dict[str, dict[str, str]]]:
    """Labels by subset by host; the oldest rule wins where two name the same subset of a host."""
    by_host: dict[str, dict[str, dict[str, str]]] = {}
    for rule in sorted(destination_rules, key=_age):
        spec = rule.get("spec") or {}
        if not isinstance(spec.get("host"), str):
            continue
        known = by_host.setdefault(full_host(spec["host"], rule["metadata"]["namespace"]), {})
        for subset in spec.get("subsets") or []:
            known.setdefault(subset.get("name", ""), subset.get("labels") or {})
    return by_host


def _has_labels(pod: Json, wanted: dict[str, str], selector: dict[str, str]) -> bool:
    labels = pod["metadata"].get("labels") or {}
    # A subset cannot widen or contradict its Service's selector: both must hold.
    return all(labels.get(name) == value for name, value in (*selector.items(), *wanted.items()))


def _endpoint(pod: Json) -> Endpoint | None:
    metadata, status = pod["metadata"], pod.get("status") or {}
    address = (metadata.get("annotations") or {}).get(ADDRESS_ANNOTATION, "")
    host, _, port = address.rpartition(":")
    conditions = {condition["type"]: condition["status"] for condition in status.get("conditions") or []}
    if "deletionTimestamp" in metadata or conditions.get("Ready") != "True" or not host or not port.isdigit():
        return None
    labels = metadata.get("labels") or {}
    return Endpoint(
        host=host,
        port=int(port),
        workload=workload_of(pod),
        namespace=metadata["namespace"],
        app=labels.get("app", "unknown"),
        version=labels.get("version", "unknown"),
    )


def _service_host(service: Json) -> str:
    return full_host(service["metadata"]["name"], service["metadata"]["namespace"])


def _ports(service: Json) -> list[int]:
    return [port["port"] for port in (service.get("spec") or {}).get("ports") or []] or [80]


def _key(item: Json) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _age(item: Json) -> tuple[str, str]:
    return item["metadata"].get("creationTimestamp") or "", _key(item)

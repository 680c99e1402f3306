"""The EndpointSlice controller: for each Service with a selector, where its pods are and which are ready."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from canary.sandbox.apiserver.api import Api
from canary.sandbox.apiserver.deletion import DeleteOptions, delete
from canary.sandbox.apiserver.objects import Json, name_of, namespace_of, uid_of
from canary.sandbox.apiserver.replicasets import is_ready
from canary.sandbox.apiserver.store import Change
from canary.sandbox.apiserver.writes import WriteOptions

SLICES = "endpointslices.discovery.k8s.io"
SERVICE_LABEL = "kubernetes.io/service-name"
MANAGED_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
_WRITER = WriteOptions("kube-controller-manager")


class EndpointSliceController:
    """Keeps one slice per Service and set of resolved ports."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def keys(self, change: Change) -> Iterable[tuple[str, str]]:
        """Return the Services that a change of a Service, Pod, Node or slice concerns."""
        obj, namespace = change.object, namespace_of(change.object)
        if change.resource == "services":
            yield namespace, name_of(obj)
        elif change.resource == SLICES:
            labels = obj["metadata"].get("labels") or {}
            if labels.get(MANAGED_LABEL) == MANAGER and SERVICE_LABEL in labels:
                yield namespace, labels[SERVICE_LABEL]
        elif change.resource == "nodes" and change.type != "MODIFIED":
            for service in self._api.store.items("services"):
                yield namespace_of(service), name_of(service)
        elif change.resource == "pods":
            for service in self._api.store.items("services", namespace):
                if any(_selects(service, pod) for pod in (obj, change.previous) if pod is not None):
                    yield namespace, name_of(service)

    def reconcile(self, key: tuple[str, ...]) -> float | None:
        """Make one Service's slices say what its pods are."""
        namespace, name = key
        service = self._api.store.get("services", namespace, name)
        if service is None or service["metadata"].get("deletionTimestamp"):
            return None
        if not service["spec"].get("selector"):
            return None
        wanted = {name_of(body): body for body in self._bodies(service)}
        existing = {name_of(found): found for found in self._existing(service)}
        for slice_name, body in wanted.items():
            self._write(namespace, slice_name, body, existing.get(slice_name))
        for slice_name in existing.keys() - wanted.keys():
            delete(self._api, self._api.target(SLICES, namespace, slice_name), DeleteOptions())
        return None

    def _existing(self, service: Json) -> list[Json]:
        return [
            found
            for found in self._api.store.items(SLICES, namespace_of(service))
            if (found["metadata"].get("labels") or {}).get(SERVICE_LABEL) == name_of(service)
            and (found["metadata"].get("labels") or {}).get(MANAGED_LABEL) == MANAGER
        ]

    def _bodies(self, service: Json) -> list[Json]:
        groups: dict[bytes, tuple[list[Json], list[Json]]] = {}
        for pod in self._api.store.items("pods", namespace_of(service)):
            if not _selects(service, pod) or not pod["status"].get("podIP"):
                continue
            if pod["status"].get("phase") in {"Succeeded", "Failed"}:
                continue
            # An address on a machine that nobody knows is no place to send anything to.
            if self._api.store.get("nodes", "", pod["spec"].get("nodeName") or "") is None:
                continue
            ports = _ports(service, pod)
            groups.setdefault(msgspec.json.encode(ports), (ports, []))[1].append(_endpoint(pod))
        if not groups:
            # A Service without pods has an empty slice, not none: "nobody" is an answer.
            groups[b"[]"] = ([], [])
        return [_slice(service, *group) for _, group in sorted(groups.items())]

    def _write(self, namespace: str, name: str, body: Json, found: Json | None) -> None:
        if found is None:
            self._api.create(self._api.target(SLICES, namespace), body, _WRITER)
        elif (found.get("endpoints"), found.get("ports")) != (body["endpoints"], body["ports"]):
            target = self._api.target(SLICES, namespace, name)
            update = {"endpoints": body["endpoints"], "ports": body["ports"]}
            self._api.patch(target, lambda obj: obj | update, _WRITER)


def _selects(service: Json, pod: Json) -> bool:
    selector = service["spec"].get("selector") or {}
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _ports(service: Json, pod: Json) -> list[Json]:
    """Resolve the Service's ports for one pod; a named port that the pod lacks is left out."""
    named = {
        port.get("name"): port["containerPort"]
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
    }
    ports = []
    for port in service["spec"].get("ports") or ():
        number = port.get("targetPort", port["port"])
        if isinstance(number, str):
            number = named.get(number)
        if number is not None:
            entry: Json = {"name": port.get("name", ""), "port": number, "protocol": port["protocol"]}
            ports.append(entry | ({"appProtocol": port["appProtocol"]} if "appProtocol" in port else {}))
    return ports


def _endpoint(pod: Json) -> Json:
    terminating = bool(pod["metadata"].get("deletionTimestamp"))
    ready = is_ready(pod)
    endpoint: Json = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready and not terminating, "serving": ready, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "namespace": namespace_of(pod),
            "name": name_of(pod),
            "uid": uid_of(pod),
        },
    }
    if node := pod["spec"].get("nodeName"):
        endpoint["nodeName"] = node
    return endpoint


def _slice(service: Json, ports: list[Json], endpoints: list[Json]) -> Json:
    name = name_of(service)
    digest = hashlib.sha256(msgspec.json.encode([uid_of(service), ports])).hexdigest()[:5]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-{digest}",
            "namespace": namespace_of(service),
            "labels": {SERVICE_LABEL: name, MANAGED_LABEL: MANAGER},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": name,
                    "uid": uid_of(service),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "endpoints": sorted(endpoints, key=lambda endpoint: str(endpoint["targetRef"]["name"])),
        "ports": ports,
    }

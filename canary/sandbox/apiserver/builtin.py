"""The built-in kinds, as data. What each means on a write is in ``admission``."""

from __future__ import annotations

from canary.sandbox.apiserver.resources import ResourceType

_STATUS = frozenset({"status"})
_SCALABLE = frozenset({"status", "scale"})
_CREATE = ("create",)

# events.k8s.io names some fields of the same stored objects differently.
_EVENT_RENAMES = (
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
)

_CORE = (
    ResourceType(
        "", ("v1",), "Namespace", "namespaces", namespaced=False, short_names=("ns",), subresources=_STATUS
    ),
    ResourceType(
        "",
        ("v1",),
        "Node",
        "nodes",
        namespaced=False,
        short_names=("no",),
        subresources=_STATUS,
    ),
    ResourceType(
        "",
        ("v1",),
        "Service",
        "services",
        short_names=("svc",),
        categories=("all",),
        subresources=_STATUS,
        create_on_update=True,
    ),
    ResourceType(
        "",
        ("v1",),
        "Pod",
        "pods",
        short_names=("po",),
        categories=("all",),
        subresources=_STATUS,
        has_generation=True,
        graceful=True,
    ),
    ResourceType("", ("v1",), "Event", "events", short_names=("ev",), create_on_update=True),
    ResourceType("", ("v1",), "ConfigMap", "configmaps", short_names=("cm",)),
    ResourceType("", ("v1",), "Secret", "secrets"),
    ResourceType("", ("v1",), "Endpoints", "endpoints", short_names=("ep",), create_on_update=True),
    ResourceType("", ("v1",), "ServiceAccount", "serviceaccounts", short_names=("sa",)),
)

_GROUPS = (
    ResourceType(
        "apps",
        ("v1",),
        "Deployment",
        "deployments",
        short_names=("deploy",),
        categories=("all",),
        subresources=_SCALABLE,
        has_generation=True,
    ),
    ResourceType(
        "apps",
        ("v1",),
        "ReplicaSet",
        "replicasets",
        short_names=("rs",),
        categories=("all",),
        subresources=_SCALABLE,
        has_generation=True,
    ),
    ResourceType(
        "events.k8s.io",
        ("v1",),
        "Event",
        "events",
        short_names=("ev",),
        storage="events",
        renames=_EVENT_RENAMES,
    ),
    ResourceType("discovery.k8s.io", ("v1",), "EndpointSlice", "endpointslices", has_generation=True),
    ResourceType(
        "coordination.k8s.io",
        ("v1",),
        "Lease",
        "leases",
        unconditional_update=False,
        create_on_update=True,
    ),
    ResourceType(
        "apiextensions.k8s.io",
        ("v1",),
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=_STATUS,
        has_generation=True,
        unconditional_update=False,
    ),
)

# Answered on the spot, never stored.
_REVIEWS = (
    ResourceType(
        "authentication.k8s.io",
        ("v1",),
        "SelfSubjectReview",
        "selfsubjectreviews",
        namespaced=False,
        verbs=_CREATE,
    ),
    ResourceType(
        "authorization.k8s.io",
        ("v1",),
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        namespaced=False,
        verbs=_CREATE,
    ),
)

BUILTIN = _CORE + _GROUPS + _REVIEWS

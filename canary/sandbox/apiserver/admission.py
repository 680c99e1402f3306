"""What the built-in kinds mean on a write: the defaults they get and what is refused.

Light on purpose: the rules that our adapters or an operator could break, not all of Kubernetes'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from canary.sandbox.apiserver.errors import Cause, bad_request
from canary.sandbox.apiserver.objects import Json, clone, micro_timestamp, parse_micro_time
from canary.sandbox.apiserver.selectors import from_label_selector

_EVENT_MESSAGE = 1024
_PERCENT = re.compile(r"^[0-9]+%$")


@dataclass(frozen=True, slots=True)
class Admission:
    """Rules of one kind: ``defaults`` fills a fresh copy in place, ``problems`` names what is wrong."""

    defaults: Callable[[Json], None]
    problems: Callable[[Json, Json | None], list[Cause]]


def _default_pod_spec(spec: Json) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for container in spec.get("containers") or ():
        tag = str(container.get("image", "")).rpartition(":")[2]
        latest = tag == "latest" or ":" not in str(container.get("image", ""))
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        for port in container.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _default_deployment(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxSurge", "25%")
        rolling.setdefault("maxUnavailable", "25%")
    _default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))


def _default_replica_set(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    _default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))


def _default_pod(obj: Json) -> None:
    _default_pod_spec(obj.setdefault("spec", {}))
    obj.setdefault("status", {}).setdefault("phase", "Pending")
    obj["status"].setdefault("qosClass", "BestEffort")


def _default_service(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if "port" in port:
            port.setdefault("targetPort", port["port"])
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def keep_allocated(old: Json, new: Json) -> None:
    """Carry a Service's addresses over into an update that does not name them, in place."""
    spec = new.setdefault("spec", {})
    if spec.get("type", "ClusterIP") != "ExternalName":
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if field in old["spec"]:
                spec[field] = spec.get(field) or clone(old["spec"][field])


def _default_namespace(obj: Json) -> None:
    obj.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    obj.setdefault("status", {}).setdefault("phase", "Active")
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"].get("name", "")


def _default_secret(obj: Json) -> None:
    obj.setdefault("type", "Opaque")


def _default_lease(obj: Json) -> None:
    """Write the times in UTC; 400 when one is no time with six digits of a second."""
    spec = obj.get("spec") or {}
    for field in ("acquireTime", "renewTime"):
        if spec.get(field) is None:
            spec.pop(field, None)
            continue
        try:
            spec[field] = micro_timestamp(parse_micro_time(spec[field]))
        except (TypeError, ValueError) as exc:
            raise bad_request(f"Lease in version v1 cannot be handled: parsing spec.{field}: {exc}") from exc
    for field, kind in (("leaseDurationSeconds", int), ("leaseTransitions", int), ("holderIdentity", str)):
        value = spec.get(field)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            message = f"json: cannot unmarshal {value!r} into Go struct field LeaseSpec.spec.{field}"
            raise bad_request(f"Lease in version v1 cannot be handled as a Lease: {message}")


def _lease_problems(obj: Json, _old: Json | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        message = f"Invalid value: {duration}: must be greater than 0"
        causes.append(Cause("spec.leaseDurationSeconds", "FieldValueInvalid", message))
    if transitions is not None and transitions < 0:
        message = f"Invalid value: {transitions}: must be greater than or equal to 0"
        causes.append(Cause("spec.leaseTransitions", "FieldValueInvalid", message))
    return causes


def _default_event(obj: Json) -> None:
    """Write the event's time in UTC; 400 when it is no time with six digits of a second."""
    if obj.get("eventTime") is None:
        obj["eventTime"] = None
        return
    try:
        obj["eventTime"] = micro_timestamp(parse_micro_time(obj["eventTime"]))
    except (TypeError, ValueError) as exc:
        raise bad_request(f"Event cannot be handled: parsing eventTime: {exc}") from exc


def _event_problems(obj: Json, _old: Json | None) -> list[Cause]:
    """Check that the event lies beside its object; one of events.k8s.io need not, in a real server."""
    causes = _content_problems(obj)
    namespace = (obj.get("involvedObject") or {}).get("namespace") or ""
    own = obj["metadata"].get("namespace") or ""
    if own != namespace and (namespace or own != "default"):
        message = f'Invalid value: "{namespace}": does not match event.namespace'
        causes.append(Cause("involvedObject.namespace", "FieldValueInvalid", message))
    return causes


def _content_problems(obj: Json) -> list[Cause]:
    """Check that an event with an eventTime is complete."""
    causes = []
    if obj.get("eventTime"):
        needed = ("reportingComponent", "reportingInstance", "action", "reason")
        causes += [Cause(f, "FieldValueRequired", "Required value") for f in needed if not obj.get(f)]
    if len(obj.get("message") or "") > _EVENT_MESSAGE and obj.get("eventTime"):
        message = f"Invalid value: can have at most {_EVENT_MESSAGE} characters"
        causes.append(Cause("message", "FieldValueInvalid", message))
    return causes


def _new_event_problems(obj: Json, _old: Json | None) -> list[Cause]:
    """Check an event of events.k8s.io: there eventTime is required."""
    missing = [] if obj.get("eventTime") else [Cause("eventTime", "FieldValueRequired", "Required value")]
    return missing + _content_problems(obj)


def _template_problems(obj: Json, old: Json | None) -> list[Cause]:
    spec = obj["spec"]
    selector = spec.get("selector") or {}
    causes = []
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        causes.append(Cause("spec.selector", "FieldValueRequired", "Required value"))
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if not from_label_selector(selector)({"metadata": {"labels": labels}}):
        message = f"Invalid value: {labels}: `selector` does not match template `labels`"
        causes.append(Cause("spec.template.metadata.labels", "FieldValueInvalid", message))
    if old is not None and old["spec"].get("selector") != spec.get("selector"):
        message = f"Invalid value: {selector}: field is immutable"
        causes.append(Cause("spec.selector", "FieldValueInvalid", message))
    if not isinstance(spec["replicas"], int) or spec["replicas"] < 0:
        message = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        causes.append(Cause("spec.replicas", "FieldValueInvalid", message))
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    for field, value in rolling.items():
        if not isinstance(value, int) and not _PERCENT.match(str(value)):
            message = f"Invalid value: \"{value}\": must be an integer or a percentage (e.g '5%%')"
            causes.append(Cause(f"spec.strategy.rollingUpdate.{field}", "FieldValueInvalid", message))
    return causes + _pod_spec_problems(spec["template"]["spec"], "spec.template.spec")


def _pod_spec_problems(spec: Json, path: str) -> list[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        return [Cause(f"{path}.containers", "FieldValueRequired", "Required value")]
    causes = []
    for place, container in enumerate(containers):
        causes += [
            Cause(f"{path}.containers[{place}].{field}", "FieldValueRequired", "Required value")
            for field in ("name", "image")
            if not container.get(field)
        ]
    return causes


def _pod_problems(obj: Json, old: Json | None) -> list[Cause]:
    causes = _pod_spec_problems(obj["spec"], "spec")
    if old is not None and _frozen_part(old["spec"]) != _frozen_part(obj["spec"]):
        message = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
        message += "`spec.activeDeadlineSeconds`, `spec.tolerations` or `spec.terminationGracePeriodSeconds`"
        causes.append(Cause("spec", "FieldValueForbidden", message))
    return causes


def _frozen_part(spec: Json) -> Json:
    kept = {
        key: clone(value)
        for key, value in spec.items()
        if key not in {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"}
    }
    for container in kept.get("containers") or ():
        container.pop("image", None)
    return kept


def _service_problems(obj: Json, old: Json | None) -> list[Cause]:
    spec = obj["spec"]
    causes = []
    if not spec.get("ports") and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        causes.append(Cause("spec.ports", "FieldValueRequired", "Required value"))
    for place, port in enumerate(spec.get("ports") or ()):
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65_536:
            message = f"Invalid value: {number}: must be between 1 and 65535, inclusive"
            causes.append(Cause(f"spec.ports[{place}].port", "FieldValueInvalid", message))
    if old is not None and old["spec"].get("clusterIP") and old["spec"]["clusterIP"] != spec.get("clusterIP"):
        causes.append(Cause("spec.clusterIPs[0]", "FieldValueInvalid", "Invalid value: field is immutable"))
    return causes


def _nothing(_obj: Json) -> None:
    """Leave a kind without defaults as it is."""


def _no_problems(_obj: Json, _old: Json | None) -> list[Cause]:
    return []


_ANYTHING = Admission(_nothing, _no_problems)
_RULES: Mapping[str, Admission] = {
    "namespaces": Admission(_default_namespace, _no_problems),
    "services": Admission(_default_service, _service_problems),
    "pods": Admission(_default_pod, _pod_problems),
    "events": Admission(_default_event, _event_problems),
    "events.events.k8s.io": Admission(_default_event, _new_event_problems),
    "secrets": Admission(_default_secret, _no_problems),
    "deployments.apps": Admission(_default_deployment, _template_problems),
    "replicasets.apps": Admission(_default_replica_set, _template_problems),
    "leases.coordination.k8s.io": Admission(_default_lease, _lease_problems),
}


def admission_of(resource: str) -> Admission:
    """Return the rules of a built-in kind; kinds without any take everything."""
    return _RULES.get(resource, _ANYTHING)

"""Translates one VirtualService into Envoy routes, as istiod does for a client in the mesh. Pure.

What the sandbox does not reproduce of a route that it does carry (faults, mirrors, rewrites, header
changes) is named in `not_reproduced`; a VirtualService with routes that go nowhere (redirect, delegate) is
refused as a whole.
"""

import re
from typing import Any

from canary.sandbox.matches import InvalidRoute, Json, applies_to_mesh, mapping, route_match, sequence

_DOMAIN = "svc.cluster.local"
_HOST = re.compile(r"\*|(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
# Bounds of Envoy's types, with room: what is beyond would make it refuse the whole configuration.
_MAX_WEIGHT = 1_000_000
_MAX_ATTEMPTS = 1000
_MAX_SECONDS = 1_000_000
_DROPPED = ("rewrite", "fault", "mirror", "mirrors", "headers", "corsPolicy")
_NO_DESTINATION = ("redirect", "directResponse", "delegate")
_DEFAULT_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled"
_PREVIOUS_HOSTS = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def full_host(host: str, namespace: str) -> str:
    """The name a host stands for: short names belong to the namespace of the object that uses them.

    As in istiod, only a name without dots is short: `reviews.other` is taken as it is.
    """
    return host if "." in host or host.startswith("*") else f"{host}.{namespace}.{_DOMAIN}"


def cluster_name(host: str, subset: str, port: int) -> str:
    """Istiod's name for the endpoints of a host's subset ("" for all of them)."""
    return f"outbound|{port}|{subset}|{host}"


def is_for_mesh(virtual_service: Json) -> bool:
    """Whether it has HTTP routes and is for the mesh, not only for gateways. Raises InvalidRoute."""
    spec = mapping(virtual_service.get("spec"), "spec")
    gateways = sequence(spec.get("gateways"), "spec.gateways") or ["mesh"]
    return bool(spec.get("http")) and "mesh" in gateways


def hosts_of(virtual_service: Json) -> tuple[str, ...]:
    """The full hosts. Raises InvalidRoute."""
    hosts = virtual_service["spec"].get("hosts")
    for host in sequence(hosts, "spec.hosts"):
        if not isinstance(host, str) or not _HOST.fullmatch(host.lower()):
            raise InvalidRoute(f"spec.hosts: {host!r} is not a host name")
    if not hosts:
        raise InvalidRoute("spec.hosts: at least one host is needed")
    return tuple(full_host(host.lower(), virtual_service["metadata"]["namespace"]) for host in hosts)


def routes_of(virtual_service: Json, ports: dict[str, int]) -> list[Json]:
    """Envoy's routes in order; `ports` has the first port of each Service's host. Raises InvalidRoute."""
    http = sequence(virtual_service["spec"]["http"], "spec.http")
    namespace = virtual_service["metadata"]["namespace"]
    routes: list[Json] = []
    for index, route in enumerate(http):
        where = f"spec.http[{index}]"
        action = _action(mapping(route, where), namespace, ports, where)
        blocks = sequence(route.get("match"), f"{where}.match") or [{}]
        for number, block in enumerate(blocks):
            place = f"{where}.match[{number}]"
            if applies_to_mesh(mapping(block, place), place):
                routes.append({"match": route_match(block or {}, place), "route": action})
    return routes


def not_reproduced(virtual_service: Json) -> tuple[str, ...]:
    """Fields of the routes that the sandbox leaves out, each with its place."""
    return tuple(
        f"spec.http[{index}].{name}"
        for index, route in enumerate(virtual_service["spec"]["http"])
        for name in _DROPPED
        if name in route
    )


def _action(route: Json, namespace: str, ports: dict[str, int], where: str) -> Json:
    for name in _NO_DESTINATION:
        if name in route:
            raise InvalidRoute(f"{where}.{name}: the sandbox reproduces only routes with destinations")
    destinations = sequence(route.get("route"), f"{where}.route")
    if not destinations:
        raise InvalidRoute(f"{where}.route: at least one destination is needed")
    timeout = _duration(route["timeout"], f"{where}.timeout") if "timeout" in route else "0s"
    action: Json = {"timeout": timeout}
    retry_policy = _retry_policy(route.get("retries"), f"{where}.retries")
    if retry_policy is not None:
        action["retry_policy"] = retry_policy
    shares = _shares(destinations, where)
    clusters = [
        (_cluster(destination, namespace, ports, f"{where}.route[{number}].destination"), share)
        for number, (destination, share) in enumerate(zip(destinations, shares, strict=True))
    ]
    # A destination without weight gets nothing, not even a mention; what is left need not sum to 100.
    served = [(name, share) for name, share in clusters if share]
    if len(served) == 1:
        action["cluster"] = served[0][0]
    else:
        action["weighted_clusters"] = {
            "clusters": [{"name": name, "weight": share} for name, share in served]
        }
    return action


def _shares(destinations: list[Any], where: str) -> list[int]:
    """Weights as istiod reads them: a single destination gets all, a missing weight beside others is 0."""
    for number, destination in enumerate(destinations):
        weight = destination.get("weight", 0) if isinstance(destination, dict) else None
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= _MAX_WEIGHT:
            raise InvalidRoute(f"{where}.route[{number}]: weight {weight!r} must be an integer of at least 0")
    if len(destinations) == 1:
        return [100]
    weights = [destination.get("weight", 0) for destination in destinations]
    if not sum(weights):
        raise InvalidRoute(f"{where}.route: the weights of {len(weights)} destinations are all 0")
    return weights


def _cluster(destination: Json, namespace: str, ports: dict[str, int], where: str) -> str:
    target = destination.get("destination")
    if not isinstance(target, dict) or not isinstance(target.get("host"), str) or not target["host"]:
        raise InvalidRoute(f"{where}.host: a host name is needed, found {target!r}")
    host = full_host(target["host"], namespace)
    port = mapping(target.get("port"), f"{where}.port").get("number") or ports.get(host, 80)
    return cluster_name(host, target.get("subset") or "", port)


def _retry_policy(retries: object, where: str) -> Json | None:
    if retries is None:
        return _policy(2, _DEFAULT_RETRY_ON)
    wanted = mapping(retries, where)
    attempts = wanted.get("attempts", 0)
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 0 <= attempts <= _MAX_ATTEMPTS:
        raise InvalidRoute(f"{where}.attempts: {attempts!r} must be an integer from 0 to {_MAX_ATTEMPTS}")
    if attempts == 0:
        return None
    retry_on = wanted.get("retryOn") or _DEFAULT_RETRY_ON
    if not isinstance(retry_on, str):
        raise InvalidRoute(f"{where}.retryOn: {retry_on!r} must be conditions separated by commas")
    policy = _policy(attempts, retry_on)
    if "perTryTimeout" in wanted:
        policy["per_try_timeout"] = _duration(wanted["perTryTimeout"], f"{where}.perTryTimeout")
    return policy


def _policy(attempts: int, retry_on: str) -> Json:
    """Envoy's policy; numbers among the conditions are status codes, as istiod reads them."""
    conditions = [condition.strip() for condition in retry_on.split(",") if condition.strip()]
    codes = [int(condition) for condition in conditions if condition.isdigit()]
    names = [condition for condition in conditions if not condition.isdigit()]
    policy: Json = {
        "num_retries": attempts,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": _PREVIOUS_HOSTS},
            }
        ],
        "host_selection_retry_max_attempts": 5,
    }
    if codes:
        policy["retriable_status_codes"] = codes
        names.append("retriable-status-codes")
    policy["retry_on"] = ",".join(names)
    return policy


def _duration(text: object, where: str) -> str:
    """Envoy's form (61.5s) of a duration like 1m1.5s, 500ms or 0s."""
    parts = _DURATION_PART.findall(text) if isinstance(text, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidRoute(f"{where}: {text!r} is not a duration like 1.5s or 500ms")
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    if seconds > _MAX_SECONDS:
        raise InvalidRoute(f"{where}: {text!r} is longer than {_MAX_SECONDS} s")
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"

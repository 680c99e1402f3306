"""Host names as Istio resolves them: in the namespace of the object that names them. Pure."""

__all__ = ["DEFAULT_CLUSTER_DOMAIN", "fqdn", "host_matches", "service_host"]

DEFAULT_CLUSTER_DOMAIN = "cluster.local"


def service_host(name: str, namespace: str, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN) -> str:
    """Return the FQDN of a Service."""
    return f"{name}.{namespace}.svc.{cluster_domain}"


def fqdn(host: str, namespace: str, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN) -> str:
    """Return the canonical form of ``host`` as written in an object of ``namespace``.

    A short name means a Service of that namespace, so ``reviews`` and ``reviews.other`` differ. Of names
    with two parts only ``name.namespace`` of that same namespace is taken for a Service: any other may
    be a domain of the outside world, and is left as it is.
    """
    name = host.rstrip(".").lower()
    match name.split("."):
        case [short] if short != "*":
            return service_host(short, namespace, cluster_domain)
        case [short, place] if place == namespace and short != "*":
            return service_host(short, place, cluster_domain)
        case [_, _, "svc"]:
            return f"{name}.{cluster_domain}"
        case _:
            return name


def host_matches(pattern: str, host: str) -> bool:
    """Whether a canonical ``host`` is covered by a canonical ``pattern``, which may begin with ``*``."""
    if pattern.startswith("*"):
        return host.endswith(pattern[1:])
    return pattern == host

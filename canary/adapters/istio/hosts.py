"""Host names as Istio resolves them: in the namespace of the object that names them. Pure."""

__all__ = ["DEFAULT_CLUSTER_DOMAIN", "fqdn", "host_matches", "meant_host", "service_host"]

DEFAULT_CLUSTER_DOMAIN = "cluster.local"


def service_host(name: str, namespace: str, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN) -> str:
    """Return the FQDN of a Service."""
    return f"{name}.{namespace}.svc.{cluster_domain}"


def fqdn(host: str, namespace: str, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN) -> str:
    """Return what Istio takes ``host`` for, as written in an object of ``namespace``.

    Only a name without dots is short, and means a Service of that namespace. Any other is taken to the
    letter: for Istio ``reviews.shop`` is no Service, although DNS in a pod finds one.
    """
    return host if "." in host or host == "*" else service_host(host, namespace, cluster_domain)


def meant_host(host: str, namespace: str, cluster_domain: str = DEFAULT_CLUSTER_DOMAIN) -> str:
    """Return the FQDN of the Service that DNS finds by ``host``, which its author may have had in mind."""
    name = host.rstrip(".").lower()
    match name.split("."):
        case [_, _, "svc"]:
            return f"{name}.{cluster_domain}"
        case [short, place] if short != "*":
            return service_host(short, place, cluster_domain)
        case _:
            return fqdn(name, namespace, cluster_domain)


def host_matches(pattern: str, host: str) -> bool:
    """Whether a canonical ``host`` is covered by a canonical ``pattern``, which may begin with ``*``."""
    if pattern.startswith("*"):
        return host.endswith(pattern[1:])
    return pattern == host

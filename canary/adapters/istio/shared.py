"""VirtualServices of other namespaces that a plan names: read live, by name, and only with their consent.

By name, because that is the least there is to ask for: a Role can be held to the very name, and nothing else
of the other namespace is seen, as a list would show it.

Of an object that is not shared nothing but its metadata is decoded, and it is told of in the very words in
which one that does not exist is: else a tenant could try names to learn what other namespaces have. When
consent is withdrawn the object has a new version, and every write tests the version: none can come after it.
"""

from collections.abc import Sequence

import msgspec

from canary.adapters.istio.objects import Home, Labelled, VirtualService
from canary.adapters.kube.transport import Transport, decode
from canary.app.errors import NotFound, TerminalError
from canary.domain.consent import consent_remedy, shared_with
from canary.domain.errors import Problem
from canary.domain.plan import RouteRef
from canary.domain.wishes import is_label

__all__ = ["NAMED_BY", "not_shared", "read_shared"]

NAMED_BY = "the plan's virtual-services"
RESOURCE = "virtualservices.networking.istio.io"


def read_shared(
    transport: Transport, group_version: str, namespace: str, references: Sequence[RouteRef]
) -> tuple[tuple[VirtualService, ...], tuple[Problem, ...]]:
    """Read what ``references`` name outside of ``namespace``, the service's own.

    Returns what is shared with it, and for each of the others why it is withheld.
    """
    homes = dict.fromkeys(
        Home(ref.namespace, ref.virtual_service)
        for ref in references
        if ref.namespace is not None and ref.namespace != namespace
    )
    found = [_read(transport, home, group_version, namespace) for home in homes]
    return (
        tuple(item for item in found if isinstance(item, VirtualService)),
        tuple(item for item in found if isinstance(item, Problem)),
    )


def _read(transport: Transport, home: Home, group_version: str, namespace: str) -> VirtualService | Problem:
    if not (is_label(home.namespace) and is_label(home.name)):
        # Whoever may create Releases may make one up: what is no name must not become part of a path.
        return not_shared(home, namespace)
    path = home.path(group_version)
    try:
        raw = transport.get(path, msgspec.Raw)
    except NotFound:
        return not_shared(home, namespace)
    except TerminalError:
        return _not_permitted(home)
    if not shared_with(decode(raw, Labelled, f"GET {path}").metadata.annotations, namespace):
        return not_shared(home, namespace)
    return decode(raw, VirtualService, f"GET {path}")


def not_shared(home: Home, namespace: str) -> Problem:
    """Return the problem of a VirtualService that a service of ``namespace`` may not use."""
    found = f"{home.name}.{home.namespace}, which is not shared with namespace {namespace}"
    return Problem(NAMED_BY, found, consent_remedy(namespace))


def _not_permitted(home: Home) -> Problem:
    """The server refuses before it looks whether there is such an object: this tells nothing of it either."""
    denied = f"this account is not permitted to get {RESOURCE} in namespace {home.namespace}"
    remedy = "have an administrator permit it to get and patch them there"
    return Problem(NAMED_BY, f"{home.name}.{home.namespace}, but {denied}", remedy)

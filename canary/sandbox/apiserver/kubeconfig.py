"""The kubeconfig of a sandbox server.

The token stands in it twice. kubectl sends a kubeconfig's user only over TLS, which the sandbox does not
speak on loopback; what it does send is the credentials in the server's address (as HTTP Basic). Other
clients read the user.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path

import yaml

USER = "sandbox"


def write_kubeconfig(path: Path, url: str, token: str) -> None:
    """Write the file in one step, readable by its owner only: who can see it can use it."""
    scheme, _, address = url.partition("://")
    server = f"{scheme}://{USER}:{token}@{address}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": {"server": server}}],
        "users": [{"name": USER, "user": {"token": token}}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": USER}}],
        "current-context": "sandbox",
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(document, file, sort_keys=False)
    temporary.replace(path)


def authorizations(token: str) -> frozenset[bytes]:
    """Return the ``Authorization`` headers that a client with this kubeconfig may send."""
    basic = base64.b64encode(f"{USER}:{token}".encode()).decode()
    return frozenset({f"Bearer {token}".encode(), f"Basic {basic}".encode()})

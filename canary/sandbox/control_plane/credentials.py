"""What a control plane on loopback needs to know its clients: a signing key, a token, kubeconfigs."""

import base64
import os
import secrets
from pathlib import Path
from typing import Final

import yaml

__all__ = ["write_kubeconfig", "write_private", "write_signing_key", "write_tokens"]

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# RFC 5915: SEQUENCE { INTEGER 1, OCTET STRING key, [0] OID prime256v1 }; the public half may be left out.
_BEFORE_KEY: Final = bytes.fromhex("30310201010420")
_AFTER_KEY: Final = bytes.fromhex("a00a06082a8648ce3d030107")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def write_signing_key(path: Path) -> None:
    """Make the key that tokens of ServiceAccounts are signed with (ECDSA, P-256)."""
    number = secrets.randbelow(_P256_ORDER - 1) + 1
    der = _BEFORE_KEY + number.to_bytes(32, "big") + _AFTER_KEY
    encoded = base64.b64encode(der).decode()
    lines = [encoded[start : start + 64] for start in range(0, len(encoded), 64)]
    write_private(
        path, "\n".join(["-----BEGIN EC PRIVATE KEY-----", *lines, "-----END EC PRIVATE KEY-----", ""])
    )


def write_tokens(path: Path, token: str) -> None:
    """Make the administrator known: kube-apiserver's --token-auth-file."""
    write_private(path, f'{token},sandbox-admin,sandbox-admin,"system:masters"\n')


def write_kubeconfig(path: Path, url: str, authority: bytes, token: str) -> None:
    """Write a kubeconfig in one step: who sees the file sees all of it. ``authority``: PEM."""
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(authority).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "control-plane", "cluster": cluster}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "control-plane", "context": {"cluster": "control-plane", "user": "user"}}],
        "current-context": "control-plane",
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    write_private(temporary, yaml.safe_dump(document, sort_keys=False))
    temporary.replace(path)

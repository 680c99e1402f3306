"""Consent: an object may be used from another namespace only where its owners say so on the object itself."""

from collections.abc import Mapping
from typing import Final

__all__ = ["SHARED_WITH", "shared_with"]

SHARED_WITH: Final = "canaryctl.dev/shared-with"


def shared_with(annotations: Mapping[str, str], namespace: str) -> bool:
    """Whether an object with these annotations may be used from ``namespace``."""
    named = {item.strip() for item in annotations.get(SHARED_WITH, "").split(",")}
    return "*" in named or namespace in named - {""}

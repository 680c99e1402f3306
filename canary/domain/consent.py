"""Consent: who may use an object of another namespace, said by the object itself in an annotation.

``canaryctl.dev/shared-with: "shop,pay"`` names namespaces, and ``"*"`` alone means all. A value that is not
understood as a whole shares with nobody: half of a typo must not open a door.
"""

from collections.abc import Mapping
from typing import Final

from canary.domain.wishes import is_label

__all__ = ["SHARED_WITH", "shared_with"]

SHARED_WITH: Final = "canaryctl.dev/shared-with"
_EVERYBODY: Final = "*"


def shared_with(annotations: Mapping[str, str], namespace: str) -> bool:
    """Whether the object that carries ``annotations`` is shared with ``namespace``."""
    named = [item.strip() for item in annotations.get(SHARED_WITH, "").split(",")]
    if named == [_EVERYBODY]:
        return True
    return namespace in named and all(is_label(item) for item in named)

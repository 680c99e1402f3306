"""Consent: who may use an object of another namespace, said by the object itself in an annotation.

``canaryctl.dev/shared-with: "shop,pay"`` names namespaces, and ``"*"`` alone means all. A value that is not
understood as a whole shares with nobody: half of a typo must not open a door.
"""

from collections.abc import Mapping
from typing import Final

from canary.domain.errors import Problem
from canary.domain.wishes import is_label, quote

__all__ = ["SHARED_WITH", "consent_remedy", "misread_consent", "shared_with"]

SHARED_WITH: Final = "canaryctl.dev/shared-with"
_EVERYBODY: Final = "*"


def shared_with(annotations: Mapping[str, str], namespace: str) -> bool:
    """Whether the object that carries ``annotations`` is shared with ``namespace``."""
    named = [item.strip() for item in annotations.get(SHARED_WITH, "").split(",")]
    if named == [_EVERYBODY]:
        return True
    return namespace in named and all(is_label(item) for item in named)


def misread_consent(annotations: Mapping[str, str]) -> Problem | None:
    """Return what is wrong with a consent that shares with nobody, though something is written; else None."""
    text = annotations.get(SHARED_WITH)
    if text is None:
        return None
    named = [item.strip() for item in text.split(",")]
    if named == [_EVERYBODY] or all(is_label(item) for item in named):
        return None
    remedy = 'write namespaces separated by commas, or "*" alone: as it is, it shares with nobody'
    return Problem(SHARED_WITH, quote(text), remedy)


def consent_remedy(namespace: str) -> str:
    """Return what a service of ``namespace`` lacks where something is not shared with it."""
    return f"have its owners annotate it {SHARED_WITH}={namespace}"

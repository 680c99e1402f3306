"""Pod templates: when two of them ask for the same, and what stable's becomes when a canary's is promoted.

Pure. Two Deployments in one namespace must differ in some labels, or each would adopt the other's pods.
Those labels tell stable and canary apart and are no part of what is judged: every key of either
Deployment's ``selector.matchLabels``, and the keys by which DestinationRules usually name subsets (below).
For these stable's side always wins: its own value where it has one, no such label where it has none.
"""

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["SUBSET_KEYS", "distinguishing_keys", "promoted", "same_template"]

SUBSET_KEYS = frozenset({"version", "track", "subset"})
HASH_LABEL = "pod-template-hash"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

Json = dict[str, Any]


def distinguishing_keys(
    stable_selector: Mapping[str, str], canary_selector: Mapping[str, str]
) -> frozenset[str]:
    """Return the label keys that tell the two workloads apart."""
    return SUBSET_KEYS | frozenset(stable_selector) | frozenset(canary_selector)


def same_template(one: Json, other: Json, apart: Collection[str] = ()) -> bool:
    """Whether two templates ask for the same, leaving aside the labels ``apart`` and mere restarts."""
    return _comparable(one, apart) == _comparable(other, apart)


def promoted(canary: Json, stable: Json, apart: Collection[str]) -> Json:
    """Return the template that stable gets: the canary's, with stable's side of the labels ``apart``."""
    metadata = _without_none(canary.get("metadata"))
    labels = {
        key: value
        for key, value in _part(metadata, "labels").items()
        if key not in apart and key != HASH_LABEL
    }
    own = {key: value for key, value in _part(stable.get("metadata"), "labels").items() if key in apart}
    return {**canary, "metadata": {**metadata, "labels": {**labels, **own}}}


def _comparable(template: Json, apart: Collection[str]) -> Json:
    """Reduce a template to what it asks for. What the server adds is not there, nor is what is empty."""
    metadata = _without_none(template.get("metadata"))
    ignored = {HASH_LABEL, *apart}
    labels = {key: value for key, value in _part(metadata, "labels").items() if key not in ignored}
    annotations = {key: value for key, value in _part(metadata, "annotations").items() if key != RESTARTED_AT}
    rest = {key: value for key, value in metadata.items() if key not in {"labels", "annotations"}}
    return {**template, "metadata": {**rest, "labels": labels, "annotations": annotations}}


def _without_none(part: Any) -> Json:
    return {key: value for key, value in (part or {}).items() if value is not None}


def _part(metadata: Any, name: str) -> Json:
    return (metadata or {}).get(name) or {}

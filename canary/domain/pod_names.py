"""The names of a Deployment's pods, as Kubernetes makes them. Pure knowledge of the format.

``<deployment>-<pod-template-hash>-<5 characters>``: the hash is a number of 32 bits in decimal, each digit
written as one of ten characters, and the end is random, of 27. No dash is among them, so a pod's name says
its Deployment and never another one's: the pods of ``web-canary`` and of ``web-v2`` are none of ``web``.
"""

import re
from typing import Final

__all__ = ["deployment_of"]

_POD: Final = re.compile(r"(.+)-[456789bcdf]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}")
_LONGEST: Final = 63
"""Kubernetes cuts what stands before the random end so that the whole is no longer than this."""


def deployment_of(pod: str) -> str | None:
    """The Deployment whose pod has this name; None when it is no such name, or may have been cut."""
    if len(pod) >= _LONGEST:
        return None
    found = _POD.fullmatch(pod)
    return found[1] if found is not None else None

"""Questions answered on the spot: who am I, and may I. Who has the token may do everything."""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.objects import Json
from canary.sandbox.apiserver.writes import Target, check_envelope

USER = "canary-sandbox-admin"


def review(target: Target, body: Any) -> Json:
    """Answer a SelfSubjectReview or SelfSubjectAccessReview; raises 400 for any other body."""
    asked = check_envelope(target, body)
    if target.resource.kind == "SelfSubjectReview":
        groups = ["system:masters", "system:authenticated"]
        return asked | {"status": {"userInfo": {"username": USER, "groups": groups}}}
    return asked | {"status": {"allowed": True, "reason": "the sandbox lets its only user do everything"}}

"""The objects of the demo, shaped as a team would have them, and the three releases that it goes through.

The VirtualService has a second route, a retry policy, a timeout and a comment that are none of the
controller's business: they must be the same at the end.
"""

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["NAMESPACE", "RELEASES", "SERVICE", "ShowcaseRelease", "objects", "template_patch"]

Json = dict[str, Any]

NAMESPACE: Final = "shop"
SERVICE: Final = "myapp"
CANARY: Final = "myapp-canary"


@dataclass(frozen=True, slots=True)
class ShowcaseRelease:
    """A version that is pushed to the canary, how it behaves, and how its release ought to end."""

    version: str
    title: str
    behaviour: str
    ending: str
    cause: str | None
    """The objective that must be named as the cause; None for a release that ought to succeed."""


RELEASES: Final = (
    ShowcaseRelease("v2", "a healthy version", "", "Succeeded", None),
    ShowcaseRelease("v3", "answers 20 % errors", "errors=20%", "RolledBack", "error-rate"),
    ShowcaseRelease(
        "v4", "becomes slow at the 50 % step", "latency=700ms slow-above=20/s", "RolledBack", "latency"
    ),
)


def objects(*, steps: str, min_requests: int) -> tuple[Json, ...]:
    """Everything that the team has before its first release, in the order in which it is applied."""
    return (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _service(steps, min_requests),
        _deployment(SERVICE, "stable", replicas=2),
        _deployment(CANARY, "canary", replicas=2),
        _destination_rule(),
        _virtual_service(),
    )


def template_patch(release: ShowcaseRelease) -> Json:
    """A strategic merge patch of the canary Deployment, as `kubectl set env` would send it."""
    container = {"name": "app", "image": f"sandbox.local/myapp:{release.version}", "env": _env(release)}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def _env(release: ShowcaseRelease) -> list[Json]:
    return [{"name": "VERSION", "value": release.version}, {"name": "BEHAVIOUR", "value": release.behaviour}]


def _service(steps: str, min_requests: int) -> Json:
    annotations = {
        "canaryctl.dev/enabled": "true",
        "canaryctl.dev/steps": steps,
        "canaryctl.dev/max-error-rate": "1%",
        "canaryctl.dev/max-latency": "99% < 500ms",
        "canaryctl.dev/min-requests": str(min_requests),
        "canaryctl.dev/drain": "2s",
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE, "annotations": annotations},
        "spec": {"selector": {"app": SERVICE}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }


def _deployment(name: str, track: str, *, replicas: int) -> Json:
    labels = {"app": SERVICE, "track": track}
    first = ShowcaseRelease("v1", "what runs before the demo", "", "", None)
    container = {
        "name": "app",
        "image": "sandbox.local/myapp:v1",
        "env": _env(first),
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": SERVICE}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 5, "containers": [container]},
            },
        },
    }


def _destination_rule() -> Json:
    subsets = [{"name": track, "labels": {"track": track}} for track in ("stable", "canary")]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"host": SERVICE, "subsets": subsets},
    }


def _virtual_service() -> Json:
    comment = "Owned by team shop. The status page must stay on stable, please do not touch it."
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "annotations": {"shop.example/comment": comment},
        },
        "spec": {
            "hosts": [SERVICE],
            "gateways": ["mesh", "istio-system/sandbox"],
            "http": [
                {
                    "name": "status-page",
                    "match": [{"uri": {"prefix": "/status"}}],
                    "route": [{"destination": {"host": SERVICE, "subset": "stable"}}],
                },
                {
                    "name": "main",
                    "route": [
                        {"destination": {"host": SERVICE, "subset": "stable"}, "weight": 90},
                        {"destination": {"host": SERVICE, "subset": "canary"}, "weight": 10},
                    ],
                    "retries": {
                        "attempts": 2,
                        "retryOn": "connect-failure,refused-stream",
                        "perTryTimeout": "2s",
                    },
                    "timeout": "5s",
                },
            ],
        },
    }

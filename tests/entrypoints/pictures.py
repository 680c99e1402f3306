"""Pictures for the page's tests, made by hand: no cluster needed."""

from collections.abc import Iterable
from dataclasses import replace

from canary.adapters.kube.release_survey import PastRelease, ReleasesOfService, Survey
from canary.app.ports import AnnotatedService, StoredRelease
from canary.domain.observation import Requests
from canary.domain.plan import ServiceKey
from canary.domain.release import Release
from canary.entrypoints.page.content import Overview, overview
from tests.entrypoints.examples import NOW, wishes_of


def line_of(release: Release) -> PastRelease:
    reason = release.reason.value
    return PastRelease(release.created_at, release.name, release.revision, release.phase.value, reason)


def releases(
    name: str, release: Release, *older: Release, asked: Requests | None = None, count: int = 0
) -> ReleasesOfService:
    """A service ``namespace/name`` with its newest release, and older ones."""
    key = ServiceKey(*name.split("/"))
    newest, *others = (replace(each, key=key) for each in (release, *older))
    stored = StoredRelease(newest, "7", name, asked or Requests())
    history = tuple(line_of(each) for each in (newest, *others))
    return ReleasesOfService(key, stored, "", history, count or len(history))


def unreadable(name: str, problem: str) -> ReleasesOfService:
    return ReleasesOfService(ServiceKey(*name.split("/")), None, problem, (), 1)


def annotated(name: str, **annotations: str) -> AnnotatedService:
    named = {f"canaryctl.dev/{key}": value for key, value in {"enabled": "true", **annotations}.items()}
    return AnnotatedService(ServiceKey(*name.split("/")), "u1", named)


def picture(
    surveyed: Iterable[ReleasesOfService] = (),
    services: Iterable[AnnotatedService] = (),
    left_out: int = 0,
    unseen: tuple[str, ...] = (),
) -> Overview:
    return overview(Survey(tuple(surveyed), left_out, unseen), wishes_of(*services), None, NOW)

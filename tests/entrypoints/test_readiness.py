"""A replica is ready while there is a namespace that it can look after, and says why when there is none."""

from dataclasses import dataclass, field
from typing import Any, cast

from canary.entrypoints.controller import WATCH_SILENT_SECONDS, _watch_check
from canary.entrypoints.wiring import Wired


@dataclass
class HandGroup:
    """A group of watches that fails and ages as a test says."""

    namespaces: dict[str, str]
    failing: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    def failures(self) -> dict[str, str]:
        return self.failing

    def ages(self) -> dict[str, float]:
        return {path: WATCH_SILENT_SECONDS + (path in self.silent) for path in self.namespaces.values()}


@dataclass
class HandWired:
    watches: tuple[HandGroup, ...]


def told(*groups: HandGroup) -> str | None:
    return _watch_check(cast("Wired", cast("Any", HandWired(groups))))()


def services() -> HandGroup:
    return HandGroup({"shop": "/shop/services", "pay": "/pay/services"})


def releases() -> HandGroup:
    return HandGroup({"shop": "/shop/releases", "pay": "/pay/releases"})


def test_all_is_well_while_every_watch_is_heard() -> None:
    assert told(services(), releases()) is None


def test_one_namespace_that_cannot_be_followed_is_no_reason_to_be_unready() -> None:
    failing = releases()
    failing.failing["/pay/releases"] = "403 forbidden"
    assert told(services(), failing) is None


def test_every_namespace_lost_to_some_watch_is_told_with_its_cause() -> None:
    first, second = services(), releases()
    first.silent.add("/shop/services")
    second.failing["/pay/releases"] = "403 forbidden"
    words = told(first, second)
    assert words == "/shop/services: silent for 181 s; /pay/releases: 403 forbidden"


def test_watch_of_all_namespaces_that_fails_is_all_there_is() -> None:
    assert told(HandGroup({"": "/services"}, {"/services": "connection refused"})) is not None

"""Linting what Istio does around routes that are right, and that hides or feigns errors of a canary. Pure.

Two things, each only where it changes what a release is judged by, which is what users get:

- *Retries* of answers that count as errors. What Istio tries again where a route names no conditions is not
  told of: every route has it. Nor are retries of what reached no pod, which hide no answer of one.
- *Outlier detection* that may take out all of the canary's pods, so that Envoy answers 503 in their place.
  Tried with Envoy 1.40: at less than 100 % it leaves a lone pod alone, and with any share that has to stay
  healthy it goes on sending to pods that are out when there is no other.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from canary.adapters.decoding import convert
from canary.adapters.istio.destination_rules import Target
from canary.adapters.istio.objects import Home
from canary.adapters.istio.routes import PairRoute
from canary.domain.errors import Problem
from canary.entrypoints.findings import Doubt
from canary.entrypoints.linting_surroundings import Surroundings
from canary.entrypoints.manifests import Manifest

__all__ = ["surprises_of"]

T = TypeVar("T")
_Path = tuple[str | int, ...]

_OF_ANSWERS: Final = frozenset(
    {"5xx", "gateway-error", "reset", "deadline-exceeded", "internal", "unavailable"}
)
"""Conditions that are met by an answer, or by the want of one, that counts as an error."""
_REACHED_NO_POD: Final = "connect-failure,refused-stream"


class Retries(msgspec.Struct, frozen=True, rename="camel"):
    """A route's retries."""

    attempts: int = 0
    retry_on: str = ""

    @property
    def conditions(self) -> str:
        """The conditions that hide errors, for people; empty when none does or nothing is tried again."""
        if self.attempts <= 0:
            return ""
        named = (name.strip() for name in self.retry_on.split(","))
        return ",".join(name for name in named if name in _OF_ANSWERS or _is_server_error(name))


class OutlierDetection(msgspec.Struct, frozen=True):
    """When Envoy takes a pod out, and how many."""

    consecutive_5xx: int | None = msgspec.field(default=None, name="consecutive5xxErrors")
    consecutive_gateway: int | None = msgspec.field(default=None, name="consecutiveGatewayErrors")
    most_percent: int = msgspec.field(default=0, name="maxEjectionPercent")
    healthy_percent: int = msgspec.field(default=0, name="minHealthPercent")

    @property
    def may_take_all(self) -> bool:
        """Whether no pod may be left to send to."""
        # Without a word it is five 5xx in a row.
        is_on = self.consecutive_5xx != 0 or bool(self.consecutive_gateway)
        return is_on and self.most_percent >= 100 and self.healthy_percent <= 0


def surprises_of(pairs: Sequence[PairRoute], namespace: str, surroundings: Surroundings) -> Iterator[Doubt]:
    """Yield what Istio does beside the weights of ``pairs`` that whoever reads a verdict should know."""
    places = dict.fromkeys(place for pair in pairs for place in _where_retries_are_said(pair, surroundings))
    for home, index in places:
        yield from _retries(surroundings.manifest_of(home), index, namespace)
    for target in dict.fromkeys(pair.canary.target for pair in pairs):
        for rule in _rules(target.host, namespace, surroundings):
            yield from _outliers(rule, target)


def _where_retries_are_said(pair: PairRoute, surroundings: Surroundings) -> Sequence[tuple[Home, int]]:
    """The http route itself, or those that delegate to it, whose retries it has if it says none."""
    item, read = surroundings.virtual_services[pair.home]
    if read.spec.hosts or item.at("spec", "http", pair.index, "retries") is not None:
        return [(pair.home, pair.index)]
    return surroundings.standings.roots.get(pair.home, ())


def _retries(item: Manifest, index: int, namespace: str) -> Iterator[Doubt]:
    path = ("spec", "http", index, "retries")
    written = _read(item.at(*path), Retries)
    if written is None or not written.conditions:
        return
    found = (
        f"up to {written.attempts} on {written.conditions}: users, and so the verdict, meet the last attempt "
        "only, and a canary that often fails may pass"
    )
    remedy = (
        f"retry only what reached no pod (retryOn: {_REACHED_NO_POD}), or look at the pods' own count of "
        "attempts in canaryctl explain"
    )
    yield Doubt(Problem(_place(item, path, namespace), found, remedy), item, item.line(*path))


def _rules(host: str, namespace: str, surroundings: Surroundings) -> Sequence[Manifest]:
    """The DestinationRules of the most specific pattern that covers ``host``."""
    labels = host.split(".")
    patterns = (".".join(["*", *labels[start:]]) for start in range(1, len(labels) + 1))
    for pattern in (host, *patterns):
        if found := surroundings.places[namespace].rules.get(pattern):
            return found
    return ()


def _outliers(rule: Manifest, target: Target) -> Iterator[Doubt]:
    for path in _policies(rule, target.subset):
        written = _read(rule.at(*path), OutlierDetection)
        if written is None or not written.may_take_all:
            continue
        found = (
            f"maxEjectionPercent {written.most_percent} without minHealthPercent for {target}, the canary: a "
            "few errors take out its only pod, or all of them, and Envoy answers 503 in their place"
        )
        remedy = (
            "write a lower maxEjectionPercent, or a minHealthPercent, which has Envoy send to a pod anyway"
        )
        yield Doubt(Problem(_place(rule, path, rule.namespace), found, remedy), rule, rule.line(*path))


def _policies(rule: Manifest, subset: str) -> Iterator[_Path]:
    """Where outlier detection for a subset may stand: a subset's own comes in place of the host's."""
    general: _Path = ("spec", "trafficPolicy")
    subsets = rule.at("spec", "subsets") or ()
    own: list[_Path] = [
        ("spec", "subsets", position, "trafficPolicy")
        for position in range(len(subsets))
        if subset and rule.at("spec", "subsets", position, "name") == subset
    ]
    is_replaced = any(rule.at(*path, "outlierDetection") is not None for path in own)
    for policy in own if is_replaced else [*own, general]:
        yield (*policy, "outlierDetection")
        ports = rule.at(*policy, "portLevelSettings")
        for position in range(len(ports) if isinstance(ports, list) else 0):
            yield (*policy, "portLevelSettings", position, "outlierDetection")


def _place(item: Manifest, path: _Path, namespace: str) -> str:
    name = item.name if item.namespace == namespace else f"{item.name}.{item.namespace}"
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{item.kind} {name}, {steps.removeprefix('.')}"


def _is_server_error(name: str) -> bool:
    """Whether it is a status that counts as an error; of all numbers Istio makes statuses."""
    return name.isdecimal() and 500 <= int(name) < 600


def _read(written: object, kind: type[T]) -> T | None:
    """What is written; None where nothing is, or nothing that can be understood: kubectl tells of that."""
    try:
        return convert(written, kind)
    except msgspec.ValidationError:
        return None

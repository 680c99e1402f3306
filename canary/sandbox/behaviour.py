"""How a sandbox application misbehaves, as text that people can read: `errors=20% latency=800ms@50%`.

    (empty)                          healthy
    errors=20%                       a fifth of the requests is answered with status 500
    errors=20% status=503            ... with 503
    latency=800ms                    every request takes 800 ms
    latency=800ms@50%                every other request, at random, takes 800 ms
    latency=700ms slow-above=30/s    takes 700 ms while this process gets more than 30 requests per second, as
                                     a service does that is fine with a little traffic but not with much
    errors=20% late=300              only from its 300th request on does a process answer with errors
    failed-orders=20%                a fifth of the orders fails behind answers of 200: only the application's
                                     own counter tells
    waiting-orders=20%               a fifth of the orders waits for ever, behind answers of 200: the gauge
                                     orders_waiting grows
    ready-after=3s, never-ready      readiness comes late, or never
    ready-in=canary                  readiness comes only in pods with this in their name, as where the others
                                     lack a secret or a right node
    crash-after=5s                   the process ends with code 1

Pure: parsing and the measure of the request rate; no clock, no I/O.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

_WINDOW_SECONDS = 2.0
_SLOTS = 20


class InvalidBehaviour(ValueError):
    """The text does not follow the grammar; the message names the word and what would be right."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a request may meet. Shares are in 0..1, times in seconds."""

    error_share: float = 0.0
    error_status: int = 500
    late_requests: int = 0
    latency_seconds: float = 0.0
    latency_share: float = 1.0
    slow_above_per_second: float = 0.0
    failed_order_share: float = 0.0
    waiting_order_share: float = 0.0
    ready_after_seconds: float = 0.0
    never_ready: bool = False
    ready_in: str = ""
    crash_after_seconds: float | None = None


def parse_behaviour(text: str) -> Behaviour:
    """Parse the grammar above. Raises InvalidBehaviour."""
    behaviour = Behaviour()
    for word in text.split():
        name, _, value = word.partition("=")
        parse = _WORDS.get(name)
        if parse is None:
            raise InvalidBehaviour(f"unknown word {word!r}; known are {', '.join(sorted(_WORDS))}")
        behaviour = parse(behaviour, value, word)
    if behaviour.late_requests and not behaviour.error_share:
        raise InvalidBehaviour("late needs errors, for example: errors=20% late=300")
    if behaviour.slow_above_per_second and not behaviour.latency_seconds:
        raise InvalidBehaviour("slow-above needs a latency, for example: latency=700ms slow-above=30/s")
    return behaviour


def _number(pattern: str, value: str, word: str, example: str) -> re.Match[str]:
    match = re.fullmatch(pattern, value)
    if match is None:
        raise InvalidBehaviour(f"cannot read {word!r}; write it like {example}")
    return match


def _share(value: str, word: str, example: str) -> float:
    share = float(_number(r"(\d+(?:\.\d+)?)%", value, word, example)[1]) / 100
    if share > 1:
        raise InvalidBehaviour(f"{word!r} is more than 100%")
    return share


def _seconds(value: str, word: str, example: str) -> float:
    match = _number(r"(\d+(?:\.\d+)?)(ms|s)", value, word, example)
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def _errors(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    return replace(behaviour, error_share=_share(value, word, "errors=20%"))


def _late(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    return replace(behaviour, late_requests=int(_number(r"(\d{1,9})", value, word, "late=300")[1]))


def _status(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    return replace(behaviour, error_status=int(_number(r"([45]\d\d)", value, word, "status=503")[1]))


def _latency(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    time, _, share = value.partition("@")
    return replace(
        behaviour,
        latency_seconds=_seconds(time, word, "latency=800ms"),
        latency_share=_share(share, word, "latency=800ms@50%") if share else 1.0,
    )


def _slow_above(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    rate = float(_number(r"(\d+(?:\.\d+)?)/s", value, word, "slow-above=30/s")[1])
    return replace(behaviour, slow_above_per_second=rate)


def _failed_orders(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    return replace(behaviour, failed_order_share=_share(value, word, "failed-orders=20%"))


def _waiting_orders(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    return replace(behaviour, waiting_order_share=_share(value, word, "waiting-orders=20%"))


def _ready_after(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    return replace(behaviour, ready_after_seconds=_seconds(value, word, "ready-after=3s"))


def _never_ready(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    _number("", value, word, "never-ready")
    return replace(behaviour, never_ready=True)


def _ready_in(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    return replace(behaviour, ready_in=_number(r"([a-z0-9-]+)", value, word, "ready-in=canary")[1])


def _crash_after(behaviour: Behaviour, value: str, word: str) -> Behaviour:
    return replace(behaviour, crash_after_seconds=_seconds(value, word, "crash-after=5s"))


_WORDS: dict[str, Callable[[Behaviour, str, str], Behaviour]] = {
    "errors": _errors,
    "late": _late,
    "status": _status,
    "latency": _latency,
    "slow-above": _slow_above,
    "failed-orders": _failed_orders,
    "waiting-orders": _waiting_orders,
    "ready-after": _ready_after,
    "never-ready": _never_ready,
    "ready-in": _ready_in,
    "crash-after": _crash_after,
}


@dataclass(slots=True)
class RequestRate:
    """Requests per second over the last two seconds, in slots of a tenth, whatever the rate."""

    _counts: list[int] = field(default_factory=lambda: [0] * _SLOTS)
    _newest: int = 0

    def count(self, now_seconds: float) -> None:
        """Count one request at `now_seconds`, a clock that never goes back."""
        self._advance(now_seconds)
        self._counts[self._newest % _SLOTS] += 1

    def per_second(self, now_seconds: float) -> float:
        """The mean rate of the two seconds before `now_seconds`."""
        self._advance(now_seconds)
        return sum(self._counts) / _WINDOW_SECONDS

    def _advance(self, now_seconds: float) -> None:
        slot = int(now_seconds * _SLOTS / _WINDOW_SECONDS)
        for stale in range(max(self._newest + 1, slot - _SLOTS + 1), slot + 1):
            self._counts[stale % _SLOTS] = 0
        self._newest = max(self._newest, slot)

"""Wishes: how to read the value of each annotation. Everything refused comes with what would be right.

Each parser takes stripped text and raises ``ValueError`` with a remedy. The message does not repeat the whole
text, which may be long and is anybody's: whoever reports it shows it by ``quote``.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeVar

from canary.domain.duration import format_duration, parse_duration
from canary.domain.plan import EvidenceRule, Gate, OnNoData, PolicyRef, RouteRef, Step

__all__ = [
    "LONGEST_SHOWN",
    "Parser",
    "blast_radius",
    "boolean",
    "bounded_percentage",
    "budget",
    "check_interval",
    "deadline",
    "drain",
    "dry_run",
    "escaped",
    "evidence_rule",
    "gates",
    "in_namespace",
    "interval",
    "is_label",
    "latency",
    "on_no_data",
    "policy",
    "quote",
    "ratio",
    "request_count",
    "shorten",
    "steps",
    "suggestion",
    "virtual_services",
    "workload_name",
]

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Parser = Callable[[str], T]

DEFAULT_BAKE_SECONDS: Final = 60.0
LEAST_BAKE_SECONDS: Final = 1.0
MOST_STEPS: Final = 20
MOST_ROUTES: Final = 50
MOST_OBJECTIVE_NAMES: Final = 12
MOST_REQUESTS: Final = 1_000_000
LONGEST_SHOWN: Final = 60
LONGEST_OBJECT_NAME: Final = 253
NONE: Final = "none"
"""Written where a wish of a policy or of the defaults is to be taken back."""

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_REFERENCE: Final = re.compile(
    rf"(?P<name>{_LABEL.pattern})(\.(?P<namespace>{_LABEL.pattern}))?(/(?P<route>{_LABEL.pattern}))?",
    re.ASCII,
)
_NUMBER: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_LATENCY: Final = re.compile(r"(?P<share>[^<%]*)%\s*<\s*(?P<bound>[^<%]+)")


def is_label(text: str) -> bool:
    """Whether ``text`` can be the name of a namespace: lower case letters, digits and -, at most 63."""
    return _LABEL.fullmatch(text) is not None


def escaped(text: str) -> str:
    """Return ``text`` in one line and harmless to a terminal: what cannot be printed as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shorten(text: str) -> str:
    """Return ``text`` fit for a message: printable and at most 60 characters."""
    printable = escaped(text[: LONGEST_SHOWN + 1])
    return printable if len(printable) <= LONGEST_SHOWN else printable[: LONGEST_SHOWN - 1] + "…"


def quote(text: str) -> str:
    """Return ``text`` as a message shows what was found."""
    return f'"{shorten(text)}"'


def suggestion(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that ``word`` is probably meant to be; None when it resembles none."""
    return next(iter(difflib.get_close_matches(word[:LONGEST_SHOWN].lower(), known, n=1)), None)


def boolean(text: str) -> bool:
    """Read ``true`` or ``false``."""
    if text not in {"true", "false"}:
        raise ValueError('write "true" or "false"')
    return text == "true"


def workload_name(text: str) -> str:
    """Read the name of a workload of the service's own namespace."""
    if "/" in text:
        raise ValueError("write the name alone: only workloads of the service's own namespace can be used")
    if len(text) > LONGEST_OBJECT_NAME or not all(is_label(label) for label in text.split(".")):
        raise ValueError("write the name of a Deployment: lower case letters, digits, - and .")
    return text


def steps(text: str) -> tuple[Step, ...]:
    """Read weights that rise, each with a bake time or without."""
    items = [item.strip() for item in text.split(",", MOST_STEPS)]
    if len(items) > MOST_STEPS:
        raise ValueError(f"write at most {MOST_STEPS} steps")
    read = tuple(_step(number, item) for number, item in enumerate(items, start=1))
    for number, (before, after) in enumerate(pairwise(read), start=2):
        if after.weight <= before.weight:
            raise ValueError(
                f"weights must rise: step {number} ({after.weight}) must be above step {number - 1} "
                f"({before.weight})"
            )
    return read


def _step(number: int, item: str) -> Step:
    where = f"step {number}"
    if not item:
        raise ValueError(f'{where} is empty: write weights separated by commas, such as "10,50,100"')
    weight, at, bake = (part.strip() for part in item.partition("@"))
    if weight.endswith("%"):
        raise ValueError(f'{where}: write the weight without a percent sign, such as "10"')
    if not re.fullmatch(r"\d{1,3}", weight, re.ASCII) or not 1 <= int(weight) <= 100:
        raise ValueError(f"{where}: write a whole number from 1 to 100, not {quote(weight)}")
    if not at:
        return Step(int(weight), DEFAULT_BAKE_SECONDS)
    try:
        bake_seconds = parse_duration(bake)
    except ValueError as refused:
        raise ValueError(f"{where}, its bake time after @: {refused}") from None
    if bake_seconds < LEAST_BAKE_SECONDS:
        raise ValueError(f"{where}: bake for at least {format_duration(LEAST_BAKE_SECONDS)}")
    return Step(int(weight), bake_seconds)


def interval(text: str) -> float:
    """Read how often to look, in seconds."""
    return _duration_between(text, 2.0, 600.0)


def check_interval(text: str) -> float:
    """Read how far checks are apart at least, in seconds."""
    return _duration_between(text, 1.0, 3600.0)


def deadline(text: str) -> float:
    """Read how long a release may take, in seconds."""
    return _duration_between(text, LEAST_BAKE_SECONDS, 720 * 3600.0)


def drain(text: str) -> float:
    """Read how long the canary's pods outlive their traffic, in seconds."""
    return _duration_between(text, 1.0, 3600.0)


def _duration_between(text: str, least_seconds: float, most_seconds: float) -> float:
    seconds = parse_duration(text)
    if not least_seconds <= seconds <= most_seconds:
        least, most = format_duration(least_seconds), format_duration(most_seconds)
        raise ValueError(f"write a duration from {least} to {most}")
    return seconds


def bounded_percentage(text: str) -> float:
    """Read a percentage above 0 and below 100 as a fraction."""
    fraction = _percentage(text, example="1%")
    if not 0.0 < fraction < 1.0:
        raise ValueError('write a percentage above 0 and below 100, such as "1%"')
    return fraction


def budget(text: str) -> float:
    """Read a chance of at most 10 % as a fraction."""
    fraction = _percentage(text, example="1%")
    if not 0.000_001 <= fraction <= 0.1:
        raise ValueError('write a percentage from 0.0001 to 10, such as "1%"')
    return fraction


def blast_radius(text: str) -> float:
    """Read a share of all requests, at most 50 %, as a fraction."""
    fraction = _percentage(text, example="0.5%")
    if not 0.000_01 <= fraction <= 0.5:
        raise ValueError('write a percentage from 0.001 to 50, such as "0.5%"')
    return fraction


def _percentage(text: str, example: str) -> float:
    if _NUMBER.fullmatch(text):
        meant = 100 * float(text) if 0 < float(text) < 1 else float(text)
        raise ValueError(f'write a percentage: did you mean "{meant:g}%"?')
    number = text.removesuffix("%").rstrip()
    if not text.endswith("%") or not _NUMBER.fullmatch(number):
        raise ValueError(f'write a percentage, such as "{example}"')
    return round(float(number) / 100.0, 14)


def latency(text: str) -> tuple[float, float] | None:
    """Read ``99% < 500ms`` as the largest share of slow requests (0.01) and the bound in milliseconds.

    ``none`` says that latency is not judged.
    """
    if text == NONE:
        return None
    match = _LATENCY.fullmatch(text)
    if match is None:
        raise ValueError('write the share that must be faster than a bound, such as "99% < 500ms"')
    share = match["share"].strip()
    if not _NUMBER.fullmatch(share) or not 0.0 < float(share) < 100.0:
        raise ValueError('write a percentage above 0 and below 100 before the <, such as "99% < 500ms"')
    try:
        bound_seconds = parse_duration(match["bound"].strip())
    except ValueError as refused:
        raise ValueError(f"the bound after the <: {refused}") from None
    if bound_seconds <= 0.0:
        raise ValueError('write a bound above 0 after the <, such as "99% < 500ms"')
    # Rounded, because 100 - 99.9 is not 0.1 in binary.
    return round((100.0 - float(share)) / 100.0, 14), round(bound_seconds * 1000.0, 9)


def ratio(text: str) -> float:
    """Read ``1.2x``."""
    if _NUMBER.fullmatch(text):
        raise ValueError(f'write the number with an x: "{text}x"')
    number = text.removesuffix("x")
    if number == text or not _NUMBER.fullmatch(number) or not 1.0 <= float(number) <= 100.0:
        raise ValueError('write a number from 1 to 100 followed by x, such as "1.2x"')
    return float(number)


def request_count(text: str) -> int:
    """Read a whole number of requests."""
    if not re.fullmatch(r"\d{1,7}", text, re.ASCII) or not 1 <= int(text) <= MOST_REQUESTS:
        raise ValueError(f'write a whole number from 1 to {MOST_REQUESTS}, such as "50"')
    return int(text)


def evidence_rule(text: str) -> EvidenceRule:
    """Read the rule by which steps pass."""
    return _choice(text, EvidenceRule)


def gates(text: str) -> frozenset[Gate]:
    """Read the gates that need a person's approval; ``none`` says that there are none."""
    if text == NONE:
        return frozenset()
    return frozenset(_choice(item.strip(), Gate) for item in text.split(",", len(Gate) * 2))


def dry_run(text: str) -> frozenset[str]:
    """Read names of objectives; ``none`` says that there are none."""
    if text == NONE:
        return frozenset()
    names = [item.strip() for item in text.split(",", MOST_OBJECTIVE_NAMES)]
    if len(names) > MOST_OBJECTIVE_NAMES or not all(is_label(name) for name in names):
        raise ValueError('write names of objectives, separated by commas, such as "latency", or "none"')
    return frozenset(names)


def on_no_data(text: str) -> OnNoData:
    """Read what the deadline makes of a release that lacks evidence."""
    return _choice(text, OnNoData)


def _choice(text: str, choices: type[E]) -> E:
    known = [choice.value for choice in choices]
    if text in known:
        return choices(text)
    close = suggestion(text, known)
    hint = f'did you mean "{close}"? ' if close else ""
    raise ValueError(hint + "write " + " or ".join(f'"{choice}"' for choice in known))


def virtual_services(text: str) -> tuple[RouteRef, ...]:
    """Read names of VirtualServices, each with its namespace and one of its http routes or without."""
    items = [item.strip() for item in text.split(",", MOST_ROUTES)]
    if len(items) > MOST_ROUTES:
        raise ValueError(f"write at most {MOST_ROUTES} names")
    references = tuple(_reference(item) for item in items)
    for index, reference in enumerate(references):
        if reference in references[:index]:
            raise ValueError(f"{quote(items[index])} stands there twice; write it once")
    return references


def in_namespace(references: Sequence[RouteRef], namespace: str) -> tuple[RouteRef, ...]:
    """Return what ``references`` mean to a service of ``namespace``, each once.

    Its own namespace written out is the same as none.
    """
    own = (replace(item, namespace=None) if item.namespace == namespace else item for item in references)
    return tuple(dict.fromkeys(own))


def _reference(item: str) -> RouteRef:
    match = _REFERENCE.fullmatch(item)
    if match is None:
        raise ValueError(
            f"{quote(item)} is not NAME, NAME/ROUTE, NAME.NAMESPACE or NAME.NAMESPACE/ROUTE: names are lower "
            "case letters, digits and -"
        )
    return RouteRef(match["name"], match["route"], match["namespace"])


def policy(text: str) -> PolicyRef:
    """Read the name of a ReleasePolicy, with the namespace that it is in or without."""
    namespace, slash, name = text.rpartition("/")
    named = len(name) <= LONGEST_OBJECT_NAME and all(is_label(part) for part in name.split("."))
    if not named or (slash and not is_label(namespace)):
        raise ValueError(
            "write NAME of a ReleasePolicy in the service's own namespace, or NAMESPACE/NAME of one that is "
            "shared with it: lower case letters, digits, - and ."
        )
    return PolicyRef(name, namespace if slash else None)

"""The kinds of values that settings have: how each is read from a file, a variable or a flag, and shown."""

import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)

from canary.adapters.kube.policy_rules import DURATION
from canary.domain.duration import format_duration, parse_duration

__all__ = [
    "BaseUrl",
    "Count",
    "Group",
    "Headers",
    "Name",
    "Namespace",
    "Namespaces",
    "Period",
    "Seconds",
    "in_a_file",
]

_DNS_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError('write a duration with its unit, such as "90s"')  # noqa: TRY004 - pydantic's way
    return parse_duration(value)


def _some_seconds(value: float) -> float:
    if value <= 0:
        raise ValueError("write a duration greater than zero")
    return value


def _not_a_switch(value: object) -> object:
    """YAML reads ``yes`` and ``on`` as true, which would count as 1."""
    if isinstance(value, bool):
        raise ValueError("write a number")  # noqa: TRY004 - pydantic's way
    return value


def _namespace(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError("a namespace has at most 63 characters of a-z, 0-9 and, between them, -")
    return value


def _name(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError("a name has at most 63 characters of a-z, 0-9 and, between them, -")
    return value


def _base_url(value: str) -> str:
    wanted = "it must be like http://prometheus.monitoring:9090, without query or fragment"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        # Python's words quote the URL, and with it the credentials that it may contain.
        raise ValueError(wanted) from None
    if "@" in parts.netloc:
        raise ValueError("it must not contain credentials: use basic_auth or bearer_token_file")
    is_web = parts.scheme in ("http", "https") and parts.hostname and port != 0
    if not is_web or parts.query or parts.fragment:
        raise ValueError(wanted)
    return value


def _one_line(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().isprintable():
        raise ValueError("a header value is one line of printable characters")
    return value


def _listed(value: object) -> object:
    """Variables and flags have no lists: they separate with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _mapped(value: object) -> object:
    """Variables and flags have no maps: they separate with commas, and names from values with ``=``."""
    if not isinstance(value, str):
        return value
    pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
    if not all(separator for _, separator, _ in pairs):
        raise ValueError('write "Name=value", several separated by commas')
    return {name.strip(): content.strip() for name, _, content in pairs}


def in_a_file(value: object) -> object:
    """Refuse a text where only a file can hold the value."""
    if isinstance(value, str):
        raise ValueError("it has too many parts for a variable or a flag: write it in the file")  # noqa: TRY004
    return value


BaseUrl = Annotated[
    str,
    AfterValidator(_base_url),
    # Empty, too: so it is where nobody has said it yet.
    WithJsonSchema({"type": "string", "pattern": r"^(https?://[^@?#\s]+)?$"}),
]
Seconds = Annotated[
    float,
    BeforeValidator(_seconds),
    PlainSerializer(format_duration),
    WithJsonSchema({"type": "string", **DURATION}),
]
Period = Annotated[Seconds, AfterValidator(_some_seconds)]
Count = Annotated[int, BeforeValidator(_not_a_switch)]
Namespace = Annotated[str, AfterValidator(_namespace)]
Name = Annotated[str, AfterValidator(_name)]
Namespaces = Annotated[tuple[Namespace, ...], BeforeValidator(_listed)]
Header = Annotated[SecretStr, AfterValidator(_one_line)]
Headers = Annotated[Mapping[str, Header], BeforeValidator(_mapped)]


class Group(BaseModel):
    """Frozen, strict about its keys, and silent about inputs in its own errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

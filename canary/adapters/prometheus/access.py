"""How to reach one Prometheus API: a frozen value without defaults from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["BasicAuth", "ClientCertificate", "PrometheusAccess"]


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """A user name and password; the password is kept out of ``repr``."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """PEM files of a TLS client certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class PrometheusAccess:
    """URL, credentials and bounds. Raises ``ValueError`` for what cannot work, without showing secrets."""

    url: str
    """Base URL, such as ``http://prometheus.monitoring:9090`` or ``https://mimir.example/prometheus``."""
    timeout_seconds: float = 10.0
    """For one query, at the server and here."""
    bearer_token_file: Path | None = None
    """Read anew for every query, as tokens rotate."""
    basic_auth: BasicAuth | None = None
    ca_file: Path | None = None
    """PEM; None: the usual authorities. The environment's REQUESTS_CA_BUNDLE has no say."""
    client_certificate: ClientCertificate | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every query, such as X-Scope-OrgID."""
    max_answer_bytes: int = 64 * 1024 * 1024
    """Of one answer, after decompression."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if "@" in parts.netloc:
            # The URL is shown in errors; the message must not show it either.
            raise ValueError(
                "the Prometheus URL must not contain credentials: use basic auth or a token file"
            )
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is not an http:// or https:// URL")
        if parts.query or parts.fragment:
            raise ValueError(f"the URL {self.url!r} must end with its path: no query, no fragment")
        if self.bearer_token_file is not None and self.basic_auth is not None:
            raise ValueError("a bearer token file and basic auth exclude each other")
        if self.timeout_seconds <= 0 or self.max_answer_bytes <= 0:
            raise ValueError("timeout and answer size must be greater than zero")

    @property
    def base_url(self) -> str:
        """The URL without a slash at its end."""
        return self.url.rstrip("/")

    @property
    def place(self) -> str:
        """Host, port and path: what errors call it."""
        parts = urlsplit(self.base_url)
        return parts.netloc + parts.path

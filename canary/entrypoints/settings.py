"""What an administrator can set, with defaults: frozen values in groups, complete once they exist.

Keys are what files, variables and errors call a setting (``controller.tick``); attributes carry their unit
(``settings.controller.tick_seconds``). ``canary.entrypoints.settings_loading`` finds the values. Secrets are
read from files that settings name, but for header values, which no text made here ever shows.
"""

from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from canary.domain.duration import format_duration
from canary.entrypoints.plans import PlanSettings
from canary.entrypoints.setting_types import (
    BaseUrl,
    Count,
    Group,
    Headers,
    Namespace,
    Namespaces,
    Period,
    Seconds,
)

__all__ = [
    "BasicAuthSettings",
    "ControllerSettings",
    "HttpSettings",
    "KubernetesSettings",
    "LeadershipSettings",
    "LogSettings",
    "PageSettings",
    "PlanSettings",
    "PrometheusSettings",
    "Settings",
    "dump_settings",
    "masked",
]

LONGEST_NAME: Final = 253


class KubernetesSettings(Group):
    """The cluster, and the part of it that is looked after."""

    kubeconfig: Path | None = None
    """None: KUBECONFIG, then the pod's service account, then ~/.kube/config."""
    context: str | None = None
    namespaces: Namespaces = ()
    """None given: all of them."""


class BasicAuthSettings(Group):
    """HTTP basic authentication; the password is read from a file."""

    username: str
    password_file: Path


class PrometheusSettings(Group):
    """The default metrics provider."""

    url: BaseUrl
    """Base URL of a Prometheus API."""
    timeout_seconds: Period = Field(default=10.0, alias="timeout")
    bearer_token_file: Path | None = None
    basic_auth: BasicAuthSettings | None = None
    ca_file: Path | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None
    headers: Headers = Field(default_factory=dict)
    reporter: Literal["source", "destination"] = "source"
    """Whose view of a request counts; source sees failures on the way, too."""
    scrape_interval_seconds: Period = Field(default=15.0, alias="scrape_interval")
    """Of Envoy's metrics: the measurement grid of new releases."""
    lag_seconds: Seconds = Field(default=2.0, alias="lag")
    """How long after its end a window is looked at: samples arrive late."""

    @model_validator(mode="after")
    def _is_usable(self) -> "PrometheusSettings":
        if self.bearer_token_file is not None and self.basic_auth is not None:
            raise ValueError("bearer_token_file and basic_auth exclude each other: set one of them")
        if (self.client_certificate_file is None) != (self.client_key_file is None):
            raise ValueError("client_certificate_file and client_key_file belong together: set both or none")
        return self


class ControllerSettings(Group):
    """The loop."""

    tick_seconds: Period = Field(default=2.0, alias="tick")
    """How often to look at releases that are being judged, unless their plan says otherwise."""
    workers: Count = Field(default=4, ge=1, le=64)
    """Passes that may run at once."""
    checkpoint_interval_seconds: Period = Field(default=10.0, alias="checkpoint_interval")
    """The longest that folded evidence stays unsaved between transitions."""
    cluster_domain: str = "cluster.local"
    history_limit: Count = Field(default=10, ge=1, le=1000)
    """Releases kept per service."""


class LeadershipSettings(Group):
    """The election of the one replica that decides and writes."""

    enabled: bool = True
    name: str = Field(default="canary-controller", min_length=1, max_length=LONGEST_NAME)
    """Of the Lease."""
    namespace: Namespace | None = None
    """Of the Lease; None: the pod's own."""
    identity: str | None = None
    """Of this replica; None: its host name and a random part."""
    lease_duration_seconds: Period = Field(default=15.0, alias="lease_duration")
    renew_deadline_seconds: Period = Field(default=10.0, alias="renew_deadline")
    retry_period_seconds: Period = Field(default=2.0, alias="retry_period")

    @model_validator(mode="after")
    def _is_ordered(self) -> "LeadershipSettings":
        if not self.retry_period_seconds < self.renew_deadline_seconds < self.lease_duration_seconds:
            retry, renew, lease = map(
                format_duration,
                (self.retry_period_seconds, self.renew_deadline_seconds, self.lease_duration_seconds),
            )
            raise ValueError(
                f"retry_period ({retry}) must be shorter than renew_deadline ({renew}), and that than"
                f" lease_duration ({lease})"
            )
        return self


class HttpSettings(Group):
    """Where /metrics, /livez and /readyz are served."""

    host: str = "0.0.0.0"  # noqa: S104 - kubelet and Prometheus come from outside the pod
    port: Count = Field(default=8080, ge=0, le=65535)
    """0: any free one."""


class PageSettings(Group):
    """A page that shows what is looked after, to whoever reaches it: it has no login, and changes nothing."""

    enabled: bool = False
    host: str = "0.0.0.0"  # noqa: S104 - browsers come from outside the pod
    port: Count = Field(default=8081, ge=0, le=65535)
    """0: any free one."""


class LogSettings(Group):
    """What the controller says, and how."""

    format: Literal["auto", "json", "console"] = "auto"
    """auto: console on a terminal, json elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Group, BaseSettings):
    """Everything. Only ``prometheus.url`` has no default."""

    # Undecoded: lists and maps in variables are not written in JSON.
    model_config = SettingsConfigDict(env_prefix="CANARY_", env_nested_delimiter="__", enable_decoding=False)

    prometheus: PrometheusSettings
    kubernetes: KubernetesSettings = KubernetesSettings()
    controller: ControllerSettings = ControllerSettings()
    plans: PlanSettings = PlanSettings()
    leadership: LeadershipSettings = LeadershipSettings()
    http: HttpSettings = HttpSettings()
    page: PageSettings = PageSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _has_room_for_the_page(self) -> "Settings":
        # /metrics must not be where the page is exposed.
        if self.page.enabled and self.page.port == self.http.port != 0:
            raise ValueError(f"page.port and http.port are both {self.page.port}: give the page its own")
        return self


def masked(settings: Settings) -> dict[str, Any]:
    """Return the settings in force by their keys, to be shown: header values masked, durations as text."""
    return settings.model_dump(mode="json", by_alias=True, exclude_none=True)


def dump_settings(settings: Settings) -> str:
    """Return what ``masked`` shows as a configuration file."""
    return yaml.safe_dump(masked(settings), sort_keys=False)

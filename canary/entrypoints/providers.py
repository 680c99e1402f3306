"""Metrics providers: from an administrator's settings to how a Prometheus API is reached."""

from canary.adapters.prometheus.access import BasicAuth, ClientCertificate, PrometheusAccess
from canary.entrypoints.settings import PrometheusSettings

__all__ = ["prometheus_access"]


def prometheus_access(settings: PrometheusSettings) -> PrometheusAccess:
    """Return the access that ``settings`` describe; raises ``OSError`` when a password cannot be read."""
    basic = settings.basic_auth
    certificate, key = settings.client_certificate_file, settings.client_key_file
    return PrometheusAccess(
        url=settings.url,
        timeout_seconds=settings.timeout_seconds,
        bearer_token_file=settings.bearer_token_file,
        basic_auth=BasicAuth(basic.username, basic.password_file.read_text().strip()) if basic else None,
        ca_file=settings.ca_file,
        client_certificate=ClientCertificate(certificate, key) if certificate and key else None,
        headers={name: value.get_secret_value() for name, value in settings.headers.items()},
    )

"""Metrics providers: from an administrator's settings to how a Prometheus API is reached."""

from pathlib import Path

from canary.adapters.prometheus.access import BasicAuth, ClientCertificate, PrometheusAccess
from canary.entrypoints.settings import PrometheusSettings

__all__ = ["prometheus_access"]


def prometheus_access(settings: PrometheusSettings) -> PrometheusAccess:
    """Return the access that ``settings`` describe; reads the password, once.

    Raises ``OSError`` with a sentence that names the password file when it cannot be read as text.
    """
    basic = settings.basic_auth
    certificate, key = settings.client_certificate_file, settings.client_key_file
    return PrometheusAccess(
        url=settings.url,
        timeout_seconds=settings.timeout_seconds,
        bearer_token_file=settings.bearer_token_file,
        basic_auth=BasicAuth(basic.username, _password(basic.password_file)) if basic else None,
        ca_file=settings.ca_file,
        client_certificate=ClientCertificate(certificate, key) if certificate and key else None,
        headers={name: value.get_secret_value() for name, value in settings.headers.items()},
    )


def _password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        # Without its cause: what cannot be decoded is quoted there.
        raise OSError(f"cannot read the password file {file}: {why}") from None

"""The HTTP below ``prometheus-api-client``: bounded, without retries, and strict about what comes back.

The library puts the query of a POST into the URL, hides warnings, and reads an answer of any size. It lets
its session be chosen, so this transport adapter, mounted on that session, puts the query into the body, reads
at most so many bytes until a deadline, and passes on only complete answers of the Prometheus API.
"""

import io
import time
from collections.abc import Mapping
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.response import BaseHTTPResponse

from canary.adapters.prometheus.access import PrometheusAccess
from canary.adapters.prometheus.answers import Refused, check
from canary.domain.measurement import NoDataReason

__all__ = ["Transport", "open_session"]

_CHUNK_BYTES = 64 * 1024


def open_session(access: PrometheusAccess) -> requests.Session:
    """A session with the credentials and authorities of ``access``, and nothing from the environment."""
    session = requests.Session()
    # Else .netrc would replace our credentials, and REQUESTS_CA_BUNDLE the CA of the settings.
    session.trust_env = False
    session.verify = True if access.ca_file is None else str(access.ca_file)
    if access.client_certificate is not None:
        session.cert = (str(access.client_certificate.certificate), str(access.client_certificate.key))
    if access.basic_auth is not None:
        # As bytes, since text would go out in Latin-1.
        session.auth = HTTPBasicAuth(access.basic_auth.username.encode(), access.basic_auth.password.encode())
    elif access.bearer_token_file is not None:
        session.auth = _TokenFile(access.bearer_token_file)
    session.headers.update(access.headers)
    return session


class Transport(HTTPAdapter):
    """Sends one query; raises ``Refused`` for an answer that may not be counted by."""

    def __init__(self, access: PrometheusAccess) -> None:
        super().__init__(max_retries=0)
        self._access = access

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - the adapter's signature
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send ``request`` with its query in the body, and read the whole answer."""
        _move_query_to_body(request)
        deadline = time.monotonic() + self._access.timeout_seconds + 1.0
        response = super().send(request, True, timeout, verify, cert, proxies)
        try:
            body = self._checked_body(response, deadline)
        except Refused as exc:
            words = _without_secrets(exc.words, request, self._access)
            raise Refused(exc.reason, words) from None
        finally:
            response.close()
        response.raw = io.BytesIO(body)
        return response

    def _checked_body(self, response: requests.Response, deadline: float) -> bytes:
        if response.is_redirect:
            # Following it would carry credentials and tenant headers to whoever it names.
            raise Refused(NoDataReason.NOT_PROMETHEUS, f"answered {response.status_code}, a redirect")
        body = self._read(response.raw, deadline)
        check(response.status_code, response.headers.get("Content-Type", ""), body)
        return body

    def _read(self, raw: BaseHTTPResponse, deadline: float) -> bytes:
        body = bytearray()
        while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > self._access.max_answer_bytes:
                limit = self._access.max_answer_bytes
                raise Refused(NoDataReason.REJECTED, f"the answer is larger than {limit} bytes")
            if time.monotonic() > deadline:
                raise Refused(NoDataReason.TIMEOUT, "the answer did not end in time")
        return bytes(body)


class _TokenFile(AuthBase):
    """A bearer token, read anew for each request."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        try:
            token = self._path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is not text"
            raise Refused(
                NoDataReason.UNAUTHORIZED, f"cannot read the token file {self._path}: {why}"
            ) from exc
        if not token or not token.isascii() or not token.isprintable():
            raise Refused(NoDataReason.UNAUTHORIZED, f"the token file {self._path} holds no token")
        request.headers["Authorization"] = f"Bearer {token}"
        return request


def _move_query_to_body(request: requests.PreparedRequest) -> None:
    url, _, form = (request.url or "").partition("?")
    request.url = url
    request.headers["Content-Type"] = "application/x-www-form-urlencoded"
    request.prepare_body(form, None)


def _without_secrets(words: str, request: requests.PreparedRequest, access: PrometheusAccess) -> str:
    """``words`` may quote the server, and the server may quote us."""
    secrets = {value for value in access.headers.values() if len(value) > 3}
    if access.basic_auth is not None and access.basic_auth.password:
        secrets.add(access.basic_auth.password)
    authorization = request.headers.get("Authorization", "")
    secrets.add(authorization.rpartition(" ")[2])
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        words = words.replace(secret, "***")
    return words

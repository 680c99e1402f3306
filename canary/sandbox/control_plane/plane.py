"""Starting and stopping the three processes.

Promises: everything listens on 127.0.0.1, on ports that were free; when the block begins, the API is ready
and the controllers run; when it ends, in whatever way, no process and no file is left. RBAC is on; the
kubeconfig is an administrator's.
"""

import http.client
import secrets
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from canary.sandbox.control_plane.binaries import Binaries
from canary.sandbox.control_plane.credentials import write_kubeconfig, write_signing_key, write_tokens
from canary.sandbox.ports import free_port
from canary.sandbox.processes import Child, Processes, ProcessFailed, wait_until
from canary.sandbox.scratch import ScratchDirectory

__all__ = ["ControlPlane", "running_control_plane"]

_START_SECONDS = 60.0
_PROBE_SECONDS = 5.0
# Nothing is kept, so there is no use in the API server's long goodbye.
_STOP_SECONDS = 1.0
_ATTEMPTS = 3
_PORT_TAKEN = "address already in use"
# No controller of nodes, volumes or tokens: there are none of these here.
_CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "namespace-controller",
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane that runs."""

    url: str
    token: str
    """The administrator's."""
    authority: bytes
    """The certificate, as PEM, that the server's is verified against."""
    kubeconfig: Path
    processes: tuple[Child, ...]


@contextmanager
def running_control_plane(binaries: Binaries) -> Iterator[ControlPlane]:
    """Run a control plane while the context lasts. Raises ProcessFailed with the end of the log at fault."""
    scratch = ScratchDirectory()
    processes = Processes(scratch.path)
    try:
        yield _Starter(binaries, scratch.path, processes).start()
    finally:
        try:
            processes.stop(_STOP_SECONDS)
        finally:
            scratch.remove()


class _Starter:
    def __init__(self, binaries: Binaries, directory: Path, processes: Processes) -> None:
        self._binaries = binaries
        self._directory = directory
        self._processes = processes
        self._token = secrets.token_urlsafe(24)
        self._key = directory / "service-accounts.key"
        self._tokens = directory / "tokens.csv"
        self._kubeconfig = directory / "kubeconfig"

    def start(self) -> ControlPlane:
        write_signing_key(self._key)
        write_tokens(self._tokens, self._token)
        etcd, store = _with_a_free_port(self._start_etcd)
        api, (url, authority) = _with_a_free_port(lambda port: self._start_api_server(port, store))
        write_kubeconfig(self._kubeconfig, url, authority, self._token)
        manager = self._start_controller_manager()
        return ControlPlane(url, self._token, authority, self._kubeconfig, (etcd, api, manager))

    def _start_etcd(self, port: int) -> tuple[Child, str]:
        url = f"http://127.0.0.1:{port}"
        options = {
            "data-dir": self._directory / "etcd",
            "listen-client-urls": url,
            "advertise-client-urls": url,
            # The only member: nobody has to find it. The port is the kernel's choice.
            "listen-peer-urls": "http://127.0.0.1:0",
            "log-level": "warn",
        }
        # What is lost with the power is nothing that anybody wants to keep.
        child = self._run("etcd", self._binaries.etcd, options, "--unsafe-no-fsync")
        wait_until(lambda: _answers(http.client.HTTPConnection, port, "/health"), child, _START_SECONDS)
        return child, url

    def _start_api_server(self, port: int, store: str) -> tuple[Child, tuple[str, bytes]]:
        certificates = self._directory / "certificates"
        options = {
            "etcd-servers": store,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": port,
            # Without a certificate it makes one itself, with its authority, in this directory.
            "cert-dir": certificates,
            "token-auth-file": self._tokens,
            "authorization-mode": "RBAC",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": self._key,
            "service-account-signing-key-file": self._key,
            "service-cluster-ip-range": "10.96.0.0/16",
            # It would keep Pods out of a namespace until its default account exists.
            "disable-admission-plugins": "ServiceAccount",
            "endpoint-reconciler-type": "none",
        }
        child = self._run("kube-apiserver", self._binaries.api_server, options)
        certificate = certificates / "apiserver.crt"

        def connection(host: str, port: int, timeout: float) -> http.client.HTTPConnection:
            context = ssl.create_default_context(cafile=certificate)
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)

        wait_until(lambda: _answers(connection, port, "/readyz"), child, _START_SECONDS)
        return child, (f"https://127.0.0.1:{port}", certificate.read_bytes())

    def _start_controller_manager(self) -> Child:
        options = {
            "kubeconfig": self._kubeconfig,
            "controllers": ",".join(_CONTROLLERS),
            "leader-elect": "false",
            "secure-port": 0,
            # Its ordinary 20 requests a second are for a cluster; here they would only be waiting.
            "kube-api-qps": 500,
            "kube-api-burst": 1000,
        }
        return self._run("kube-controller-manager", self._binaries.controller_manager, options)

    def _run(self, name: str, program: Path, options: dict[str, object], *flags: str) -> Child:
        given = [f"--{option}={value}" for option, value in options.items()]
        return self._processes.start(name, [str(program), *given, *flags])


def _with_a_free_port(start: Callable[[int], T]) -> T:
    """Start something on a free port; on another one when somebody else was faster."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return start(free_port())
        except ProcessFailed as failed:
            if attempt == _ATTEMPTS or _PORT_TAKEN not in str(failed):
                raise
    raise AssertionError("the last attempt returns or raises")


def _answers(connect: Callable[..., http.client.HTTPConnection], port: int, path: str) -> bool | None:
    """Whether a GET is answered with 200; None when not, for `wait_until`."""
    try:
        with closing(connect("127.0.0.1", port, timeout=_PROBE_SECONDS)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status == 200 or None
    except (OSError, http.client.HTTPException):
        # Among them: no certificate yet, or half of one.
        return None

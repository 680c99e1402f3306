"""Finding the cluster: a named kubeconfig, KUBECONFIG, the pod's own account, or ~/.kube/config."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from canary.adapters.kube.kubeconfig import usable_context
from canary.adapters.kube.transport import Transport
from canary.app.errors import TerminalError
from canary.domain.errors import Problem

__all__ = ["connect"]

CONNECTIONS = 32
"""Connections kept open for workers; more are made when needed and closed after use."""


def connect(
    kubeconfig: Path | None = None, context: str | None = None, *, stop: threading.Event | None = None
) -> Transport:
    """Return a transport to the cluster; raises ``TerminalError`` that says where was looked.

    ``kubeconfig`` wins over KUBECONFIG, which wins over the service account of the pod that this runs in;
    ``~/.kube/config`` comes last. Nothing is sent yet.
    """
    configuration = Configuration()
    named = str(kubeconfig) if kubeconfig is not None else os.environ.get("KUBECONFIG", "")
    home = _home() / ".kube" / "config"
    if named:
        origin = _load(configuration, named, context)
    elif "KUBERNETES_SERVICE_HOST" in os.environ and context is None:
        _load_in_cluster(configuration)
        origin = "the pod's service account"
    elif home.is_file():
        origin = _load(configuration, str(home), context)
    else:
        raise TerminalError(
            f"no cluster: KUBECONFIG is not set, {home} does not exist and this is not a pod; "
            "name a kubeconfig file"
        )
    # Hidden retries would multiply every timeout and repeat writes.
    configuration.retries = False
    configuration.connection_pool_maxsize = CONNECTIONS
    configuration.keep_alive = True
    return Transport(ApiClient(configuration), stop, origin=origin)


def _home() -> Path:
    """The home directory; one that cannot exist for a user who has none, as in a pod with any UID."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def _load(configuration: Configuration, files: str, context: str | None) -> str:
    """Load what files say into ``configuration``; return in words where it comes from."""
    named = [Path(name).expanduser() for name in files.split(os.pathsep) if name]
    there = [file for file in named if file.exists()]
    if not there:
        raise TerminalError(f"kubeconfig {files} does not exist; name a file that does")
    if other := next((file for file in there if not file.is_file()), None):
        raise TerminalError(f"kubeconfig {other} is no file; name one")
    chosen = usable_context(there, context)
    if isinstance(chosen, Problem):
        raise TerminalError(str(chosen))
    where = f"context {chosen} of kubeconfig {files}"
    try:
        load: Callable[..., None] = config.load_kube_config
        with _Overheard() as overheard:
            load(config_file=files, context=context, client_configuration=configuration)
    except Exception as exc:  # The loader raises whatever its YAML and plugins raise.
        raise TerminalError(f"{where} cannot be used: {exc}") from exc
    if overheard.words:
        raise TerminalError(f"{where}: its plugin gave no credentials: {'; '.join(overheard.words)}")
    return where


class _Overheard(logging.Handler):
    """What the library logs and goes on: without the credentials that a plugin failed to give.

    It says so to the root logger, which would print it beside our own words.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.words: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "root" and record.thread == self._thread:
            self.words.append(record.getMessage())

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)


def _load_in_cluster(configuration: Configuration) -> None:
    try:
        load: Callable[..., None] = config.load_incluster_config
        load(client_configuration=configuration)
    except (config.ConfigException, OSError) as exc:
        raise TerminalError(f"the pod's service account cannot be used: {exc}") from exc

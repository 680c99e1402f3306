"""Finding the cluster: a named kubeconfig, KUBECONFIG, the pod's own account, or ~/.kube/config."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from canary.adapters.kube.transport import Transport
from canary.app.errors import TerminalError

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
        _load(configuration, named, context)
    elif "KUBERNETES_SERVICE_HOST" in os.environ and context is None:
        _load_in_cluster(configuration)
    elif home.is_file():
        _load(configuration, str(home), context)
    else:
        raise TerminalError(
            f"no cluster: KUBECONFIG is not set, {home} does not exist and this is not a pod; "
            "name a kubeconfig file"
        )
    # Hidden retries would multiply every timeout and repeat writes.
    configuration.retries = False
    configuration.connection_pool_maxsize = CONNECTIONS
    configuration.keep_alive = True
    return Transport(ApiClient(configuration), stop)


def _home() -> Path:
    """The home directory; one that cannot exist for a user who has none, as in a pod with any UID."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def _load(configuration: Configuration, files: str, context: str | None) -> None:
    missing = [name for name in files.split(os.pathsep) if name and not Path(name).is_file()]
    if len(missing) == len([name for name in files.split(os.pathsep) if name]):
        raise TerminalError(f"kubeconfig {files} does not exist; name a file that does")
    try:
        load: Callable[..., None] = config.load_kube_config
        load(config_file=files, context=context, client_configuration=configuration)
    except Exception as exc:  # The loader raises whatever its YAML and plugins raise.
        where = f"context {context} of kubeconfig {files}" if context else f"kubeconfig {files}"
        raise TerminalError(f"{where} cannot be used: {exc}") from exc


def _load_in_cluster(configuration: Configuration) -> None:
    try:
        load: Callable[..., None] = config.load_incluster_config
        load(client_configuration=configuration)
    except (config.ConfigException, OSError) as exc:
        raise TerminalError(f"the pod's service account cannot be used: {exc}") from exc

"""The whole sandbox as a context manager: API server, node, Envoy, Prometheus, real processes on loopback.

    with Sandbox() as sandbox:
        sandbox.processes.start("controller", [...], {"KUBECONFIG": str(sandbox.kubeconfig)})

Promises: when the block begins, everything answers; when it ends, in whatever way, no process and no file
is left. The controller is not part of it: whoever uses the sandbox starts one.
"""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from canary.adapters.kube.connection import connect
from canary.sandbox.envoy import Envoy, envoy_binary, envoy_when_ready, start_envoy
from canary.sandbox.files import read_if_there
from canary.sandbox.follower import InForce, read_note
from canary.sandbox.mesh.gateway import install_gateway, relabelling, start_gateway
from canary.sandbox.mesh.istiod import start_istiod
from canary.sandbox.ports import free_port
from canary.sandbox.processes import Child, Processes, ProcessFailed, wait_until
from canary.sandbox.prometheus import Prometheus, prometheus_binary, scrape_configuration, start_prometheus
from canary.sandbox.scratch import ScratchDirectory

Json = dict[str, Any]

_START_SECONDS = 30.0
_TRAFFIC_STOP_SECONDS = 2.0


class Sandbox:
    """A small cluster of one's own. Only what is documented here is for use; the rest may change."""

    def __init__(
        self,
        scrape_interval_seconds: float = 1.0,
        control_plane: Path | None = None,
        istiod: Path | None = None,
    ) -> None:
        """``control_plane`` is the kubeconfig of an API server that runs already; None: one of its own.

        ``istiod`` is the program that decides where requests go, on such an API server, and in a network of
        one's own (``canary.sandbox.mesh``); None: the sandbox does it, as it understands Istio.
        """
        self._scrape_interval_seconds = scrape_interval_seconds
        self._control_plane = control_plane
        self._istiod = istiod
        self._traffic: list[Child] = []
        self._envoy: Envoy | None = None
        self._prometheus: Prometheus | None = None

    def __enter__(self) -> Self:
        # Before anything is started: what is missing is said at once.
        envoy_binary()
        prometheus_binary()
        self._scratch = ScratchDirectory()
        self.directory: Path = self._scratch.path
        self.processes = Processes(self.directory)
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of the sandbox's administrator."""
        return self._control_plane or self.directory / "kubeconfig"

    @property
    def envoy_url(self) -> str:
        """Where requests go in; the Host header names the service."""
        return self._running(self._envoy).url

    @property
    def envoy_admin_url(self) -> str:
        """Envoy's admin interface."""
        return self._running(self._envoy).admin_url

    @property
    def prometheus_url(self) -> str:
        """Prometheus' HTTP API."""
        if self._prometheus is None:
            raise RuntimeError("the sandbox is not running; use it as a context manager")
        return self._prometheus.url

    def in_force(self) -> InForce:
        """Which VirtualServices Envoy carries out, in which version, since when. Not with a real istiod."""
        note = read_note(self._note)
        if note is None:
            raise RuntimeError("the sandbox is not running; use it as a context manager")
        return note

    def start_traffic(self, host: str, rate_per_second: float, seed: int = 0, name: str = "traffic") -> Path:
        """Start steady requests to `host`; the log they are written to (traffic_log.py reads it)."""
        log = self.directory / f"{name}.jsonl"
        options = ["--host", host, "--rate", f"{rate_per_second:g}", "--seed", str(seed), "--out", str(log)]
        argv = [sys.executable, "-m", "canary.sandbox.traffic", "--url", self.envoy_url, *options]
        self._traffic.append(self.processes.start(name, argv))
        return log

    def stop_traffic(self) -> None:
        """Stop all traffic that was started here; its logs are complete when this returns."""
        while self._traffic:
            self._traffic.pop().stop(_TRAFFIC_STOP_SECONDS)

    @property
    def _pods(self) -> Path:
        return self.directory / "node"

    @property
    def _note(self) -> Path:
        return self.directory / "in-force.json"

    def _start(self) -> None:
        if self._istiod is None:
            self._start_own_mesh()
        else:
            self._start_real_mesh(self._istiod)

    def _start_own_mesh(self) -> None:
        # Started in the order that lets the slow ones (the two Python processes) start while the others are
        # waited for.
        api = self._start_api_server() if self._control_plane is None else None
        directory = self.directory / "envoy"
        self._envoy = envoy_when_ready(start_envoy(self.processes, directory), directory)
        node = self._start_node(
            f"--envoy-directory={directory}",
            f"--envoy-admin={self._envoy.admin_url}",
            f"--note={self._note}",
        )
        self._start_prometheus(self._envoy)
        if api is None:
            wait_until(lambda: read_note(self._note), node, _START_SECONDS)
            return
        wait_until(lambda: read_if_there(self.kubeconfig), api, _START_SECONDS)
        try:
            wait_until(lambda: read_note(self._note), node, _START_SECONDS)
        except ProcessFailed as exc:
            raise ProcessFailed(f"{exc}\napiserver: {api.log_tail()}") from exc

    def _start_real_mesh(self, program: Path) -> None:
        install_gateway(connect(self.kubeconfig), free_port())
        istiod = start_istiod(self.processes, program, self.kubeconfig, self.directory / "istiod")
        directory = self.directory / "envoy"
        child = start_gateway(self.processes, directory, istiod.xds_port)
        self._start_node("--real-mesh")
        self._envoy = envoy_when_ready(child, directory)
        self._start_prometheus(self._envoy, relabelling())

    def _start_node(self, *options: str) -> Child:
        places = (f"--kubeconfig={self.kubeconfig}", f"--directory={self._pods}")
        return self.processes.start("node", self._module("node", *places, *options))

    def _start_prometheus(self, envoy: Envoy, first_rules: Sequence[Json] = ()) -> None:
        # Prometheus watches it from its start.
        self._pods.mkdir(exist_ok=True)
        configuration = scrape_configuration(
            envoy.admin_url, self._scrape_interval_seconds, self._pods, first_rules
        )
        self._prometheus = start_prometheus(self.processes, self.directory / "prometheus", configuration)

    def _start_api_server(self) -> Child:
        return self.processes.start("apiserver", self._module("apiserver", f"--kubeconfig={self.kubeconfig}"))

    def _end(self) -> None:
        # Whatever interrupts one step, the next one is still taken.
        with contextlib.ExitStack() as stack:
            stack.callback(self._scratch.remove)
            stack.callback(self.processes.stop)
            # The clients first, so that their last requests are answered.
            stack.callback(self.stop_traffic)

    def _module(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", f"canary.sandbox.{name}", *arguments]

    def _running(self, envoy: Envoy | None) -> Envoy:
        if envoy is None:
            raise RuntimeError("the sandbox is not running; use it as a context manager")
        return envoy

"""One Pod's life on the sandbox's node: its process, its probes, what is reported, and its orderly end.

Promises: a Pod is reported ready only after its process has said so, and not ready before the process is
told to end; the API's object goes only after the process has gone. What the API refuses is tried again in
the next round.
"""

import http.client
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from canary.app.errors import ConflictError, NotFound, WorldError
from canary.sandbox.api import Json, JsonApi
from canary.sandbox.files import read_if_there, replace_json
from canary.sandbox.pod_status import PodView, backoff_seconds, pod_status
from canary.sandbox.processes import Child, Processes, ProcessFailed
from canary.sandbox.prometheus import TARGETS_SUFFIX, pod_targets
from canary.sandbox.routes import ADDRESS_ANNOTATION

_ROUND_SECONDS = 0.1
_PROBE_SECONDS = 0.2
_PROBE_TIMEOUT_SECONDS = 1.0
_FAILED_PROBES = 3
_RETRY_START_SECONDS = 1.0
_DEFAULT_GRACE_SECONDS = 30


Place = Callable[[Json, str], str]


@dataclass(frozen=True, slots=True)
class Node:
    """What all Pods of a node share.

    ``place`` gives where a Pod with this IP has to listen, ``host:port``, or "" for any port on loopback;
    ``command`` gives a container's argument list.
    """

    name: str
    api: JsonApi
    processes: Processes
    directory: Path
    place: Place
    command: Callable[[Json, Json, str, Path], list[str]]


class PodWorker:
    """A thread that makes one Pod real; `update` hands it the newest object, `vanish` says there is none."""

    def __init__(self, node: Node, pod: Json, pod_ip: str) -> None:
        self._node = node
        self._pod = pod
        self._path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
        self._uid = pod["metadata"]["uid"]
        self._address_file = node.directory / f"{self._uid}.address"
        self._targets_file = node.directory / f"{self._uid}{TARGETS_SUFFIX}"
        self._view = PodView(pod_ip=pod_ip, host_ip="127.0.0.1", began_at=_now())
        self._reported: tuple[PodView, str] | None = None
        self._place = node.place(pod, pod_ip)
        self._address = self._place
        self._child: Child | None = None
        self._start_at = 0.0
        self._probe_at = 0.0
        self._failed_probes = 0
        self._gone = False
        self._grace_seconds: float | None = None
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pod {self._path}", daemon=True)

    def start(self) -> None:
        """Begin the Pod's life."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether there is anything left to do for the Pod."""
        return self._thread.is_alive()

    def update(self, pod: Json) -> None:
        """The API holds this object now; a Pod's spec cannot change, so this matters when it is to go."""
        metadata = pod["metadata"]
        if "deletionTimestamp" in metadata:
            self._grace_seconds = metadata.get("deletionGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
            self._wake.set()

    def vanish(self) -> None:
        """The API holds the object no longer: end the process without ceremony."""
        self._gone = True
        self._wake.set()

    def _run(self) -> None:
        while not self._gone and self._grace_seconds is None:
            self._supervise()
            self._report()
            self._wake.wait(_ROUND_SECONDS)
        self._end()

    def _supervise(self) -> None:
        now = time.monotonic()
        if self._child is None:
            if now >= self._start_at:
                self._start()
        elif self._child.is_running():
            if now >= self._probe_at:
                self._probe_at = now + _PROBE_SECONDS
                self._probe()
        else:
            self._on_exit(self._child)

    def _start(self) -> None:
        self._address_file.unlink(missing_ok=True)
        container = self._pod["spec"]["containers"][0]
        argv = self._node.command(self._pod, container, self._address, self._address_file)
        name = f"pod-{self._pod['metadata']['name']}"
        try:
            self._child = self._node.processes.start(name, argv)
        except ProcessFailed as exc:
            _note(f"start of {self._path}: {exc}")
            self._start_at = time.monotonic() + _RETRY_START_SECONDS
            return
        self._failed_probes = 0
        if self._view.finished_at:
            self._view = replace(self._view, restarts=self._view.restarts + 1)
        self._view = replace(self._view, started_at=_now(), finished_at="", ready=False)

    def _on_exit(self, child: Child) -> None:
        code = child.exit_code()
        if not self._address_file.exists():
            # It never listened; perhaps somebody has its port. The next start may have any.
            self._address = self._place
        self._view = replace(
            self._view, ready=False, exit_code=code, finished_at=_now(), log_tail=child.log_tail()[-500:]
        )
        self._node.processes.forget(child)
        self._child = None
        self._start_at = time.monotonic() + backoff_seconds(self._view.restarts)

    def _probe(self) -> None:
        address = read_if_there(self._address_file)
        if address is None:
            return
        if address != self._address or not self._targets_file.exists():
            replace_json(self._targets_file, pod_targets(address, self._pod))
        self._address = address
        if _is_ready(address):
            self._failed_probes = 0
            self._view = replace(self._view, ready=True)
            return
        # As a kubelet's failure threshold: one slow answer on a busy machine is no reason to move traffic.
        self._failed_probes += 1
        if self._failed_probes >= _FAILED_PROBES:
            self._view = replace(self._view, ready=False)

    def _report(self) -> None:
        """Write what has changed since the last successful report."""
        wanted = (self._view, self._address)
        if wanted == self._reported:
            return
        api, metadata = self._node.api, self._pod["metadata"]
        try:
            if not self._pod["spec"].get("nodeName"):
                self._pod = self._bind()
            if (metadata.get("annotations") or {}).get(ADDRESS_ANNOTATION, "") != self._address:
                # Before readiness: whoever sees a ready Pod must be able to reach it.
                change = {"metadata": {"annotations": {ADDRESS_ANNOTATION: self._address}}}
                self._pod = api.patch(self._path, change)
            status = pod_status(self._pod, self._view, _now())
            self._pod = api.patch(f"{self._path}/status", {"status": status})
        except NotFound:
            self._gone = True
        except WorldError as exc:
            _note(f"report of {self._path}: {exc}")
        else:
            self._reported = wanted

    def _bind(self) -> Json:
        api, metadata = self._node.api, self._pod["metadata"]
        target = {"apiVersion": "v1", "kind": "Node", "name": self._node.name}
        name = {"name": metadata["name"], "namespace": metadata["namespace"], "uid": self._uid}
        api.create(
            f"{self._path}/binding",
            {"apiVersion": "v1", "kind": "Binding", "metadata": name, "target": target},
        )
        return api.get(self._path)

    def _end(self) -> None:
        if not self._gone:
            # Unready first, so that the proxies let go; the application itself waits until no request comes
            # any more.
            self._view = replace(self._view, ready=False)
            self._report()
        if self._child is not None:
            code = self._child.stop(0.0 if self._gone else self._grace_seconds or 0.0)
            self._view = replace(self._view, exit_code=code, finished_at=_now())
            self._node.processes.forget(self._child)
        self._address_file.unlink(missing_ok=True)
        self._targets_file.unlink(missing_ok=True)
        deadline = time.monotonic() + _DEFAULT_GRACE_SECONDS
        while not self._gone and time.monotonic() < deadline:
            try:
                options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._uid}}
                self._node.api.delete(self._path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
            except (NotFound, ConflictError):
                # Gone, or another Pod has the name by now.
                return
            except WorldError as exc:
                _note(f"removal of {self._path}: {exc}")
                time.sleep(_ROUND_SECONDS)
            else:
                return


def _is_ready(address: str) -> bool:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=_PROBE_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _note(text: str) -> None:
    sys.stderr.write(f"{_now()} {text}\n")
    sys.stderr.flush()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

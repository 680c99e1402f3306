"""The stand-in for a kubelet: one real process for each Pod of the API, sandbox's or real.

A Pod's process is `canary.sandbox.application`; the first container says how it behaves: the environment
variable BEHAVIOUR (grammar in behaviour.py), VERSION (else the image's tag) and SEED: with one, each Pod
errs in a pattern of its own, by the seed and its name; without, all in the same. Where the process
listens is in the annotation `sandbox.canaryctl.dev/address`: on any port of loopback, which `podIP` must not
be in EndpointSlices, or, in a network of the sandbox's own, at the Pod's address and its container's port.
"""

import sys
import threading
import zlib
from pathlib import Path

from canary.adapters.kube.transport import Transport
from canary.app.errors import ConflictError, WorldError
from canary.sandbox.api import Json, JsonApi
from canary.sandbox.mesh.network import POD_NETWORK
from canary.sandbox.mirror import Mirror
from canary.sandbox.pod_worker import Node, Place, PodWorker
from canary.sandbox.processes import Processes

NODE_NAME = "sandbox-node"
MAX_PODS = 60
_ROUND_SECONDS = 1.0
_USUAL_PORT = 8080


class Kubelet:
    """Runs the Pods of all namespaces that are bound to this node, or to none yet."""

    def __init__(self, transport: Transport, directory: Path, place: Place) -> None:
        """``place`` is ``on_loopback`` or ``at_its_own_address``."""
        directory.mkdir(parents=True, exist_ok=True)
        self._processes = Processes(directory)
        self._node = Node(
            NODE_NAME, JsonApi(transport), self._processes, directory, place, application_command
        )
        self._changed = threading.Event()
        self._pods = Mirror(transport, "/api/v1/pods", self._changed.set)
        self._workers: dict[str, PodWorker] = {}
        self._addresses = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)

    def start(self) -> None:
        """Begin to watch for Pods."""
        self._pods.start()
        self._thread.start()

    def stop(self) -> None:
        """End all processes; the API's objects stay as they are."""
        self._stop.set()
        self._pods.stop()
        self._changed.set()
        self._thread.join(timeout=5.0)
        # The sandbox goes down as a whole, so nobody needs a drain.
        for worker in self._workers.values():
            worker.vanish()
        self._processes.stop(deadline_seconds=0.2)

    def _register(self) -> bool:
        """Make the Node known: Pods on a node that nobody knows are in no EndpointSlice."""
        condition = {"type": "Ready", "status": "True", "reason": "Sandbox"}
        metadata = {"name": NODE_NAME, "labels": {"kubernetes.io/hostname": NODE_NAME}}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": metadata,
            "status": {"conditions": [condition]},
        }
        try:
            self._node.api.create("/api/v1/nodes", node)
        except ConflictError:
            return True
        except WorldError as exc:
            sys.stderr.write(f"registration of {NODE_NAME}: {exc}\n")
            return False
        return True

    def _run(self) -> None:
        while not self._register():
            if self._stop.wait(_ROUND_SECONDS):
                return
        while not self._stop.is_set():
            self._changed.wait(_ROUND_SECONDS)
            self._changed.clear()
            if self._pods.wait_synced(_ROUND_SECONDS) and not self._stop.is_set():
                self._sync({pod["metadata"]["uid"]: pod for pod in self._pods.objects()})

    def _sync(self, pods: dict[str, Json]) -> None:
        for uid, worker in list(self._workers.items()):
            if uid in pods:
                worker.update(pods[uid])
            else:
                worker.vanish()
                # Only now: a Pod that is still there, on its way out, must not begin a second life.
                if not worker.is_alive():
                    del self._workers[uid]
        for uid, pod in pods.items():
            # Beyond the limit Pods stay Pending, as on a full node; a later round finds room for them.
            if uid not in self._workers and self._is_ours(pod) and len(self._workers) < MAX_PODS:
                self._workers[uid] = PodWorker(self._node, pod, self._next_ip())
                self._workers[uid].start()

    def _is_ours(self, pod: Json) -> bool:
        return pod["spec"].get("nodeName") in {None, "", NODE_NAME}

    def _next_ip(self) -> str:
        self._addresses += 1
        return f"{POD_NETWORK}.{self._addresses // 250 % 250}.{self._addresses % 250 + 1}"


def on_loopback(_pod: Json, _pod_ip: str) -> str:
    """Let a Pod listen at any port of loopback."""
    return ""


def at_its_own_address(pod: Json, pod_ip: str) -> str:
    """Let a Pod listen where a cluster would look for it: at its own IP, and its container's first port."""
    ports = pod["spec"]["containers"][0].get("ports") or [{"containerPort": _USUAL_PORT}]
    return f"{pod_ip}:{ports[0]['containerPort']}"


def _seed(given: str | None, pod: str) -> int:
    return zlib.crc32(f"{given}/{pod}".encode()) if given else 0


def application_command(pod: Json, container: Json, address: str, address_file: Path) -> list[str]:
    """The argument list of a container's process; `address` is where it has to listen, or ""."""
    environment = {item["name"]: str(item.get("value", "")) for item in container.get("env") or []}
    image_tag = container.get("image", "").rpartition(":")[2]
    host, _, port = address.rpartition(":")
    return [
        sys.executable,
        "-m",
        "canary.sandbox.application",
        f"--host={host or '127.0.0.1'}",
        f"--port={port or 0}",
        f"--address-file={address_file}",
        f"--version={environment.get('VERSION') or image_tag}",
        f"--pod={pod['metadata']['name']}",
        f"--behaviour={environment.get('BEHAVIOUR', '')}",
        f"--seed={_seed(environment.get('SEED'), pod['metadata']['name'])}",
    ]

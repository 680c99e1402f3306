"""Keeps Envoy at what the API says, as istiod does, and notes what is in force since when.

The note is a JSON file, for display: `{"virtual_services": {"shop/myapp": {"resource_version": "12", "since":
1790000000.1}}, "problems": [{"virtual_service": "shop/myapp", "message": "..."}], "refused": ""}`. A version
stands there only after Envoy has taken it; `refused` tells why Envoy has not taken the newest state.
"""

import json
import threading
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from canary.adapters.kube.transport import Transport
from canary.sandbox.envoy import EnvoyRefused, MeshWriter
from canary.sandbox.files import read_if_there, replace_json
from canary.sandbox.mirror import Mirror
from canary.sandbox.routes import Mesh, MeshObjects, Problem, translate

_SERVICES = "/api/v1/services"
_PODS = "/api/v1/pods"
_DESTINATION_RULES = "/apis/networking.istio.io/v1/destinationrules"
_VIRTUAL_SERVICES = "/apis/networking.istio.io/v1/virtualservices"
_GATHER_SECONDS = 0.02
_RETRY_SECONDS = 0.5
_ROUND_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class InForce:
    """What Envoy does: version and start (Unix time) of each VirtualService, problems, a refusal or ""."""

    virtual_services: dict[str, tuple[str, float]]
    problems: tuple[Problem, ...]
    refused: str


class RouteFollower:
    """Watches the four resources that shape traffic and brings every change into force."""

    def __init__(self, transport: Transport, writer: MeshWriter, note: Path) -> None:
        self._writer = writer
        self._note = note
        self._changed = threading.Event()
        self._mirrors = {
            path: Mirror(transport, path, self._changed.set)
            for path in (_SERVICES, _PODS, _DESTINATION_RULES, _VIRTUAL_SERVICES)
        }
        self._since: dict[str, tuple[str, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="route follower", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        for mirror in self._mirrors.values():
            mirror.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop writing; Envoy keeps what it has."""
        self._stop.set()
        self._changed.set()
        for mirror in self._mirrors.values():
            mirror.stop()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        # With one kind missing, the others would make a mesh that nobody asked for.
        for mirror in self._mirrors.values():
            while not mirror.wait_synced(_ROUND_SECONDS):
                if self._stop.is_set():
                    return
        self._changed.set()
        while not self._stop.is_set():
            if not self._changed.wait(_ROUND_SECONDS):
                continue
            # Changes come in groups (a rollout, an apply of several files): gather them for a moment.
            self._stop.wait(_GATHER_SECONDS)
            self._changed.clear()
            self._bring_into_force()

    def _bring_into_force(self) -> None:
        try:
            mesh = translate(self._objects())
        except Exception as exc:  # noqa: BLE001 - a defect of ours must be seen, and must not end this thread
            traceback.print_exc()
            self._write_note((), f"defect in the translation: {exc!r}")
            return
        try:
            self._writer.apply(mesh)
        except (EnvoyRefused, requests.RequestException) as exc:
            self._write_note(mesh.problems, str(exc))
            if not self._stop.wait(_RETRY_SECONDS):
                self._changed.set()
            return
        self._remember(mesh)
        self._write_note(mesh.problems, "")

    def _objects(self) -> MeshObjects:
        return MeshObjects(
            services=self._mirrors[_SERVICES].objects(),
            pods=self._mirrors[_PODS].objects(),
            destination_rules=self._mirrors[_DESTINATION_RULES].objects(),
            virtual_services=self._mirrors[_VIRTUAL_SERVICES].objects(),
        )

    def _remember(self, mesh: Mesh) -> None:
        now = time.time()
        self._since = {
            key: self._since[key] if self._since.get(key, ("", 0.0))[0] == version else (version, now)
            for key, version in mesh.versions.items()
        }

    def _write_note(self, problems: tuple[Problem, ...], refused: str) -> None:
        in_force = {
            key: {"resource_version": version, "since": since}
            for key, (version, since) in self._since.items()
        }
        note = {
            "virtual_services": in_force,
            "problems": [asdict(item) for item in problems],
            "refused": refused,
        }
        replace_json(self._note, note)


def read_note(path: Path) -> InForce | None:
    """What the follower wrote last, or None before its first mesh is in force."""
    text = read_if_there(path)
    if text is None:
        return None
    note: dict[str, Any] = json.loads(text)
    return InForce(
        virtual_services={
            key: (entry["resource_version"], entry["since"])
            for key, entry in note["virtual_services"].items()
        },
        problems=tuple(Problem(item["virtual_service"], item["message"]) for item in note["problems"]),
        refused=note["refused"],
    )

"""How a controller starts on a real control plane; how long that takes is noted down, and never asserted."""

import time
from pathlib import Path

from canary.adapters.kube.connection import connect
from canary.sandbox.apiserver import RequestRecord
from canary.sandbox.control_plane import install_crds
from canary.sandbox.processes import Processes, wait_until
from tests.chart.rendering import NEEDED
from tests.cluster.figures import FIGURES, resident_mb
from tests.cluster.notes import note
from tests.controllers import controller_as, user_agent
from tests.definitions import definitions
from tests.grounds import NewGround

STARTS = 5
NAME = "starter"
COLLECTIONS = {
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/canaryctl.dev/v1alpha1/releases",
    "/apis/canaryctl.dev/v1alpha1/releasepolicies",
}


def test_a_controller_that_starts_follows_its_collections_and_leads(
    control_plane: NewGround, tmp_path: Path
) -> None:
    moments: dict[str, float] = {}

    def witness(record: RequestRecord) -> None:
        if record.user_agent != user_agent(NAME) or record.status >= 300:
            return
        is_watch = "watch=true" in record.query
        what = (
            "lease"
            if "/leases" in record.path and record.method != "GET"
            else record.path
            if is_watch
            else ""
        )
        moments.setdefault(what, time.monotonic())

    with control_plane() as ground, Processes(tmp_path) as processes:
        install_crds(connect(ground.kubeconfig), definitions())
        account = ground.account(NEEDED)
        environment = {
            **account,
            "CANARY_PROMETHEUS__URL": "http://127.0.0.1:9",
            "CANARY_HTTP__HOST": "127.0.0.1",
        }
        ground.api.seam.after_effect = witness
        synced, leading, resident = [], [], []
        for _ in range(STARTS):
            moments.clear()
            began = time.monotonic()
            child = processes.start(NAME, controller_as(NAME), {**environment, "CANARY_HTTP__PORT": "0"})
            wait_until(lambda: COLLECTIONS | {"lease"} <= moments.keys() or None, child, 60)
            synced.append(round(max(moments[path] for path in COLLECTIONS) - began, 2))
            leading.append(round(moments["lease"] - began, 2))
            resident.append(resident_mb(child.pid))
            assert child.stop(20) == 0
            processes.forget(child)
    note(FIGURES, ["controller: {} s from its start until all its watches follow", synced])
    note(FIGURES, ["controller: {} s from its start until it leads", leading])
    note(FIGURES, ["controller: {} MB resident when it has begun to lead", resident])

"""A cluster with a controller that runs, and shops that come and go."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from canary.adapters.kube.connection import connect
from canary.adapters.kube.transport import Transport
from canary.entrypoints.demo import controller_environment
from canary.sandbox.apiserver.seam import RequestRecord
from canary.sandbox.cluster import Sandbox
from canary.sandbox.control_plane import install_crds
from canary.sandbox.processes import Child
from tests.chart.rendering import NEEDED
from tests.controllers import controller_as, user_agent
from tests.definitions import definitions
from tests.grounds import Ground, NewGround
from tests.scenarios.shop import REPLICA, Json, Shop

__all__ = ["World", "running_world"]


@dataclass
class World:
    """The cluster that the scenarios share; its controllers are those that were started here."""

    ground: Ground
    sandbox: Sandbox
    admin: Transport
    account: Mapping[str, str]
    controllers: list[Child] = field(default_factory=list)
    asked: list[RequestRecord] = field(default_factory=list)
    """All that the controllers asked, in order, Events left aside."""

    def __post_init__(self) -> None:
        self.ground.api.seam.after_effect = self._witness

    def start_controller(self, letter: str = "a", **settings: str) -> Child:
        """Start a replica; ``LEADERSHIP__LEASE_DURATION="4s"`` is a setting."""
        name = f"{REPLICA}{letter}"
        given = {f"CANARY_{setting}": value for setting, value in settings.items()}
        environment = {**controller_environment(self.sandbox), **self.account, **given}
        child = self.sandbox.processes.start(name, controller_as(name), environment)
        self.controllers.append(child)
        return child

    def requests_of(self, letter: str) -> list[RequestRecord]:
        """What a replica has asked, in the order in which it was answered; Events left aside, on which
        nothing depends.
        """
        agent = user_agent(f"{REPLICA}{letter}")
        return [item for item in tuple(self.asked) if item.user_agent == agent]

    def writes_of(self, letter: str) -> list[RequestRecord]:
        """Those of them that change something."""
        return [item for item in self.requests_of(letter) if item.method != "GET"]

    def _witness(self, record: RequestRecord) -> None:
        if record.user_agent.startswith(user_agent(REPLICA)) and "/events" not in record.path:
            self.asked.append(record)

    @contextmanager
    def new_shop(self) -> Iterator[Shop]:
        """A namespace for one service; at the end no controller may have told of a defect meanwhile."""
        said = {child.pid: child.log.stat().st_size for child in self.controllers}
        namespace = f"shop-{secrets.token_hex(3)}"
        shop = Shop(self.sandbox, self.admin, self.ground.api.seam, self.controllers, namespace)
        try:
            yield shop
        finally:
            shop.close()
        for child in self.controllers:
            new = child.log.read_text(encoding="utf-8")[said.get(child.pid, 0) :]
            assert "Traceback" not in new, new
            assert "Quarantined" not in new, new


@contextmanager
def running_world(control_plane: NewGround, ours: list[Json] | None = None) -> Iterator[World]:
    """A world without a controller yet, with the given definitions of ours, or those of config/crd."""
    with (
        control_plane() as ground,
        Sandbox(control_plane=ground.kubeconfig, istiod=ground.istiod) as sandbox,
    ):
        admin = connect(ground.kubeconfig)
        install_crds(admin, ours or definitions())
        yield World(ground, sandbox, admin, ground.account(NEEDED))

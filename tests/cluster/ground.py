"""A real control plane as the ground of a test, with all that the controller's account asks of it noted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial

from canary.adapters.kube.connection import connect
from canary.sandbox.apiserver import RequestRecord
from canary.sandbox.control_plane import control_plane_with_istio, create
from tests.chart.permissions import asked_for
from tests.cluster.accounts import install_account
from tests.cluster.figures import REQUESTS
from tests.cluster.front import running_front
from tests.cluster.notes import note
from tests.grounds import HOME_ITSELF, Ground

__all__ = ["real_ground", "say"]


def say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def real_ground() -> Iterator[Ground]:
    """Run a control plane and, before it, the tests' seam."""
    of_the_account: list[RequestRecord] = []
    with control_plane_with_istio(say) as plane, running_front(plane, of_the_account.append) as api:
        admin = connect(plane.kubeconfig)
        create(admin, HOME_ITSELF)
        account = partial(install_account, admin, api.url, directory=api.kubeconfig.parent)
        yield Ground(api, plane.kubeconfig, account)
    counts = Counter((asked_for(record), record.status) for record in tuple(of_the_account))
    found = ((asked, status, count) for (asked, status), count in counts.items() if asked is not None)
    note(REQUESTS, [[asdict(asked), status, count] for asked, status, count in found])

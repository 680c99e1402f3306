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


LACKS_RIGHTS = " cannot "
"""In the words of a refusal for want of rights; another is that of a namespace that is going."""


@contextmanager
def real_ground() -> Iterator[Ground]:
    """Run a control plane and, before it, the tests' seam."""
    asked: list[tuple[RequestRecord, bool]] = []

    def witness(record: RequestRecord, words: str) -> None:
        asked.append((record, LACKS_RIGHTS in words))

    with control_plane_with_istio(say) as plane, running_front(plane, witness) as api:
        admin = connect(plane.kubeconfig)
        create(admin, HOME_ITSELF)
        account = partial(install_account, admin, api.url, directory=api.kubeconfig.parent)
        yield Ground(api, plane.kubeconfig, account)
    counts = Counter((asked_for(record), is_refused) for record, is_refused in tuple(asked))
    found = (
        (needed, is_refused, count) for (needed, is_refused), count in counts.items() if needed is not None
    )
    note(REQUESTS, [[asdict(needed), is_refused, count] for needed, is_refused, count in found])

"""A real mesh for whatever wants one; collected by ``make test-mesh`` only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from canary.sandbox.mesh import find_istiod
from tests.cluster.ground import real_ground, say
from tests.grounds import Ground, NewGround
from tests.scenarios.conftest import shop, world

# Reexported: these make the scenarios run here.
__all__ = ["IN_ITS_NETWORK", "shop", "world"]

IN_ITS_NETWORK = "CANARY_TEST_MESH"
"""The variable that the runner sets; without it Pods' addresses would be nobody's."""

collect_ignore_glob = [] if os.environ.get(IN_ITS_NETWORK) else ["test_*.py"]


@contextmanager
def mesh_ground() -> Iterator[Ground]:
    """Run a real control plane, with istiod to be run beside it."""
    with real_ground() as ground:
        yield replace(ground, istiod=find_istiod(say))


@pytest.fixture(scope="session")
def control_plane() -> NewGround:
    """Begins a real control plane for a mesh wherever one is entered."""
    return mesh_ground

"""The world that most scenarios share, with one controller, and a shop for each of them."""

from collections.abc import Iterator

import pytest

from tests.grounds import NewGround, control_plane
from tests.scenarios.shop import Shop
from tests.scenarios.world import World, running_world

__all__ = ["control_plane"]


@pytest.fixture(scope="session")
def world(control_plane: NewGround) -> Iterator[World]:
    with running_world(control_plane) as made:
        made.start_controller()
        yield made


@pytest.fixture
def shop(world: World) -> Iterator[Shop]:
    with world.new_shop() as made:
        yield made

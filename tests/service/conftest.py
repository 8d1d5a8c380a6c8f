"""One world for all who ask the service."""

from collections.abc import Iterator

import pytest

from archiver.desk import Desk
from archiver.service.pages.console import console
from tests.operators.people import CHEAP
from tests.service.world import AWAY, World, at_once, living


@pytest.fixture(scope="session")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Desk, "costs", CHEAP)
        with living(tmp_path_factory.mktemp("service"), pages=console(at_once)) as made:
            yield made


@pytest.fixture
def world(_world: World) -> World:
    """The world, a week later: nobody is logged in and nothing counts any more."""
    _world.later(AWAY)
    return _world

"""A sealed archive, and copies of it to be attacked or lived on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.verification.sites import Site, attacked, sealed


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A sealed archive, which nobody changes."""
    return sealed(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def site(desk: Desk, tmp_path: Path) -> Iterator[Site]:
    """A copy of it."""
    with attacked(desk, tmp_path / "host") as copied:
        yield copied

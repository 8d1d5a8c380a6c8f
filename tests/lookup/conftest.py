"""One bazaar for all who look into it; nobody changes it."""

from collections.abc import Iterator

import pytest

from archiver.lookup.finding import Finder
from tests.lookup.bazaar import Bazaar, bazaar
from tests.lookup.rooms import finder_at

SEED = 4


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Bazaar:
    """Some hundred orders of three shops over five days."""
    return bazaar(tmp_path_factory.mktemp("bazaar"), orders=450, seed=SEED)


@pytest.fixture(scope="session")
def finder(market: Bazaar) -> Iterator[Finder]:
    """A finder over it."""
    with finder_at(market.desk) as made:
        yield made

"""One bazaar for all who look into it; nobody changes it."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from archiver.lookup.finding import Finder
from tests.lookup.bazaar import Bazaar, bazaar
from tests.lookup.oracle import Oracle
from tests.lookup.rooms import finder_at

SEED = 4
SOAK = settings.get_current_profile_name() == "soak"
ORDERS = 450


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Bazaar:
    """Some hundred orders of three shops over five days; `make soak` asks of 200,000."""
    return bazaar(tmp_path_factory.mktemp("bazaar"), orders=ORDERS, seed=SEED)


@pytest.fixture(scope="session")
def oracle(market: Bazaar) -> Oracle:
    """What brute force over its sealed rows says."""
    return Oracle(market.sealed)


@pytest.fixture(scope="session")
def finder(market: Bazaar) -> Iterator[Finder]:
    """A finder over it."""
    with finder_at(market.desk) as made:
        yield made

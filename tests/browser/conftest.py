"""One browser, one server and one archive for all tests of a module."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from archiver.desk import Desk
from archiver.service.pages.console import console
from tests.browser.person import Office
from tests.conftest import enter_or_say_why
from tests.operators.people import CHEAP
from tests.servers import chromium
from tests.service.world import AWAY, living

# A reveal starts a process, and the machine may be busy with other tests.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def chromium_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """The service with its people, and a browser for each of them."""
    with ExitStack() as stack:
        browser = enter_or_say_why(stack, chromium.running())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(Desk, "costs", CHEAP)
        world = stack.enter_context(
            living(tmp_path_factory.mktemp("browser"), orders=40, pages=console())
        )
        address = stack.enter_context(chromium.served(world.app))
        yield Office(world=world, browser=browser, address=address)


@pytest.fixture
def office(chromium_office: Office) -> Iterator[Office]:
    """The same, a week later; no page may have had anything to complain about."""
    chromium_office.world.later(AWAY)
    yield chromium_office
    complaints, chromium_office.complaints = chromium_office.complaints, []
    chromium_office.close()
    assert complaints == []

"""A small office."""

import shutil
from pathlib import Path

import pytest

from archiver.policy import Role
from tests.operators.people import People


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> People:
    """An office that is hired once and copied for each test."""
    made = People(tmp_path_factory.mktemp("office"))
    made.add("root", Role.ADMINISTRATOR)
    made.add("sue", Role.SUPPORT)
    made.add("carol", Role.COMPLIANCE)
    made.add("chen", Role.COMPLIANCE)
    made.add("kai", Role.CUSTODIAN)
    return made


@pytest.fixture
def people(office: People, tmp_path: Path) -> People:
    """Five operators, one for each role but auditors; the administrator is `root`."""
    for path in office.folder.glob("state.db*"):
        shutil.copy(path, tmp_path)
    return People(tmp_path, enrolled=dict(office.enrolled))

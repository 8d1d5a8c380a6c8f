"""An archive, founded once, and a copy of it for every test."""

from pathlib import Path

import pytest

from tests.ledger.books import Books


@pytest.fixture(scope="session")
def _original(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books.found(tmp_path_factory.mktemp("books"))


@pytest.fixture
def books(_original: Books, tmp_path: Path) -> Books:
    """An archive in memory, without a ledger yet."""
    return _original.copy(tmp_path)

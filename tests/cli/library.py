"""A folder with an archive, an index and operators: what support and compliance work with."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archiver.desk import Desk
from tests.cli.conftest import Ran, Terminal
from tests.cli.people import Office
from tests.operators.people import CHEAP

NAMES = ("sue", "carol", "dora", "audrey")


@dataclass(slots=True)
class Library:
    """An archive of a small shop, and its operators."""

    terminal: Terminal
    office: Office
    path: Path

    def ask(self, name: str, *arguments: str, stdin: str = "", lang: str = "en_US.UTF-8") -> Ran:
        """Run a command with `--json` as an operator."""
        self.terminal.environment["ARCHIVER_OPERATOR"] = name
        return self.terminal.json(*arguments, stdin=stdin, lang=lang)

    def see(self, name: str, *arguments: str, lang: str = "en_US.UTF-8") -> Ran:
        """Run a command as an operator who looks at a screen."""
        self.terminal.environment["ARCHIVER_OPERATOR"] = name
        return self.terminal.archiver(*arguments, lang=lang)

    def rows(self, query: str) -> list[Any]:
        """Ask the shop's database."""
        with sqlite3.connect(self.path) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute(query).fetchall()
        connection.close()
        return found

    def index(self) -> None:
        """Bring the local index up to date."""
        assert self.terminal.json("update-index").exit == 0

    def log(self) -> list[dict[str, Any]]:
        """Return the access log's entries as the auditor sees them, his own looking left out."""
        entries = self.ask("audrey", "access", "log").document["entries"]
        return [one for one in entries if one["command"] != "access log"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """An archive of five days, indexed; nobody's session ends during a test."""
    folder = tmp_path_factory.mktemp("library")
    unset = ("LC_ALL", "LC_MESSAGES", "ARCHIVER_LANG", "ARCHIVER_CONFIG", "COLUMNS", "NO_COLOR")
    terminal = Terminal(folder=folder, environment=dict.fromkeys(unset))
    terminal.environment["HOME"] = str(folder / "home")
    terminal.configure()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Desk, "costs", CHEAP)
        assert terminal.archiver("init").exit == 0
        shop = terminal.shop(orders=120)
        assert terminal.archiver("nightly").exit in (0, 3)
        office = Office(terminal)
        assert office.add("root", "administrator").exit == 0
        assert office.login("root").exit == 0
        roles = ("support", "compliance", "compliance", "auditor")
        for name, role in zip(NAMES, roles, strict=True):
            assert office.add(name, role).exit == 0
        for name in NAMES:
            assert office.login(name).exit == 0
        made = Library(terminal, office, shop.path)
        assert terminal.json("rebuild-index").exit == 0
        yield made

"""A folder with a small shop and a configuration, and a terminal to run commands in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from archiver.demo.shop import Shop
from cli.main import program

CONFIGURATION = """
[archive]
name = "test"
role = "platform"
legal_basis = "电子商务法第三十一条"
[store]
url = "dir:vault"
[[source]]
name = "main"
preset = "dujiaoka"
url = "sqlite:///shop.db"
[watch]
orders_per_5m = 1_000
misses_per_5m = 1_000
misses_per_day = 1_000
steps_per_day = 1_000
"""
"""Tests ask faster than people do: what is watched over minutes is tried elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command has left behind."""

    exit: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one document on stdout; fails if there is anything else."""
        document: dict[str, Any] = json.loads(self.out)
        assert document["format"] == 1
        assert document["exit"] == self.exit
        return document

    @property
    def codes(self) -> list[str]:
        """The codes of the document's alarms."""
        return [alarm["code"] for alarm in self.document["alarms"]]


@dataclass(slots=True)
class Terminal:
    """Runs commands in one folder, in this process."""

    folder: Path
    environment: dict[str, str | None]

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "archiver.toml"

    def configure(self, *replacements: tuple[str, str]) -> None:
        """Write the configuration, with some of its text replaced."""
        text = CONFIGURATION
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        self.config.write_text(text, "utf-8")

    def run(self, *arguments: str, lang: str = "en_US.UTF-8", stdin: str = "") -> Ran:
        """Run a command that takes no configuration."""
        environment = {**self.environment, "LANG": lang}
        result = CliRunner().invoke(program, list(arguments), stdin, environment)
        return Ran(exit=result.exit_code, out=result.stdout, err=result.stderr)

    def archiver(self, *arguments: str, lang: str = "en_US.UTF-8", stdin: str = "") -> Ran:
        """Run a command on the folder's archive."""
        return self.run(*arguments, "--config", str(self.config), lang=lang, stdin=stdin)

    def json(self, *arguments: str, lang: str = "en_US.UTF-8", stdin: str = "") -> Ran:
        """Run a command with `--json`; nothing may stand on stderr."""
        ran = self.archiver(*arguments, "--json", lang=lang, stdin=stdin)
        assert ran.err == ""
        return ran

    def shop(self, orders: int = 60, days: int = 5) -> Shop:
        """Open a shop up to the last closed day; three of its orders are broken."""
        shop = Shop(self.folder / "shop.db", last_day=last_closed_day(), days=days)
        shop.open_until(last_closed_day(), orders)
        return shop

    def files(self) -> Sequence[Path]:
        """Everything in the folder."""
        return [path for path in self.folder.rglob("*") if path.is_file()]


def last_closed_day() -> date:
    """The last day that the real clock allows to be sealed, with the default grace."""
    now = datetime.now(UTC) - timedelta(hours=2)
    return now.astimezone(ZoneInfo("Asia/Shanghai")).date() - timedelta(days=1)


@pytest.fixture
def terminal(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in a fresh folder with a configuration, and no archive yet."""
    unset = ("LC_ALL", "LC_MESSAGES", "ARCHIVER_LANG", "ARCHIVER_CONFIG", "COLUMNS", "NO_COLOR")
    environment: dict[str, str | None] = dict.fromkeys(unset)
    environment["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("home"))
    made = Terminal(folder=tmp_path, environment=environment)
    made.configure()
    return made


@pytest.fixture
def founded(terminal: Terminal) -> Terminal:
    """A terminal in the folder of an archive without a shop."""
    assert terminal.archiver("init").exit == 0
    return terminal

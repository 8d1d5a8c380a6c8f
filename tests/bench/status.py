"""How long `archiver status` takes in the archive's third year."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final

from archiver.wiring import Installation
from tests.bench.figures import Figure
from tests.bench.ground import DAY, ArchiveHome, Ground
from tests.bench.processes import run
from tests.bench.startup import PROGRAM
from tests.shops import dujiaoka

NAME = "status"
DAYS: Final = 1_095
REPEATS: Final = 5
_MISSING: Final = 10
"""The days from the benchmark's day until today; that is no failure here."""


def measure(ground: Ground) -> Iterator[Figure]:
    """Seal a day, repeat its manifest for three years, and ask, with and without local copies."""
    shop = ground.folder / "status.db"
    with closing(sqlite3.connect(shop)) as connection:
        dujiaoka.fill(connection, orders=300, days=1, start=DAY)
    with ground.archive(f"sqlite:///{shop}") as home:
        home.night(DAY)
        _repeat(home.config)
        for what, cold, target in (("", False, 1.0), (", without its local copies", True, None)):
            yield Figure(
                benchmark=NAME,
                what=f"archiver status over {DAYS:,} days{what} (median of {REPEATS})",
                value=median(_asked(home, cold=cold) for _ in range(REPEATS)),
                unit="s",
                target=target,
            )


def _asked(home: ArchiveHome, *, cold: bool) -> float:
    if cold:
        shutil.rmtree(home.folder / "index" / "manifests")
    argv: list[str | Path] = [PROGRAM, "status", "--json", "--config", home.config]
    return run(argv, accept=(0, _MISSING)).seconds


def _repeat(config: Path) -> None:
    """Append the first manifest again for every day before it: a chain of `DAYS`."""
    installation = Installation.load(config)
    archive = installation.archive(to_seal=True)
    catalog = installation.catalog(archive)
    catalog.refresh()
    first = catalog.entries[0].document
    for ago in range(1, DAYS):
        follows = {"number": catalog.next_number, "previous": catalog.head}
        day = first.day - timedelta(days=ago)
        catalog.append(first.model_copy(update={**follows, "day": day}))

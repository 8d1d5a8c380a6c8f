"""A shop large enough for a service: ten million orders in its index, a tenth of them in its store.

Orders beyond the first million are in the local index alone, as generated tokens: a question that
hits none of them reads none of them. Each order follows from its number, so that whoever asks
knows what must be answered.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from archiver.catalog import Catalog
from archiver.index import IndexBuilder
from archiver.index.keys import IndexKeys
from archiver.mapping import OrderMapping
from archiver.ports import RawPage, Window
from archiver.stores.directory import DirectoryStore
from tests.archives import RULES, Place, Row, Silent, raw_table
from tests.bench.index_build import TOKENS, widen
from tests.clock import FrozenClock
from tests.desk import SHANGHAI, Desk
from tests.lookup.bazaar import MAPPING, a_row
from tests.lookup.rooms import base_root

FIRST: Final = date(2026, 3, 2)
A_DAY: Final = 10_000
DAYS: Final = 100
"""Of orders that are really sealed."""
INDEXED: Final = 10_000_000


def order(number: int) -> Row:
    """Return the order of a number, from 0 on."""
    day, place = divmod(number, A_DAY)
    ended = datetime.combine(FIRST + timedelta(days=day), time(), SHANGHAI).astimezone(UTC)
    ended += timedelta(seconds=8 * place)
    return a_row(random.Random(number), number, ended, shop=0)


@dataclass(slots=True)
class Shop:
    """A source that makes the rows of a day when somebody asks for them."""

    mapping: OrderMapping = MAPPING
    name: str = "main"
    _made: dict[int, pa.Table] = field(default_factory=dict)

    def pages(
        self,
        ended: Window,
        changed: Window | None = None,
        *,
        beyond: datetime | None = None,  # noqa: ARG002  nothing ends in the future
        limit: int | None = None,
        exact: bool = False,  # noqa: ARG002
    ) -> Iterator[RawPage]:
        """Yield the orders of the days of both windows: none changes after its end."""
        wanted: set[int] = set()
        for window in (ended, changed) if changed else (ended,):
            wanted.update(self._days(window))
        for day in sorted(wanted)[: 1 if limit else None]:
            yield RawPage(rows=self.of(day), children={})

    def days(self, ended: Window) -> Mapping[date, int]:
        """Return the days on which orders end."""
        return {FIRST + timedelta(days=day): A_DAY for day in self._days(ended)}

    def of(self, day: int) -> pa.Table:
        """Return the orders of a day; those of long ago are forgotten."""
        if day not in self._made:
            self._made = {one: rows for one, rows in self._made.items() if one > day - 30}
            rows = [order(day * A_DAY + n) for n in range(A_DAY)]
            self._made[day] = raw_table(rows, MAPPING.page_columns)
        return self._made[day]

    def census(self, created: Window, ended: Window) -> Iterator[pa.Table]:  # noqa: ARG002
        """Yield nobody: no census is taken."""
        yield from ()

    def roll_call(self, created: Window | None = None) -> Iterator[pa.Table]:  # noqa: ARG002
        """Yield nobody: this shop retires nothing."""
        yield from ()

    def rows(self, keys: Sequence[bytes]) -> Iterator[RawPage]:  # noqa: ARG002
        """Yield nothing: nobody was unknown to a census."""
        yield from ()

    def _days(self, window: Window) -> range:
        begun = datetime.combine(FIRST, time(), SHANGHAI)
        day = timedelta(days=1)
        return range(max(0, (window.start - begun) // day), max(0, -((begun - window.end) // day)))


@dataclass(slots=True)
class Trade:
    """The shop and its archive."""

    folder: Path
    desk: Desk
    sealed: int = 0
    """Days."""

    @classmethod
    def begun(cls, folder: Path) -> "Trade":
        """Found the archive."""
        trade = cls.at(folder, sealed=0)
        trade.desk.place.found(trade.desk.store, trade.desk.clock, RULES)
        return trade

    @classmethod
    def at(cls, folder: Path, *, sealed: int) -> "Trade":
        """Return the one in a folder."""
        clock = FrozenClock(_night_after(sealed))
        store = DirectoryStore(folder / "vault", clock)
        rules = replace(RULES, census=timedelta())
        shops: list[Any] = [Shop()]  # it gives no single rows, which tests change
        return cls(folder, Desk(Place(folder), clock, store, rules, shops), sealed)

    def seal(self, days: int = 1) -> None:
        """Let the night come that seals so many more days."""
        self.sealed += days
        self.desk.clock.instant = _night_after(self.sealed)
        if failures := self.desk.night().failures:
            raise RuntimeError(str(failures[0]))

    @property
    def shop(self) -> "Shop":
        """The shop."""
        (shop,) = self.desk.sources
        assert isinstance(shop, Shop)
        return shop

    def make_ready(self, days: int) -> None:
        """Make the rows that the next nights read: that is the shop's work."""
        for day in range(max(0, self.sealed - 8), self.sealed + days + 2):
            self.shop.of(day)

    def index(self) -> None:
        """Build the local index over what is sealed, and put generated partitions behind it."""
        archive = self.desk.open()
        keys = IndexKeys.open(archive, base_root(self.desk))
        folder = self.folder / "index"
        catalog = Catalog(archive, folder / "manifests")
        catalog.refresh()
        search = folder / "search"
        built = IndexBuilder(archive=archive, keys=keys, folder=search, progress=Silent())
        built.update(catalog.entries)
        widen(search, (INDEXED - self.sealed * A_DAY) * TOKENS)


def _night_after(days: int) -> datetime:
    night = datetime.combine(FIRST + timedelta(days=days), time(3), SHANGHAI)
    return night.astimezone(UTC)

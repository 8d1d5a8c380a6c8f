"""Questions to an archive that grows meanwhile: nights publish, the index is merged and rebuilt."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from archiver.index import IndexKeys
from archiver.lookup.finding import Finder
from tests.lookup.bazaar import Market, market, read_all
from tests.lookup.oracle import Oracle, Row
from tests.lookup.questions import a_question, require_same
from tests.lookup.rooms import base_root, builder_of, finder_at


@dataclass(slots=True)
class Growing:
    """An archive, whoever seals into it, and whoever asks."""

    market: Market
    orders: int
    """Of a day."""
    days: int
    """That are still to come."""
    _rows: list[Row] = field(default_factory=list)
    _known: int = 0
    _oracle: Oracle | None = None
    states: set[tuple[int, int]] = field(default_factory=set)
    """Manifest and number of local segments of each index that was asked."""
    asked: int = 0

    def grow(self) -> None:
        """Let the days pass: each is sealed and taken into the index, which is rebuilt at last."""
        desk = self.market.desk
        archive = desk.open()
        keys = IndexKeys.open(archive, base_root(desk))
        builder, catalog = builder_of(archive, keys, desk.place.folder / "index")
        for _ in range(self.days):
            self.market.next_day(self.orders)
            self.market.seal()
            catalog.refresh()
            builder.update(catalog.entries)
        builder.rebuild(catalog.entries)

    def ask(self, finder: Finder, seed: int, pages: int) -> None:
        """Ask one question of what is published now."""
        self.asked += 1
        index = finder.index = finder.index.renewed()
        self.states.add((index.pointer.manifest, len(index.pointer.segments)))
        oracle = self._through(index.pointer.manifest)
        require_same(finder, oracle, a_question(oracle.rows, random.Random(seed)), pages)

    def _through(self, manifest: int) -> Oracle:
        """Return what an index up to this manifest must know: every row of them."""
        if self._oracle is None or manifest > self._known:
            for number, rows in read_all(self.market.desk, self._known):
                if number > manifest:
                    break
                self._rows += rows
                self._known = number
            self._oracle = Oracle(list(self._rows))
        return self._oracle


def ask_while_it_grows(
    folder: Path, *, orders: int, days: int, questions: int, seed: int, pages: int
) -> Growing:
    """Ask random questions while days are sealed, then of the rebuilt index.

    Args:
        folder: Empty.
        orders: In all, of three shops.
        days: Over which they are spread.
        questions: In all; half of them at least when all is sealed and rebuilt.
        seed: Of everything random.
        pages: To compare of each answer.
    """
    made = market(folder, seed=seed)
    made.next_day(orders // days)
    made.seal()
    growing = Growing(made, orders // days, days - 1)
    seeds = count(seed)
    with finder_at(made.desk) as finder, ThreadPoolExecutor(1) as executor:
        sealed = executor.submit(growing.grow)
        while not sealed.done():
            growing.ask(finder, next(seeds), pages)
        sealed.result()
        for _ in range(max(questions - growing.asked, questions // 2)):
            growing.ask(finder, next(seeds), pages)
    return growing

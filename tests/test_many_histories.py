"""Thousands of histories, hundreds of them in each shop: what is sealed is what an oracle says.

A history is what happens to some orders of a shop over five days, drawn on its own; the nights
see all histories of a shop at once, on time, late, twice, or after their host has forgotten what
it knew. `test_histories.py` gives each history a shop of its own, `make soak` bad luck as well.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from archiver import layout
from archiver.errors import VanishedError
from archiver.mapping import OrderMapping
from schemas.documents import Manifest
from tests import cards, format_reader
from tests.archives import Row
from tests.auditor import lawful_date, secret_in
from tests.desk import Desk, at, founded, totals
from tests.faults import Count
from tests.tally import HISTORY, NIGHT, tally
from tests.test_histories import FIRST_DAY, Action, Oracle, happen, lose, mutable

HISTORIES = 840
"""Of a shop; six shops make 5,040."""
SHOPS = 3
"""Of each mapping."""
DAYS = 5
FEWEST_NIGHTS = 3
OWN_KEYS = 1_000
"""Row keys that a history has to itself."""


@dataclass(slots=True)
class Corner:
    """The rows of one history, as if it were alone in its shop."""

    place: int
    rows: list[Row] = field(default_factory=list)
    happened: list[tuple[int, Action]] = field(default_factory=list)

    def change(self, number: int, **columns: object) -> None:
        """Change columns of a row."""
        (index,) = (i for i, row in enumerate(self.rows) if row["id"] == number)
        self.rows[index] = cards.shown({**self.rows[index], **columns})

    def remove(self, number: int) -> None:
        """Delete a row."""
        self.rows[:] = [row for row in self.rows if row["id"] != number]

    def in_the_shop(self) -> Iterator[cards.Row]:
        """Yield its rows under keys and numbers that no other history uses."""
        for row in self.rows:
            key = self.place * OWN_KEYS + row["id"]
            yield dict(row) | {"id": key, "no": f"H{self.place}-{row['no']}"}


def drawn(chance: random.Random) -> Action:
    """Draw what happens next."""
    kind = chance.choices(
        ("order", "late order", "touch", "edit", "refund", "break", "repair", "delete", "rename",
         "double"),
        (9, 5, 3, 3, 3, 2, 2, 2, 1, 1),
    )[0]  # fmt: skip
    match kind:
        case "order":
            return kind, chance.randrange(24), chance.randrange(3)
        case "late order":
            return kind, chance.randrange(24), chance.randrange(1, 10)
        case "double":
            return kind, chance.randrange(13), chance.randrange(2)
        case _:
            return kind, chance.randrange(13), chance.randrange(4)


@pytest.mark.parametrize("shop", range(SHOPS))
@pytest.mark.parametrize("mapping", [cards.OWN, cards.PROXY], ids=["own", "proxy"])
def test_an_archive_holds_exactly_what_happened_in_hundreds_of_histories(
    tmp_path: Path, mapping: OrderMapping, shop: int
) -> None:
    chance = random.Random(f"{mapping is cards.OWN} {shop}")
    desk = founded(tmp_path, mapping=mapping)
    oracle = Oracle(own=mapping is cards.OWN)
    corners = [Corner(number) for number in range(1, HISTORIES + 1)]
    nights = 0
    for day in range(FIRST_DAY, FIRST_DAY + DAYS):
        for corner in corners:
            for place in range(chance.randrange(4)):
                action = drawn(chance)
                corner.happened.append((day, action))
                happen(corner, day, place, action)
        desk.rows[:] = [row for corner in corners for row in corner.in_the_shop()]
        desk.clock.instant = at(day + 1, 3)
        days_left = FIRST_DAY + DAYS - 1 - day
        if days_left and nights + days_left >= FEWEST_NIGHTS and chance.random() < 0.3:
            continue
        lose(desk, chance.choice(["nothing", "nothing", "nothing", "known", "manifests", "index"]))
        for _ in range(chance.choice([1, 1, 1, 2])):
            expected = oracle.night(mutable(desk), day, desk.clock.now())
            report = desk.night()
            assert [type(error) for error in report.failures] == [VanishedError] * bool(oracle.gone)
            assert totals(report) == expected
            nights += 1
    assert nights >= FEWEST_NIGHTS
    found, told = read_back(desk)
    assert set(found.values()) == {1}
    astray = {order[0] for order in found.keys() ^ oracle.orders}
    assert not astray, simplest(corners, astray)
    assert told == Counter(oracle.rejects)
    counting = Count(desk.store)
    assert [type(error) for error in desk.night(store=counting).failures] == [VanishedError]
    assert not counting.puts
    tally(HISTORY, f"{HISTORIES} to a shop", HISTORIES)
    tally(NIGHT, "", HISTORIES * nights)


def simplest(corners: list[Corner], astray: set[str]) -> list[tuple[int, Action]]:
    """Return the shortest of the histories in which something went wrong."""
    places = {int(number.partition("-")[0].removeprefix("H")) for number in astray}
    return min((c.happened for c in corners if c.place in places), key=len)


Order = tuple[str, int, datetime, datetime, str]


def read_back(desk: Desk) -> tuple[Counter[Order], Counter[tuple[int, str]]]:
    """Return how often each revision and each reject is sealed, and require its lawful lock.

    FORMAT.md's reader opens it. Leaves and segments are the auditor's, on smaller archives.
    """
    anchor = desk.place.keys.anchor.read_bytes()
    fetch = format_reader.fetch_from(desk.store)
    archive = desk.open()
    roots: dict[Any, bytes] = {
        name: secret_in(desk.place.folder / file, "seed")
        for name, file in (("base", "root.key"), ("reveal", "reveal-root.key"))
    }
    orders: Counter[Order] = Counter()
    rejects: Counter[tuple[int, str]] = Counter()
    manifests = len(list(desk.store.list_versions("manifests/")))
    for number in range(1, manifests + 1):
        key = layout.manifest_key(number)
        named = archive.read_signed(key, "manifest", Manifest).document.objects
        for stored in named:
            head = desk.store.head(stored.key, stored.version_id)
            assert (head.mode, head.retain_until) == ("COMPLIANCE", stored.retain_until)
        tables = list(format_reader.read(fetch, anchor, number, roots))
        of_orders = [stored for stored in named if stored.kind == "orders"]
        for stored, table in zip(of_orders, tables, strict=True):
            ends = table["completed_at"].to_pylist()
            assert stored.retain_until == max(map(lawful_date, set(ends)))
            contacts = table["buyer"].combine_chunks().field("contact").to_pylist()
            columns = ("order_id", "revision", "completed_at", "first_seen_at")
            orders.update(zip(*(table[n].to_pylist() for n in columns), contacts, strict=True))
        for table in format_reader.read(fetch, anchor, number, roots, "rejects"):
            keys = [int(key) for key in table["row_key"].to_pylist()]
            rejects.update(zip(keys, table["reason"].to_pylist(), strict=True))
    return orders, rejects

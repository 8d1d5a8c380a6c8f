"""A hard night, ready to be run over and over, and what it must have come to."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from archiver.errors import (
    ArchiverError,
)
from archiver.nightly import NightReport
from archiver.ports import ObjectStore
from archiver.stores.directory import DirectoryStore
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.archives import Place
from tests.auditor import Row
from tests.clock import FrozenClock
from tests.desk import Desk, at, founded, march

# --- a hard night, ready to be run over and over --------------------------------------------------


def before() -> list[cards.Row]:
    """What two nights have sealed."""
    return [cards.order(n, at(1 + n % 2, 8 + n)) for n in range(1, 5)]


def happens(desk: Desk) -> None:
    """Three days pass: new, late, revised, rejected and doubled rows, and an edit by support."""
    desk.change(1, paid="77.00", touched_at=at(3, 9))
    desk.change(2, touched_at=at(3, 9))
    desk.rows.append(cards.order(5, at(2, 23)))
    desk.rows.extend(cards.order(n, at(3, n)) for n in range(6, 9))
    desk.rows.extend(cards.order(n, at(4, n)) for n in range(9, 11))
    desk.rows.append(cards.order(20, at(4), paid="-1"))
    desk.rows.append({**cards.order(10, at(4, 10)), "id": 21})
    desk.rows.append(cards.order(22, at(5), no="N6"))
    desk.clock.instant = at(6, 3)


class Original:
    """An archive after two nights, of which copies are made."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        self.folder = folder
        clock = FrozenClock(at(3, 3))
        store = self._store(folder, clock)
        self.desk = founded(folder, before(), store=store, clock=clock)
        self.desk.night()

    def copy(self, folder: Path) -> Desk:
        """Return a copy of the archive, of its store and of what its host remembers."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        clock = FrozenClock(self.desk.clock.instant)
        store = self._store(folder, clock)
        if isinstance(store, MemoryStore) and isinstance(self.desk.store, MemoryStore):
            store._versions = {
                key: [copy.copy(version) for version in versions]
                for key, versions in self.desk.store._versions.items()
            }
            store._written = self.desk.store._written
        source = replace(self.desk.source, held=list(self.desk.rows))
        desk = Desk(Place(folder), clock, store, self.desk.rules, [source])
        happens(desk)
        return desk

    def _store(self, folder: Path, clock: FrozenClock) -> ObjectStore:
        if self.kind == "memory":
            return MemoryStore(clock=clock)
        return DirectoryStore(folder / "vault", clock)


def said(row: Row) -> dict[str, Any]:
    """What an order says, apart from what depends on its archive's keys."""
    own = {"archive", "secret_commitment", "deliveries"}
    fields = {name: value for name, value in row.items() if name not in own}
    return fields | {"secrets": [delivery["secret"] for delivery in row["deliveries"]]}


def require_finished(desk: Desk, *, in_two_goes: bool = False) -> None:
    """Everything is sealed, once, as a night without bad luck would have sealed it.

    In two goes the first of two rows with one id is sealed before the second one is there.
    """
    found = desk.audit()
    entered = [entry["key"] for entry in found.ledger if entry["kind"] == "manifest"]
    assert len(entered) == len(found.manifests)
    orders = {(row["order_id"], row["revision"]): said(row) for row in found.orders}
    numbers = (2, 3, 4, 5, *((6,) if in_two_goes else ()), 7, 8, 9, 10)
    assert sorted(orders) == sorted([("N1", 1), ("N1", 2), *((f"N{n}", 1) for n in numbers)])
    ends = {key: row["completed_at"] for key, row in orders.items()}
    for number, ended in ((5, at(2, 23)), (7, at(3, 7)), (8, at(3, 8)), (9, at(4, 9))):
        assert ends[f"N{number}", 1] == ended
    assert str(orders["N1", 2]["money"]["paid"]) == "77.00"
    assert orders["N7", 1]["secrets"] == ["CARD-000007-A", "CARD-000007-B"]
    assert sorted((row["row_key"], row["reason"]) for row in found.rejects) == [
        (b"20", "negative-money"),
        (b"22", "duplicate-id"),
        (b"6", "duplicate-id"),
    ]
    assert [m["day"] for m in found.manifests if m["number"] <= 5] == [
        str(march(n)) for n in (1, 2, 3, 4, 5)
    ]


def attempt(act: Callable[[], object]) -> ArchiverError | None:
    """Do it and return what went wrong."""
    try:
        report = act()
    except ArchiverError as error:
        return error
    if isinstance(report, NightReport) and report.failures:
        return report.failures[0]
    return None

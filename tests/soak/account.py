"""What is visible in an archive, read with FORMAT.md's reader, against what ought to be.

After a failure a part of what the night would have sealed may be there, whole days of it, and
nothing else. What a night saw and did not seal it owes: the next one must.
"""

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from archiver import layout
from schemas.documents import Manifest
from tests import cards, format_reader
from tests.auditor import lawful_date, secret_in
from tests.desk import Desk
from tests.soak.badluck import inner
from tests.test_histories import Oracle

Order = tuple[str, int, datetime, str]
"""Number, revision, end, contact."""
Reject = tuple[int, str]
"""Row key and reason."""
THE_DAY_BEFORE = date(2026, 2, 28)
"""March of 2026 is counted from 1."""


@dataclass(slots=True)
class Visible:
    """What the manifests of an archive name; each manifest is read once."""

    desk: Desk
    read: int = 0
    orders: Counter[Order] = field(default_factory=Counter)
    rejects: Counter[Reject] = field(default_factory=Counter)
    days: list[date] = field(default_factory=list)

    def look(self) -> None:
        """Read the manifests that were added since."""
        place, store = self.desk.place, self.desk.store
        anchor, fetch = place.keys.anchor.read_bytes(), format_reader.fetch_from(store)
        roots: dict[Any, bytes] = {
            name: secret_in(place.folder / file, "seed")
            for name, file in (("base", "root.key"), ("reveal", "reveal-root.key"))
        }
        archive = place.open(store, self.desk.clock, self.desk.rules)
        keys = {version.key for version in store.list_versions(layout.MANIFESTS)}
        for number in range(self.read + 1, len(keys) + 1):
            key = layout.manifest_key(number)
            self.days.append(archive.read_signed(key, "manifest", Manifest).document.day)
            for table in format_reader.read(fetch, anchor, number, roots):
                self.orders.update(
                    (row["order_id"], row["revision"], row["completed_at"], row["buyer"]["contact"])
                    for row in table.to_pylist()
                )
            for table in format_reader.read(fetch, anchor, number, roots, "rejects"):
                self.rejects.update(
                    (int(row["row_key"]), row["reason"]) for row in table.to_pylist()
                )
        self.read = len(keys)


@dataclass(slots=True)
class Account:
    """What ought to be sealed, and what is."""

    oracle: Oracle
    visible: Visible
    wanted: Oracle = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is owed yet."""
        self.wanted = deepcopy(self.oracle)

    def due(self, rows: list[cards.Row], day: int, now: datetime) -> None:
        """Decide what the night of a day ought to seal."""
        self.wanted = deepcopy(self.oracle)
        self.wanted.night(rows, day, now)

    def require_nothing_half_visible(self) -> None:
        """After a failure: what was there is there, and what is new was due, once."""
        seen = self._seen()
        assert told(self.oracle.orders) <= set(seen.orders) <= told(self.wanted.orders)
        assert not Counter(self.oracle.rejects) - seen.rejects, "a reject is gone"
        assert not seen.rejects - Counter(self.wanted.rejects), "a reject that is none"

    def require_finished(self) -> None:
        """After a night without bad luck: all that was due is there, once."""
        seen = self._seen()
        lost = told(self.wanted.orders) - set(seen.orders)
        assert not lost, f"lost: {sorted(lost)}"
        undue = set(seen.orders) - told(self.wanted.orders)
        assert not undue, f"nobody asked for: {sorted(undue)}"
        assert seen.rejects == Counter(self.wanted.rejects)
        self.oracle = self.wanted

    def leave_unfinished(self, rows: Sequence[cards.Row]) -> None:
        """Nobody ran the night again: what is visible counts, the rest is owed."""
        seen, before, wanted = self._seen(), self.oracle, self.wanted
        numbers: set[str] = set()
        for order in wanted.orders - before.orders:
            if (order[0], order[1], order[2], order[4]) in seen.orders:
                before.orders.add(order)
                before.known[order[0]] = wanted.known[order[0]]
            else:
                numbers.add(order[0])
        before.owed = {row["id"] for row in rows if row["no"] in numbers}
        sealed = Counter(before.rejects)
        for key, reason in wanted.rejects:
            if sealed[key, reason] < seen.rejects[key, reason]:
                sealed[key, reason] += 1
                before.rejects.append((key, reason))
                before.rejected[key] = wanted.rejected[key]
            elif sealed[key, reason] > seen.rejects[key, reason]:
                raise AssertionError("a reject is gone")
        owed = Counter(wanted.rejects) - Counter(before.rejects)
        before.owed |= {key for key, _ in owed}
        if seen.days:
            before.sealed_through = (max(seen.days) - THE_DAY_BEFORE).days

    def _seen(self) -> Visible:
        self.visible.look()
        doubled = [order for order, times in self.visible.orders.items() if times > 1]
        assert not doubled, f"doubled: {doubled}"
        return self.visible


def told(orders: set[tuple[str, int, datetime, datetime, str]]) -> set[Order]:
    """Return orders without their first sight: a night that died may have had it."""
    return {(number, revision, ended, contact) for number, revision, ended, _, contact in orders}


def lock_manifests(desk: Desk) -> int:
    """Lock manifests whose lock the server dropped, as the alarm asks; return how many."""
    store = inner(desk.store)
    archive = desk.place.open(store, desk.clock, desk.rules)
    locked = 0
    for entry in list(store.list_versions(layout.MANIFESTS)):
        version = store._find(entry.key, entry.version_id)
        if version.retain_until is None:
            said = archive.read_signed(entry.key, "manifest", Manifest).document
            years, margin = said.retention_years + 3, said.retention_margin_days
            version.retain_until = lawful_date(said.created_at, years, margin)
            locked += 1
    return locked

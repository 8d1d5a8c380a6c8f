"""Whatever happens in a shop, in whatever order: the archive holds what a simple oracle says.

Orders are finished on time and committed late, saved again, edited, refunded, deleted, broken,
repaired and doubled; nights are skipped, repeated, and lose what their host remembers.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.errors import VanishedError
from archiver.mapping import OrderMapping
from tests import archives, cards
from tests.desk import Desk, at, founded, totals
from tests.tally import HISTORY, NIGHT, tally

LOOKBACK = timedelta(days=7)
FIRST_DAY = 2
"""Of March 2026: the first night seals what ended on it."""

EXAMPLES = 10 if settings().max_examples <= 100 else settings().max_examples
"""For each of two mappings; a soak run says how many."""

Action = tuple[str, int, int]
"""What happens, to which row, and a number to do it with."""

ACTIONS = st.one_of(
    st.tuples(st.just("order"), st.integers(0, 23), st.integers(0, 2)),
    st.tuples(st.just("late order"), st.integers(0, 23), st.integers(1, 9)),
    st.tuples(
        st.sampled_from(["touch", "edit", "refund", "break", "repair", "delete", "rename"]),
        st.integers(0, 12),
        st.integers(0, 3),
    ),
    st.tuples(st.just("double"), st.integers(0, 12), st.integers(0, 1)),
)


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the shop, and what becomes of its night."""

    actions: list[Action]
    night: Literal["on time", "skipped", "twice"]
    lost: Literal["nothing", "known", "manifests", "index"]


DAYS = st.lists(
    st.builds(
        Day,
        st.lists(ACTIONS, max_size=5),
        st.sampled_from(["on time", "on time", "skipped", "twice"]),
        st.sampled_from(["nothing", "nothing", "nothing", "known", "manifests", "index"]),
    ),
    min_size=3,
    max_size=8,
)


# --- the shop ------------------------------------------------------------------------------------


class Shop(Protocol):
    """Where it happens."""

    @property
    def rows(self) -> list[archives.Row]:
        """All rows."""

    def change(self, number: int, **columns: object) -> None:
        """Change columns of a row."""

    def remove(self, number: int) -> None:
        """Delete a row."""


def happen(desk: Shop, day: int, number: int, action: Action) -> None:
    """Let something happen at the shop, at noon and some minutes."""
    kind, which, how = action
    now = at(day, 12) + timedelta(minutes=number)
    rows = desk.rows
    key = 10 * day + number  # of its own, as databases count: one that is free again is not reused
    if kind == "order":
        rows.append(cards.order(key, at(day, which, month=3) + timedelta(minutes=how)))
        return
    if kind == "late order":
        rows.append(cards.order(key, at(day - how, which)))
        return
    if not rows:
        return
    row = dict(rows[which % len(rows)])
    changes: dict[str, Callable[[], dict[str, object]]] = {
        "touch": dict,
        "edit": lambda: {"contact": f"someone-{how}@example.com"},
        "refund": lambda: {"state": "refunded", "closed_at": now},
        "break": lambda: {"paid": f"-{how + 1}"},
        "repair": lambda: {"paid": f"{row['id'] % 90 + 10}.50"},
        "rename": lambda: {"category": f"another name {how}"},
    }
    match kind:
        case "delete":
            desk.remove(row["id"])
        case "double":
            copied = cards.touch(row, now) | {"id": key}
            rows.append(copied | ({"contact": "twin@example.com"} if how else {}))
        case _:
            desk.change(row["id"], **changes[kind](), touched_at=now)


# --- the oracle ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Sealed:
    """What the oracle remembers of an order."""

    content: tuple[object, ...]
    revision: int
    ended: datetime
    first_seen: datetime


@dataclass(slots=True)
class Oracle:
    """What must be sealed, decided row by row."""

    own: bool
    """Whether end times are the transaction's own."""
    known: dict[str, Sealed] = field(default_factory=dict)
    rejected: dict[int, tuple[object, ...]] = field(default_factory=dict)
    orders: set[tuple[str, int, datetime, datetime, str]] = field(default_factory=set)
    rejects: list[tuple[int, str]] = field(default_factory=list)
    sealed_through: int | None = None
    gone: int = 0
    """Sealed orders that the shop no longer has."""
    owed: set[int] = field(default_factory=set)
    """Rows that an earlier night has seen and, struck by bad luck, not sealed."""

    def night(self, rows: list[cards.Row], last: int, now: datetime) -> dict[str, int]:
        """Return what the night of a day must report."""
        counts: dict[str, int] = {}

        def count(name: str) -> None:
            counts["read"] = counts.get("read", 0) + 1
            counts[name] = counts.get(name, 0) + 1

        start, end = self._window(last)
        by_id: dict[str, list[cards.Row]] = {}
        for row in sorted(rows, key=lambda row: int(row["id"])):
            ended, touched = self._ended(row), _instant(row["touched_at"])
            inside = start <= ended < end or start <= touched < end
            if not inside and row["id"] not in self.owed:
                continue
            if row["paid"].startswith("-"):
                self._reject(row, "negative-money", count)
            elif ended < end:
                by_id.setdefault(row["no"], []).append(row)
        met = {row["no"] for row in rows if self._in_reach(row, start, end)}
        self._settle(by_id, now, count)
        self._census(rows, met, end, now, count)
        self.gone = len(self.known.keys() - {row["no"] for row in rows})
        self.sealed_through = last
        self.owed = set()
        return counts

    def _in_reach(self, row: cards.Row, start: datetime, end: datetime) -> bool:
        ended, touched = self._ended(row), _instant(row["touched_at"])
        inside = start <= ended < end or start <= touched < end or row["id"] in self.owed
        return inside and (ended < end or row["paid"].startswith("-"))

    def _census(
        self,
        rows: list[cards.Row],
        met: set[str],
        end: datetime,
        now: datetime,
        count: Callable[[str], None],
    ) -> None:
        """What no window shows is found all the same, once."""
        by_id: dict[str, list[cards.Row]] = {}
        known = set(self.known)
        for row in sorted(rows, key=lambda row: int(row["id"])):
            if row["no"] in met | known:
                continue
            if row["paid"].startswith("-"):
                self._reject(row, "negative-money", count)
            elif self._ended(row) < end:
                by_id.setdefault(row["no"], []).append(row)
        self._settle(by_id, now, count)

    def _settle(
        self, by_id: dict[str, list[cards.Row]], now: datetime, count: Callable[[str], None]
    ) -> None:
        for twins in by_id.values():
            if len({_content(row, self.own) for row in twins}) > 1:
                for row in twins:
                    self._reject(row, "duplicate-id", count)
                continue
            for _ in twins[1:]:
                count("duplicates")
            self._order(twins[0], now, count)

    def _window(self, last: int) -> tuple[datetime, datetime]:
        end = at(last + 1, 0)
        if self.sealed_through is None:
            # A first night takes everything that ended so far; nothing is older here.
            return at(1, 0) - timedelta(days=60), end
        first = min(self.sealed_through + 1, last)
        return at(first + 1, 0) - LOOKBACK, end

    def _ended(self, row: cards.Row) -> datetime:
        if not self.own:
            return _instant(row["touched_at"])
        return max(_instant(at) for at in (row["done_at"], row["closed_at"]) if at)

    def _order(self, row: cards.Row, now: datetime, count: Callable[[str], None]) -> None:
        content, ended = _content(row, self.own), self._ended(row)
        before = self.known.get(row["no"])
        if before is not None and before.content == content:
            count("unchanged")
            return
        if before is None:
            sealed = Sealed(content, 1, ended, now)
            count("orders")
        else:
            stands = max(before.ended, ended) if self.own else before.ended
            sealed = Sealed(content, before.revision + 1, stands, before.first_seen)
            count("revisions")
        self.known[row["no"]] = sealed
        self.orders.add(
            (row["no"], sealed.revision, sealed.ended, sealed.first_seen, row["contact"])
        )

    def _reject(self, row: cards.Row, reason: str, count: Callable[[str], None]) -> None:
        content = _content(row, self.own)
        if self.rejected.get(row["id"]) == content:
            count("rejected_before")
            return
        self.rejected[row["id"]] = content
        self.rejects.append((row["id"], reason))
        count("rejects")


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def _content(row: cards.Row, own: bool) -> tuple[object, ...]:
    times = (row["done_at"], row["closed_at"]) if own else ()
    return (row["no"], row["state"], row["contact"], row["paid"], *times)


# --- histories -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize("mapping", [cards.OWN, cards.PROXY], ids=["own", "proxy"])
@given(days=DAYS)
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_an_archive_holds_exactly_what_happened(
    folder: Path, mapping: OrderMapping, days: list[Day]
) -> None:
    home = Path(tempfile.mkdtemp(dir=folder))
    desk = founded(home, mapping=mapping)
    oracle = Oracle(own=mapping is cards.OWN)
    for number, day in enumerate(days, FIRST_DAY):
        for place, action in enumerate(day.actions):
            happen(desk, number, place, action)
        desk.clock.instant = at(number + 1, 3)
        if day.night == "skipped" and number - FIRST_DAY < len(days) - 1:
            continue
        lose(desk, day.lost)
        for _ in range(2 if day.night == "twice" else 1):
            expected = oracle.night(mutable(desk), number, desk.clock.now())
            report = desk.night()
            tally(NIGHT)
            assert [type(error) for error in report.failures] == [VanishedError] * bool(oracle.gone)
            assert report.days[-1].counts["vanished"] == oracle.gone
            assert totals(report) == expected
    tally(HISTORY, "a shop to each")
    found = desk.audit()
    assert {
        (
            row["order_id"],
            row["revision"],
            row["completed_at"],
            row["first_seen_at"],
            row["buyer"]["contact"],
        )
        for row in found.orders
    } == oracle.orders
    told = [(int(row["row_key"]), row["reason"]) for row in found.rejects]
    assert sorted(told) == sorted(oracle.rejects)
    shutil.rmtree(home)


def mutable(desk: Desk) -> list[cards.Row]:
    return [dict(row) for row in desk.rows]


def lose(desk: Desk, what: str) -> None:
    index = desk.place.folder / "index"
    lost: dict[str, Any] = {
        "known": index / "known",
        "manifests": index / "manifests",
        "index": index,
    }
    if what in lost:
        shutil.rmtree(lost[what], ignore_errors=True)

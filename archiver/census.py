"""A census: who is there in a source, compared with who is known to the archive.

Responsible for what no window shows (DESIGN 3.8): orders that finished and are unknown, however
late they appear; orders that are paid and stay open; orders that were sealed open and have ended;
and sealed orders that are gone from the source. Reads three columns, page by page, and remembers
one bit for each known order and the paging keys of what must be read. Seals nothing by itself.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver import retention
from archiver.allocation import whole
from archiver.archive import Archive, Rules
from archiver.batch import day_number, day_of, local_days
from archiver.capture import NAMED, Capture, MappedSource
from archiver.counting import Notes, Vanished
from archiver.errors import (
    ArchiverError,
    RevisionLosesDataError,
    SourceRestoredError,
    TooManyRevisionsError,
    VanishedError,
)
from archiver.known import KnownOrders, Match
from archiver.ports import Purges, Window
from archiver.recognition import Recogniser, microseconds
from archiver.tokens import Bytes2D, first_64_bits

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FOREVER: Final = datetime.max.replace(tzinfo=UTC)
_OPEN: Final = "open"
_IGNORED: Final = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What a census found."""

    read: int
    """Rows that were looked at."""
    keys: pa.ChunkedArray
    """Paging keys of the rows that must be read."""
    repeated: NDArray[np.uint64]
    """Token heads that several of these rows share, sorted."""
    vanished: Vanished


def told(source: str, day: date, notes: Notes, rules: Rules) -> list[ArchiverError]:
    """Return what must be told of the rows that a pass and its census have taken.

    Args:
        source: Its name.
        day: The last day of the pass.
        notes: What was noted.
        rules: The archive's.
    """
    alarms: list[ArchiverError] = []
    if gone := notes.vanished.count:
        days = _some([f"{at} ({count})" for at, count in notes.vanished.days.items()])
        alarms.append(VanishedError(source=source, count=gone, days=days))
    if notes.restored:
        alarms.append(SourceRestoredError(source=source, count=notes.restored))
    if count := notes.lessened:
        orders = ", ".join(notes.lessened_orders[:NAMED]) + (", …" if count > NAMED else "")
        alarms.append(RevisionLosesDataError(source=source, count=count, day=day, orders=orders))
    if notes.deferred:
        alarms.append(
            TooManyRevisionsError(
                source=source,
                count=notes.deferred,
                limit=rules.max_revisions_per_night,
            )
        )
    return alarms


def _some(days: Sequence[str]) -> str:
    return ", ".join(days[:NAMED]) + (", …" if len(days) > NAMED else "")


def take_census(
    archive: Archive, mapped: MappedSource, known: KnownOrders, met: Capture, last: date
) -> Census:
    """Compare who is there with who is known.

    Args:
        archive: Whose rules say how far back.
        mapped: The source.
        known: Everything that manifests name.
        met: The pass over the newest days: its rows have been decided about.
        last: The last day that is sealed.

    Raises:
        SourceUnavailableError: It is down, slow or died half-way; likewise what else
            `ports.Source.census` raises.
    """
    roll = _Roll(known, known.source_number(mapped.source.name))
    reach = _reach(archive, roll, last)
    taken = _Taken(archive, mapped, known, met, roll)
    read = 0
    for table in mapped.source.census(reach.created, reach.ended):
        read += len(table)
        taken.add(table)
    return Census(
        read=read,
        keys=taken.keys,
        repeated=taken.repeated,
        vanished=_vanished(archive, mapped, roll, reach),
    )


# --- how far back --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Reach:
    created: Window
    ended: Window


def _reach(archive: Archive, roll: "_Roll", last: date) -> _Reach:
    """Return what a census looks at.

    Creation decides, back to the oldest order that is known and open: its end may touch no time.
    What ended before `since`, or too long ago to be kept, is not ours. There is no upper bound of
    ends: one that somebody moved must not make a known order seem gone.
    """
    rules = archive.rules
    end = _midnight(archive, last + timedelta(days=1))
    begin = end - rules.census
    oldest = roll.oldest_open()
    if oldest is not None:
        begin = min(begin, oldest)
    floor = retention.first_kept_day(last, rules.retention)
    if rules.since is not None:
        floor = max(floor, rules.since)
    return _Reach(
        Window(start=begin, end=end), Window(start=_midnight(archive, floor), end=_FOREVER)
    )


def _midnight(archive: Archive, day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=archive.rules.zone)


# --- who is there --------------------------------------------------------------------------------


class _Taken:
    """Goes through a census and chooses the rows that must be read."""

    def __init__(
        self,
        archive: Archive,
        mapped: MappedSource,
        known: KnownOrders,
        met: Capture,
        roll: "_Roll",
    ) -> None:
        self._known = known
        self._met = met
        self._roll = roll
        self._recogniser = Recogniser.of(mapped.source.name, archive.night_keys().token_key)
        self._seals_open = archive.rules.open_after is not None
        outcomes = mapped.mapping.status.outcomes
        self._states = pa.array([state.encode() for state in outcomes], pa.large_binary())
        self._outcomes = pa.array([*outcomes.values()], pa.string())
        self._waiting = known.waiting(mapped.source.name)
        self._keys: list[pa.Array] = []
        self._heads: list[NDArray[np.uint64]] = []

    def add(self, table: pa.Table) -> None:
        """Take a page: mark whom it shows, and choose whom to read."""
        tokens = self._recogniser.orders(table["order_id"])
        match = self._known.match(tokens)
        self._roll.mark(match)
        outcome = self._outcomes.take(
            pc.index_in(whole(table["state"]), self._states, skip_nulls=True)
        )
        still_open = _is(outcome, _OPEN)
        ended = ~still_open & ~_is(outcome, _IGNORED)
        # A state that the mapping does not know is a reject: it must be read to be told.
        unknown = ~match.found & (ended | (still_open & self._seals_open))
        finished = match.found & (match.completed_at == 0) & ended & _known(outcome)
        chosen = unknown | finished
        heads = first_64_bits(tokens)
        if len(self._waiting):
            chosen |= match.found & ended & np.isin(heads, self._waiting)
        if not chosen.any():
            return
        chosen &= ~self._met.has_met(heads)
        self._keys.append(whole(table["key"]).filter(pa.array(chosen)))
        self._heads.append(heads[chosen])

    @property
    def keys(self) -> pa.ChunkedArray:
        """The paging keys of the rows to read."""
        return pa.chunked_array(self._keys, pa.large_binary())

    @property
    def repeated(self) -> NDArray[np.uint64]:
        """The token heads that several of these rows share, sorted."""
        heads, counts = np.unique(
            np.concatenate([np.zeros(0, np.uint64), *self._heads]), return_counts=True
        )
        return heads[counts > 1]


def _is(outcome: pa.Array, word: str) -> Mask:
    found: Mask = pc.fill_null(pc.equal(outcome, word), fill_value=False).to_numpy(
        zero_copy_only=False
    )
    return found


def _known(outcome: pa.Array) -> Mask:
    found: Mask = outcome.is_valid().to_numpy(zero_copy_only=False)
    return found


# --- who is gone ---------------------------------------------------------------------------------


class _Roll:
    """The known orders of one source, of which those are marked that a census has shown."""

    def __init__(self, known: KnownOrders, source: int) -> None:
        self._known = known
        self._source = source
        self._shown = [np.zeros(len(table), np.bool_) for table in known.tables]

    def mark(self, match: Match) -> None:
        """Mark the entries that a match has found."""
        for place, shown in enumerate(self._shown):
            shown[match.row[match.found & (match.table == place)]] = True

    def oldest_open(self) -> datetime | None:
        """Return when the oldest order was created that is known to be open."""
        created = [entries.created[entries.ended == 0] for entries in self._latest()]
        numbers = np.concatenate([np.zeros(0, np.int64), *created])
        numbers = numbers[numbers != 0]
        return _instant(int(numbers.min())) if len(numbers) else None

    def missed(self) -> Iterator["_Entries"]:
        """Yield the orders that were not shown."""
        yield from (entries for entries in self._latest(missed=True))

    def _latest(self, *, missed: bool = False) -> Iterator["_Entries"]:
        """Yield the latest entries of the source's orders, a table at a time."""
        tables = self._known.tables
        for place, (table, shown) in enumerate(zip(tables, self._shown, strict=True)):
            own = table["source"].to_numpy() == self._source
            chosen = own & (table["revision"].to_numpy() > 0)
            if missed:
                chosen &= ~shown
            else:
                chosen &= table["completed_at"].is_null().to_numpy()
            at = np.flatnonzero(chosen)
            if not len(at):
                continue
            tokens = _tokens(table, at)
            # The latest entry of a token is the one that a look-up finds.
            match = self._known.match(tokens)
            at = at[(match.table == place) & (match.row == at)]
            yield _Entries.of(table.take(pa.array(at)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entries:
    """Known orders, in microseconds since 1970 UTC; 0 where there is no such time."""

    created: Ints
    ended: Ints
    seen: Ints

    @classmethod
    def of(cls, table: pa.Table) -> "_Entries":
        return cls(
            created=_numbers(table, "created_at"),
            ended=_numbers(table, "completed_at"),
            seen=_numbers(table, "first_seen_at"),
        )


def _vanished(archive: Archive, mapped: MappedSource, roll: _Roll, reach: _Reach) -> Vanished:
    """Count the known orders which the census should have shown and has not."""
    tells_creation = "created" in mapped.mapping.times
    days: Counter[int] = Counter()
    explained = 0
    for entries in roll.missed():
        still_open = entries.ended == 0
        expected = still_open | _inside(entries.ended, reach.ended)
        if tells_creation:
            expected &= _inside(entries.created, reach.created)
        told = np.where(
            still_open, np.where(entries.created, entries.created, entries.seen), entries.ended
        )
        local = local_days(told, archive.rules.zone)
        allowed = may_be_purged(mapped.purged, told, local, archive.clock.now())
        explained += int((expected & allowed).sum())
        numbers, counts = np.unique(local[expected & ~allowed], return_counts=True)
        days.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
    return Vanished(
        days={day_of(number): count for number, count in sorted(days.items())},
        explained=explained,
    )


def may_be_purged(purged: Purges, ended: Ints, days: Ints, now: datetime) -> Mask:
    """Return which orders a source may have deleted of its own accord."""
    allowed = np.zeros(len(ended), np.bool_)
    if purged.after is not None:
        allowed |= ended <= microseconds(now - purged.after)
    if purged.through is not None:
        allowed |= days <= day_number(purged.through)
    return allowed


def _inside(numbers: Ints, window: Window) -> Mask:
    inside: Mask = (numbers >= microseconds(window.start)) & (numbers < microseconds(window.end))
    return inside


def _numbers(table: pa.Table, name: str) -> Ints:
    numbers: Ints = pc.fill_null(table[name].cast(pa.int64()), 0).to_numpy()
    return numbers


def _tokens(table: pa.Table, at: Ints) -> Bytes2D:
    taken = table["token"].take(pa.array(at)).combine_chunks()
    return np.frombuffer(taken.buffers()[1], np.uint8).reshape(-1, 16)


def _instant(number: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)

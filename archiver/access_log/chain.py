"""Recording: the next entry of a node's chain, durable when the call returns.

Writers of the state take turns, and a commit is on the disk before it returns
(`archiver.state`). What the database refuses ends the command before anything was shown.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from archiver.access_log import heads as head_files
from archiver.access_log import tallying
from archiver.access_log.entry import Chained, Entry, decode, digest, encode, place_of
from archiver.access_log.heads import Head
from archiver.access_log.recent import Recent, Subject
from archiver.access_log.tables import PART, entries, heads
from archiver.access_log.tallying import Tally
from archiver.access_log.together import Together
from archiver.errors import ArchiverError, LocalDiskError, Said, StateUnavailableError
from archiver.ports import Clock
from archiver.refusals import AccessLogBrokenError, AccessLogUnwritableError
from archiver.state import State

HEAD_EVERY: Final = timedelta(minutes=10)
"""DESIGN 3.12: how far the head file may lag behind."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = (
    select(heads.c.number, heads.c.digest, entries.c.digest.label("last"))
    .outerjoin(entries, (entries.c.node == heads.c.node) & (entries.c.number == heads.c.number))
    .where(heads.c.node == bindparam("whose"))
)
_APPENDED: Final = insert(entries)
_MOVED: Final = (
    update(heads)
    .where(heads.c.node == bindparam("whose"))
    .values(number=bindparam("last"), digest=bindparam("latest"))
)
"""Made once: to make such a statement anew takes longer than to run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRecord:
    """An entry that is on the disk: an answer may go out and names it."""

    node: str
    number: int
    at: datetime
    digest: str

    def __str__(self) -> str:
        """Return the name under which people find it again."""
        return f"{self.node}/{self.number}"


Guard = Callable[[Sequence[Entry]], None]
"""Looks once more before an entry is taken, when nobody else can write: raises what forbids it.
It is given the entries that are taken together with it and stand before it."""


@dataclass(frozen=True, slots=True)
class AccessLog:
    """The chain of one node, in the state database.

    `record(entry)` before each answer, `publish_head()` before each reveal. What went wrong
    without keeping the answer back is in `alarms`: add it to the report. Threads that record at
    once share one wait for the disk.
    """

    state: State
    archive: str
    node: str
    clock: Clock
    head_file: Path | None = None
    alarms: list[ArchiverError] = field(default_factory=list)
    recent: Recent | None = field(default=None, repr=False)
    """What a service remembers of the last week; a command asks the database each time."""
    together: Together[tuple[Entry, Guard | None], tuple[AccessRecord, ArchiverError | None]] = (
        field(default_factory=Together, repr=False)
    )
    """The line of those who record at once; copies of this log share it."""

    def record(self, entry: Entry, guard: Guard | None = None) -> AccessRecord:
        """Append an entry; it is durable when this returns.

        Args:
            entry: What is recorded.
            guard: Has the last word on whether it is.

        Raises:
            AccessLogUnwritableError: The database did not take it: show nothing.
            AccessLogBrokenError: The chain's end is missing: show nothing.
            Exception: What the guard raised; nothing was recorded.
        """
        record, alarm = self.together.join((entry, guard), self._record_all)
        if alarm is not None:
            self.alarms.append(alarm)  # the entry is recorded; only a reveal must not go on
        return record

    def _record_all(
        self, wanted: Sequence[tuple[Entry, Guard | None]]
    ) -> Sequence[tuple[AccessRecord, ArchiverError | None] | Exception]:
        """Append entries in their order, in one transaction; return what became of each."""
        taken: list[Entry] = []
        with self._writing() as connection:
            refusals = list(self._guarded(wanted, taken))
            records = iter(self._append(connection, taken))
        alarm: ArchiverError | None = None
        if taken:
            try:
                self.publish_head(every=HEAD_EVERY)
            except ArchiverError as error:
                alarm = error
        return [refusal or (next(records), alarm) for refusal in refusals]

    def _guarded(
        self, wanted: Sequence[tuple[Entry, Guard | None]], taken: list[Entry]
    ) -> Iterator[Exception | None]:
        """Yield why an entry is refused, None for each that is put to those `taken`."""
        guarded = any(guard for _, guard in wanted)
        with self.one_moment() if guarded else nullcontext():
            for entry, guard in wanted:
                try:
                    if guard is not None:
                        guard(taken)
                except Exception as error:  # noqa: BLE001  his who asked, and nobody else's
                    yield error
                else:
                    taken.append(entry)
                    yield None

    def _append(self, connection: Connection, taken: Sequence[Entry]) -> list[AccessRecord]:
        if not taken:
            return []
        now = self.clock.now()
        last, previous = self._end(connection)
        records, rows = [], []
        for number, entry in enumerate(taken, last + 1):
            body = encode(
                Chained(
                    archive=self.archive,
                    node=self.node,
                    number=number,
                    at=now,
                    previous=previous,
                    entry=entry,
                )
            )
            previous = digest(body)
            records.append(AccessRecord(node=self.node, number=number, at=now, digest=previous))
            rows.append(
                {
                    "node": self.node,
                    "number": number,
                    "body": body,
                    "digest": previous,
                    **columns_of(now, entry),
                }
            )
        connection.execute(_APPENDED, rows)
        told = {"whose": self.node, "last": last + len(taken), "latest": previous}
        connection.execute(_MOVED, told)
        return records

    def publish_head(self, *, every: timedelta | None = None) -> Head | None:
        """Tell the chain's head to the head file, after comparing what the file knows with it.

        Args:
            every: Only if the file's last head is as old as this; always if not given.

        Returns:
            The head that the file knows now; None where no head file is configured or the
            chain is empty.

        Raises:
            HeadFileError: The file cannot be read or written.
            AccessLogBrokenError: The file knows entries that are not in this state.
        """
        if self.head_file is None:
            return None
        told = head_files.last_head(self.head_file, self.archive, self.node)
        head = self.head()
        if told is not None:
            self._require_known(told)
        now = self.clock.now()
        if head is None or told == head:
            return head
        if every is not None and told is not None and timedelta() <= now - told.at < every:
            return told
        head_files.append_head(self.head_file, head)
        return head

    def head(self) -> Head | None:
        """Return the chain's last entry; None while there is none."""
        with self._reading() as connection:
            row = connection.execute(
                select(entries.c.number, entries.c.digest, entries.c.at)
                .where(entries.c.node == self.node)
                .order_by(entries.c.number.desc())
                .limit(1)
            ).one_or_none()
        if row is None:
            return None
        at = _EPOCH + timedelta(microseconds=row.at)
        return Head(
            archive=self.archive, node=self.node, number=row.number, digest=row.digest, at=at
        )

    def digest_of(self, number: int, node: str | None = None) -> str | None:
        """Return the digest of an entry as its column says; None where it is missing."""
        with self._reading() as connection:
            found: str | None = connection.scalar(
                select(entries.c.digest).where(
                    entries.c.node == (node or self.node), entries.c.number == number
                )
            )
        return found

    def nodes(self) -> dict[str, tuple[int, str | None]]:
        """Return the nodes whose chains are in this state, with the heads it claims for them."""
        with self._reading() as connection:
            named = set(connection.scalars(select(entries.c.node).distinct()))
            claimed = {
                row.node: (row.number, row.digest) for row in connection.execute(select(heads))
            }
        return {node: claimed.get(node, (0, None)) for node in sorted(named | set(claimed))}

    def stored(self, node: str, first: int = 1) -> "Iterator[RowMapping]":
        """Yield a node's rows as they are, by number, from `first` on; nothing is checked."""
        with self._reading() as connection:
            query = (
                select(entries)
                .where(entries.c.node == node, entries.c.number >= first)
                .order_by(entries.c.number)
            )
            for row in connection.execution_options(yield_per=1_000).execute(query):
                yield row._mapping  # noqa: SLF001  SQLAlchemy's public name for it

    def entries(
        self,
        *,
        since: datetime | None = None,
        operator: str | None = None,
        place: str | None = None,
        places: Sequence[str] = (),
        limit: int | None = None,
        before: tuple[str, int] | None = None,
    ) -> list[Chained]:
        """Return the newest entries of all nodes, oldest first.

        Args:
            since: Not older ones.
            operator: Of this one only.
            place: From there only (`archiver.access_log.entry.place_of`).
            places: From these only.
            before: Only what stands behind this node's entry of this number in the order of the
                newest first: where an earlier answer ended.
            limit: At most so many, the newest.

        Raises:
            TamperedError: One is no entry; `access verify` names it.
        """
        query = (
            select(entries.c.body)
            .where(
                *_conditions(since, operator, place, places, shared=self.state.shared),
                *self._before(before),
            )
            .order_by(entries.c.at.desc(), entries.c.node, entries.c.number.desc())
        )
        with self._reading() as connection:
            found = connection.scalars(query.limit(limit)).all()
        return [decode(body) for body in reversed(found)]

    def tally(
        self,
        *,
        five: datetime,
        hour: datetime,
        day: datetime,
        week: datetime,
        operator: str | None = None,
        place: str | None = None,
        places: Sequence[str] = (),
    ) -> Tally:
        """Return what one operator or place was shown and missed, over all nodes.

        Args:
            five: From when on the last five minutes count; a release may shorten them.
            hour: The same for the last hour.
            day: The same for the last day.
            week: The same for the last week, the longest.
            operator: Whose; or
            place: From where; or
            places: From all of these together.
        """
        since = {"five": five, "hour": hour, "day": day, "week": week}
        stamps = {name: microseconds(at) for name, at in since.items()}
        if self.recent is not None:
            subject = _subject(operator, place, places)
            with _fail_closed():
                return self.recent.tally(subject, now=microseconds(self.clock.now()), **stamps)
        query, whose = tallying.question(operator, place, places, shared=self.state.shared)
        with self._reading() as connection:
            row = connection.execute(query, {**stamps, **whose}).one()
        return Tally(**{name: int(value) for name, value in row._mapping.items()})  # noqa: SLF001

    def asked(
        self,
        tokens: Sequence[str],
        *,
        since: datetime,
        operator: str | None = None,
        place: str | None = None,
    ) -> bool:
        """Tell whether one of these values was asked for, by an operator or from a place.

        Args:
            tokens: Of `archiver.access_log.question`.
            since: Not before; at most a day ago.
            operator: By whom; or
            place: from where.
        """
        if self.recent is not None:
            now, subject = microseconds(self.clock.now()), _subject(operator, place, ())
            with _fail_closed():
                return self.recent.asked(subject, tokens, now=now, since=microseconds(since))
        wanted = set(tokens)
        found = self.entries(since=since, operator=operator, place=place)
        return any(one.token in wanted for each in found for one in each.entry.question)

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Let `tally` and `asked` of this thread be of one moment, where they are remembered."""
        with _fail_closed(), self.recent.one_moment() if self.recent else nullcontext():
            yield

    def _before(self, entry: tuple[str, int] | None) -> Iterator[ColumnElement[bool]]:
        if entry is None:
            return
        node, number = entry
        at = (
            select(entries.c.at)
            .where(entries.c.node == node, entries.c.number == number)
            .scalar_subquery()
        )
        yield or_(
            entries.c.at < at,
            (entries.c.at == at) & (entries.c.node > node),
            (entries.c.at == at) & (entries.c.node == node) & (entries.c.number < number),
        )

    def _end(self, connection: Connection) -> tuple[int, str | None]:
        """Return the chain's last number and digest: 0 and None of one that is empty."""
        row = connection.execute(_END, {"whose": self.node}).one_or_none()
        if row is None:
            connection.execute(insert(heads).values(node=self.node, number=0, digest=None))
            return 0, None
        number, claimed, last = row
        if last != claimed:
            raise AccessLogBrokenError(
                node=self.node,
                detail=Said(
                    f"entry {number} is missing or altered",
                    f"第 {number} 条记录缺失或被改动",
                ),
            )
        return number, claimed

    def _require_known(self, told: Head) -> None:
        if self.digest_of(told.number) != told.digest:
            raise AccessLogBrokenError(
                node=self.node,
                detail=Said(
                    f"{self.head_file} knows entry {told.number}, and this state does not: it was "
                    "restored from an old copy, cut or altered",
                    f"{self.head_file} 中有第 {told.number} 条记录，而当前状态库中没有："
                    "状态库被旧副本覆盖、截断或改动",
                ),
            )

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _fail_closed(), self.state.writing(PART) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _fail_closed(), self.state.reading(PART) as connection:
            yield connection


def _subject(operator: str | None, place: str | None, places: Sequence[str]) -> Subject:
    """Return whom `Recent` knows by these; places are those of one IPv4 network."""
    if operator is not None:
        return "operator", operator
    if place is not None:
        return "place", place
    return "network", places[0].rpartition(".")[0]


@contextmanager
def _fail_closed() -> Iterator[None]:
    """Say what a full disk or a busy database means here: nothing is shown."""
    try:
        yield
    except (LocalDiskError, StateUnavailableError) as error:
        detail = Said(error.text("en"), error.text("zh"))
        raise AccessLogUnwritableError(detail=detail) from None


def _conditions(
    since: datetime | None,
    operator: str | None,
    place: str | None,
    places: Sequence[str],
    *,
    shared: bool,
) -> Iterator[ColumnElement[bool]]:
    if since is not None:
        yield entries.c.at >= microseconds(since)
    if operator is not None:
        yield entries.c.operator == operator
    if place is not None:
        yield entries.c.place == place
    if places:
        yield tallying.from_places(places, shared=shared)


def body_of(row: RowMapping) -> bytes:
    """Return an entry's bytes as they lie in the state, also where somebody made text of them."""
    body: bytes | str = row["body"]
    return body.encode() if isinstance(body, str) else bytes(body)


def columns_of(at: datetime, entry: Entry) -> dict[str, object]:
    """Return what stands in columns beside an entry's bytes."""
    return {
        "at": microseconds(at),
        "operator": entry.operator,
        "place": place_of(entry.origin),
        "command": entry.command,
        "outcome": entry.outcome.value,
        "shown": entry.shown,
        "stepped": int(entry.stepped),
    }


def microseconds(at: datetime) -> int:
    """Return an instant as the tables hold it."""
    return (at - _EPOCH) // timedelta(microseconds=1)

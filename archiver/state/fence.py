"""The fence between runs where the store is none: one row per archive in a shared database.

Responsible for two things. The *lease* keeps a second run from beginning while one works: it is a
courtesy, for what a losing run has sealed stays locked for years. The *claim* is the fence: it
decides, before anything is sent, which bytes the manifest of a number has. Whoever wakes up late,
with whatever it believes, can send those bytes only, and sending them twice changes nothing
(FORMAT.md 7). Relies on a database that several hosts reach and that loses no commit; time is the
database's, so no host's clock matters.
"""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from archiver.errors import AnotherRunError, ArchiverError, Said
from archiver.ports import Claim
from archiver.state import Part, State

LEASE: Final = timedelta(minutes=10)
"""How long a run that gives no sign of life keeps others from beginning."""

log: Final = logging.getLogger(__name__)
_METADATA: Final = sa.MetaData()
_FENCES: Final = sa.Table(
    "fences",
    _METADATA,
    sa.Column("archive", sa.String(32), primary_key=True),
    # Counts the leases ever taken. Who has an older one has been overtaken.
    sa.Column("token", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    # Microseconds since 1970 by the database's clock; null: released.
    sa.Column("until_us", sa.BigInteger),
    # The last manifest that was decided; null: none was, since this fence exists.
    sa.Column("number", sa.BigInteger),
    sa.Column("sha256", sa.String(64)),
    # Its bytes, so that anybody can send what its run did not. Null where the chain had them.
    sa.Column("content", sa.LargeBinary),
)
PART: Final = Part(name="fence", version=1, metadata=_METADATA)


@dataclass(slots=True)
class RowFence:
    """One run's hold on the row of an archive; implements `ports.Fence`."""

    state: State
    archive: str
    holder: str
    """Host and place, for people; and who takes its own dead run's lease over at once, which is
    sound where something else keeps two runs of this holder apart."""
    lease: timedelta = LEASE
    _token: int | None = field(default=None, init=False)

    @property
    def place(self) -> str:
        """Where the row is, for people."""
        return self.state.place

    @contextmanager
    def leased(self) -> Iterator["RowFence"]:
        """Hold the lease, and show signs of life, until the block is left.

        Raises what `take` raises.
        """
        self.take()
        ended = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(ended,), name="lease", daemon=True)
        keeper.start()
        try:
            yield self
        finally:
            ended.set()
            keeper.join()
            with suppress(ArchiverError):  # it ends by itself
                self.release()

    def take(self) -> None:
        """Take the lease.

        Raises:
            AnotherRunError: Another holder has it.
            StateUnavailableError: The database does not answer.
        """
        with self.state.writing(PART) as connection:
            now = _now_us(connection)
            row = self._row(connection)
            if row is not None and row.holder != self.holder and self._is_held(row, now):
                raise AnotherRunError(detail=_held(row.holder, row.until_us))
            self._token = row.token + 1 if row is not None else 1
            values = {
                "token": self._token,
                "holder": self.holder,
                "until_us": now + _us(self.lease),
            }
            if row is None:
                connection.execute(_FENCES.insert().values(archive=self.archive, **values))
            else:
                connection.execute(self._update().values(values))
        log.info("lease taken", extra={"token": self._token, "holder": self.holder})

    def renew(self) -> None:
        """Show that this run lives; do nothing if it has been overtaken."""
        with self.state.writing(PART) as connection:
            until = _now_us(connection) + _us(self.lease)
            connection.execute(self._mine().values(until_us=until))

    def release(self) -> None:
        """Let others begin; do nothing if one has overtaken this run."""
        with self.state.writing(PART) as connection:
            connection.execute(self._mine().values(until_us=None))

    def last(self) -> Claim | None:
        """Return the last manifest that was decided; see `ports.Fence`."""
        with self.state.writing(PART) as connection:
            return _claim(self._held_row(connection))

    def seen(self) -> Claim | None:
        """Return the last manifest that was decided, as somebody who only looks.

        Raises:
            StateUnavailableError: The database does not answer.
        """
        with self.state.reading(PART) as connection:
            return _claim(self._row(connection))

    def claim(self, number: int, content: bytes) -> None:
        """Decide that manifest `number` has these bytes; see `ports.Fence`."""
        sha256 = hashlib.sha256(content).hexdigest()
        with self.state.writing(PART) as connection:
            row = self._held_row(connection)
            if (row.number, row.sha256) == (number, sha256):
                return  # by an earlier call, whose reply was lost
            if row.number != number - 1:
                raise AnotherRunError(
                    detail=Said(
                        f"manifest {row.number} is decided, not {number - 1}",
                        f"已确定的清单编号为 {row.number}，而非 {number - 1}",
                    )
                )
            until = _now_us(connection) + _us(self.lease)
            decided = {"number": number, "sha256": sha256, "content": content, "until_us": until}
            connection.execute(self._mine().values(decided))

    def adopt(self, number: int, sha256: str | None) -> None:
        """Begin at a chain that is there already; see `ports.Fence`."""
        with self.state.writing(PART) as connection:
            self._held_row(connection)
            found = {"number": number, "sha256": sha256, "content": None}
            connection.execute(self._mine().values(found))

    def _keep(self, ended: threading.Event) -> None:
        while not ended.wait(self.lease.total_seconds() / 3):
            try:
                self.renew()
            except ArchiverError as error:
                # The claim decides, not the lease; the next renewal may succeed.
                log.warning("lease not renewed", extra={"code": error.code})

    def _is_held(self, row: "sa.Row[Any]", now: int) -> bool:
        # One that would last longer than any lease is a relic of a database clock that was set.
        return row.until_us is not None and 0 < row.until_us - now <= _us(self.lease)

    def _held_row(self, connection: sa.Connection) -> "sa.Row[Any]":
        """Return the row, which this run must still hold.

        Raises:
            AnotherRunError: Another run has taken the lease since.
        """
        row = self._row(connection)
        if row is None or self._token is None or row.token != self._token:
            holder = row.holder if row is not None else "–"
            raise AnotherRunError(
                detail=Said(
                    f"this run stood still for too long, and {holder} took over",
                    f"本任务停顿过久，已由 {holder} 接管",
                )
            )
        return row

    def _row(self, connection: sa.Connection) -> "sa.Row[Any] | None":
        chosen = sa.select(_FENCES).where(_FENCES.c.archive == self.archive)
        return connection.execute(chosen).one_or_none()

    def _update(self) -> sa.Update:
        return sa.update(_FENCES).where(_FENCES.c.archive == self.archive)

    def _mine(self) -> sa.Update:
        return self._update().where(_FENCES.c.token == self._token)


def _claim(row: "sa.Row[Any] | None") -> Claim | None:
    if row is None or row.number is None:
        return None
    return Claim(number=row.number, sha256=row.sha256, content=row.content)


def _now_us(connection: sa.Connection) -> int:
    """Return the database's clock, microseconds since 1970."""
    postgres = connection.dialect.name == "postgresql"
    # Not `now()`: that is when the transaction began, before it waited for others.
    clock = (
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        if postgres
        else "SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
    )
    return int(connection.exec_driver_sql(clock).scalar_one())


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _held(holder: str, until_us: int) -> Said:
    until = datetime.fromtimestamp(until_us // 1_000_000, UTC)
    return Said(
        f"{holder} has it; unless it goes on working, until {until:%Y-%m-%d %H:%M:%S} UTC",
        f"由 {holder} 占用；若其不再活动，至 UTC {until:%Y-%m-%d %H:%M:%S} 失效",
    )

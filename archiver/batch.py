"""What capture hands to sealing: rows cut into partitions, and the sums of both sides. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver.allocation import whole

MAX_ROWS: Final = 100_000
"""Of a partition (DESIGN 3.2)."""
MAX_BATCH_BYTES: Final = 128 << 20
"""In memory: a partition of fat rows is cut earlier, for 32-bit offsets are finite."""
MAX_WAITING_BYTES: Final = 256 << 20
"""In memory, of all places together: a first night has a place for each of hundreds of days."""
EPOCH: Final = date(1970, 1, 1)
_EPOCH_UTC: Final = datetime(1970, 1, 1, tzinfo=UTC)

Paid = Mapping[tuple[date, str, str], tuple[int, Decimal]]
"""Orders and amount paid by (day, channel, currency)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows that become one partition."""

    kind: Literal["orders", "rejects", "known"]
    """The last: nothing is sealed but entries of orders that were sealed under another name."""
    source: str
    day: date
    rows: pa.Table
    """ORDER_V1 with card tokens and commitments still to fill in, or REJECT_V1; of `known`, the
    entries themselves."""
    known: pa.Table
    """KNOWN_V1, one row per row."""
    retain_until: datetime
    """Of the row that is kept longest."""
    cohort: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Which partition a row belongs to."""

    kind: Literal["orders", "rejects", "known"]
    day: date
    on_time: bool
    """False for a supplement: late and revised orders of one night."""
    cohort: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Rows that may all be destroyed on one day."""

    rows: pa.Table
    known: pa.Table
    retain_until: datetime

    def __getitem__(self, part: slice) -> "_Piece":
        return _Piece(rows=self.rows[part], known=self.known[part], retain_until=self.retain_until)


@dataclass(slots=True)
class _Waiting:
    """Rows that wait until a partition is full."""

    pieces: list[_Piece] = field(default_factory=list)
    count: int = 0
    size_bytes: int = 0

    def add(self, piece: _Piece) -> None:
        self.pieces.append(piece)
        self.count += len(piece.rows)
        self.size_bytes += piece.rows.nbytes

    def cut(self) -> Iterator[list[_Piece]]:
        """Yield the pieces of one batch after the other, the last of them not full."""
        size = self._batch_rows()
        batch: list[_Piece] = []
        room = size
        for one in self.pieces:
            piece = one
            while len(piece.rows) >= room:
                yield [*batch, piece[:room]]
                piece, batch, room = piece[room:], [], size
            if len(piece.rows):
                batch.append(piece)
                room -= len(piece.rows)
        yield batch

    def _batch_rows(self) -> int:
        """Return how many rows a batch takes: fewer where they are fat."""
        parts = max(1, -(-self.size_bytes // MAX_BATCH_BYTES))
        return max(1, min(MAX_ROWS, -(-self.count // parts)))


@dataclass(slots=True)
class Partitions:
    """Gathers rows by place and cuts them into batches of bounded size."""

    source: str
    _waiting: dict[Place, _Waiting] = field(default_factory=dict)

    def add(
        self,
        place: Place,
        rows: pa.Table,
        known: pa.Table,
        *,
        chosen: NDArray[np.bool_],
        retain_until: datetime,
    ) -> None:
        """Add the chosen ones of `rows`, with their known entries."""
        if not chosen.all():
            keep = pa.array(chosen)
            rows, known = rows.filter(keep), known.filter(keep)
        piece = _Piece(rows=rows, known=known, retain_until=retain_until)
        self._waiting.setdefault(place, _Waiting()).add(piece)

    def full(self) -> Iterator[Batch]:
        """Yield the batches that have become full; what is left over waits on."""
        for place in sorted(self._waiting):
            waiting = self._waiting[place]
            if waiting.count >= MAX_ROWS or waiting.size_bytes >= MAX_BATCH_BYTES:
                *filled, rest = waiting.cut()
                self._waiting[place] = left = _Waiting()
                for piece in rest:
                    left.add(piece)
                yield from (self._batch(place, pieces) for pieces in filled)
        yield from self._relief()

    def rest(self) -> Iterator[Batch]:
        """Yield all that waits."""
        for place in sorted(self._waiting):
            yield from self._all_of(place)

    def drop(self) -> None:
        """Forget all that waits: its pass has failed already and is read to its end only."""
        self._waiting.clear()

    def _relief(self) -> Iterator[Batch]:
        """Yield the largest places, full or not, until the others may go on waiting."""
        waiting = sum(one.size_bytes for one in self._waiting.values())
        if waiting <= MAX_WAITING_BYTES:
            return
        for place in sorted(self._waiting, key=lambda one: -self._waiting[one].size_bytes):
            waiting -= self._waiting[place].size_bytes
            yield from self._all_of(place)
            if waiting <= MAX_WAITING_BYTES:
                return

    def _all_of(self, place: Place) -> Iterator[Batch]:
        batches = self._waiting.pop(place).cut()
        yield from (self._batch(place, pieces) for pieces in batches if pieces)

    def _batch(self, place: Place, pieces: Sequence[_Piece]) -> Batch:
        return Batch(
            kind=place.kind,
            source=self.source,
            day=place.day,
            rows=pa.concat_tables([piece.rows for piece in pieces]),
            known=_by_token(pa.concat_tables([piece.known for piece in pieces])),
            retain_until=max(piece.retain_until for piece in pieces),
            cohort=place.cohort,
        )


def _by_token(known: pa.Table) -> pa.Table:
    """Return known entries ordered by token, so that their order tells nothing."""
    order = pc.sort_indices(whole(known["token"]).cast(pa.binary()))
    return known.take(order).combine_chunks()


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """Return the day that is `number` days after 1970-01-01."""
    return EPOCH + timedelta(days=number)


def local_days(instants: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Return the days by a zone's calendar, counted from 1970-01-01.

    Own arithmetic: Arrow needs the system's zone database, which small machines lack, and
    knows no summer time after 2037.

    Args:
        instants: Microseconds since 1970 UTC.
        zone: Whose midnights count.
    """
    if not len(instants):
        return instants
    first, last = (
        day_number((_EPOCH_UTC + timedelta(microseconds=int(one))).astimezone(zone).date())
        for one in (instants.min(), instants.max())
    )
    midnights = [
        (datetime.combine(day_of(number), time(), zone) - _EPOCH_UTC) // timedelta(microseconds=1)
        for number in range(first, last + 2)
    ]
    return first - 1 + np.searchsorted(midnights, instants, side="right")


def paid_by_channel(orders: pa.Table, days: date | NDArray[np.int64]) -> Paid:
    """Return number and paid amount of orders by day, payment channel and currency.

    The channel is the method of an order's first payment, empty where there is none.

    Args:
        orders: ORDER_V1 rows.
        days: The day of all of them, or a day number for each.
    """
    numbers = np.full(len(orders), day_number(days)) if isinstance(days, date) else days
    payments = whole(orders["payments"])
    any_paid = pc.greater(pc.list_value_length(payments), 0)
    first = pc.if_else(any_paid, payments.offsets[:-1], None)
    method = pc.struct_field(payments.values, "method").take(first)
    money = whole(orders["money"])
    # 18 digits hold one order; a sum of many needs more.
    paid = pc.fill_null(pc.struct_field(money, "paid"), Decimal("0.00"))
    grouped = (
        pa.table(
            {
                "day": pa.array(numbers),
                "channel": pc.fill_null(method, ""),
                "currency": pc.fill_null(pc.struct_field(money, "currency"), ""),
                "paid": paid.cast(pa.decimal128(38, 2)),
            }
        )
        .group_by(["day", "channel", "currency"])
        .aggregate([("paid", "count"), ("paid", "sum")])
    )
    return {
        (day_of(row["day"]), row["channel"], row["currency"]): (row["paid_count"], row["paid_sum"])
        for row in grouped.to_pylist()
    }


def added(sums: Iterable[Paid]) -> dict[tuple[date, str, str], tuple[int, Decimal]]:
    """Return the total of several sums."""
    total: dict[tuple[date, str, str], tuple[int, Decimal]] = {}
    for one in sums:
        for key, (count, amount) in one.items():
            before_count, before_amount = total.get(key, (0, Decimal("0.00")))
            total[key] = (before_count + count, before_amount + amount)
    return total

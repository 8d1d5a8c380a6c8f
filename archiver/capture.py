"""Capture: deciding, for every row that a source gives, whether it is sealed and where.

Responsible for DESIGN 3.8: by content, not by watermark. Rows become batches ready to be
sealed, and every row read is counted exactly once: `read = orders + revisions + unchanged +
duplicates + rejects + rejected_before + expired`. Touches neither store nor disk. Relies on
the mapping for what a row means and on the known orders for what was sealed before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver import masking, retention, tokens
from archiver.archive import ORDERS_CLASS, Archive
from archiver.batch import (
    Batch,
    Paid,
    Partitions,
    Place,
    added,
    day_number,
    day_of,
    local_days,
    paid_by_channel,
)
from archiver.counting import DayCount, Notes
from archiver.errors import MappingError, ReadBackError, Said
from archiver.inheritance import Inheritance, taken_over
from archiver.known import KnownOrders, Match
from archiver.mapping import CLOCK_SLACK, MapContext, MappedPage, OrderMapping, apply
from archiver.ports import NO_PURGES, Progress, Purges, RawPage, Source, Window
from archiver.recognition import Recogniser, instants, known_rows, microseconds
from archiver.repeats import SeenIds
from archiver.rows import Held, Ints, Mask, Rows, SideBySide, instants_of, is_open, part_of, within
from archiver.stamping import ends_that_stand, reject_rows, stamped

REJECTS_CLASS: Final = "rejects"
REJECT_REVISION: Final = 0
MAX_REPEATED: Final = 1_000
"""Rows of a pass with an id that another row has, where they are more than 1 %: shops that double
their numbers double few, a column that is no order id repeats in nearly every row."""
KEYS_AT_ONCE: Final = 100_000
"""Rows of a census asked for by key together: their keys, not the rows, are in memory."""
NAMED: Final = 5
"""Orders that an alarm names, each by its last characters."""
_LEGAL_DAYS: Final = 1 << 32
"""More than there are days, in front of them or behind 1970."""


class RepeatedIdsError(Exception):
    """An order id was met twice: capture again, with these token heads held apart.

    Nothing is wrong yet: equal rows count once, different ones become rejects. Which of both
    is known only when all rows of an id lie side by side.
    """

    def __init__(self, heads: NDArray[np.uint64]) -> None:
        super().__init__(f"{len(heads)} order ids are repeated")
        self.heads = heads


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The consecutive days that one pass over the source seals."""

    days: Sequence[date]
    window: Window
    """What ended or changed in it is read: the days themselves, and perhaps a look-back."""
    earliest: date
    """Orders that ended before are not this archive's."""
    newest: bool = False
    """It ends with the newest day: what claims to end in the future is read with it."""
    expected: int | None = None
    """About how many rows the days have, where somebody counted."""
    elsewhere: frozenset[date] = frozenset()
    """Days before these that another pass seals: what ended on them is left to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedSource:
    """A source together with what its rows mean."""

    source: Source
    mapping: OrderMapping
    session_zone: str
    purged: Purges = NO_PURGES
    """Which orders it deletes of its own accord."""

    def map_page(
        self,
        page: RawPage,
        archive: str,
        now: datetime,
        *,
        repeated: bool = False,
        include_open: bool = False,
        facets: bool = False,
    ) -> MappedPage:
        """Return a page's rows as orders and rejects; all as rejects if ids are `repeated`."""
        context = MapContext(
            archive=archive,
            source=self.source.name,
            observed_at=now,
            session_zone=self.session_zone,
            include_open=include_open,
            facets=facets,
        )
        return apply(page, self.mapping, context, repeated=repeated)


@dataclass(slots=True)
class Capture:
    """One pass over a source."""

    archive: Archive
    mapped: MappedSource
    known: KnownOrders
    span: Span
    progress: Progress
    apart: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, np.uint64))
    """Token heads of order ids that an earlier pass met twice, sorted."""
    chosen: pa.ChunkedArray | None = None
    """Paging keys that a census has chosen: these rows are read, and no window."""
    revisions_left: int = np.iinfo(np.int64).max
    """How many revisions may be sealed; further ones are left for a later night."""
    days: dict[date, DayCount] = field(init=False)
    _now: datetime = field(init=False)
    """One instant for all rows of a pass: what is first seen, is seen then."""
    _partitions: Partitions = field(init=False)
    _recogniser: Recogniser = field(init=False)
    _inheritance: Inheritance = field(init=False)
    source_paid: Paid = field(default_factory=dict)
    known_paid: Paid = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    _taken: int = 0
    """Rows of this pass, counted before anything is decided about them."""
    _seen: SeenIds = field(default_factory=SeenIds)
    _rejected: list[NDArray[np.uint64]] = field(default_factory=list)
    """Token heads of the order ids of rejects."""
    _held: list[Held] = field(default_factory=list)
    _retain: dict[int, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare a count for every day of the span."""
        self.days = {day: DayCount() for day in self.span.days}
        self._now = self.archive.clock.now()
        self._partitions = Partitions(self.mapped.source.name)
        token_key = self.archive.night_keys().token_key
        self._recogniser = Recogniser.of(self.mapped.source.name, token_key)
        self._inheritance = Inheritance(self.archive, self.known, self.mapped.source.name)

    def batches(self) -> Iterator[Batch | None]:
        """Yield batches as they fill up, None after each page, the last when there are no more.

        Raises:
            RepeatedIdsError: See there. What was yielded must not be named by a manifest.
            MappingError: So many ids are repeated that the column cannot be the order id; likewise.
            ReadBackError: A row that was read is not accounted for; likewise.
        """
        for page in self._pages():
            self._take(page)
            del page  # who takes a batch may wait for memory
            if self._seen.repeated:
                self._partitions.drop()
            else:
                yield from self._partitions.full()
            yield None
        if self._seen.repeated:
            self._require_few_repeated()
            raise RepeatedIdsError(np.unique(np.concatenate(self._seen.repeated)))
        self._settle_held()
        self._require_all_accounted_for()
        yield from self._partitions.rest()

    def has_met(self, heads: NDArray[np.uint64]) -> Mask:
        """Return which token heads of order ids are those of rows that this pass has taken."""
        met = np.isin(heads, self.apart) | self._seen.contain(heads)
        for some in self._rejected:
            met |= np.isin(heads, some)
        return met

    def _pages(self) -> Iterator[RawPage]:
        source, window = self.mapped.source, self.span.window
        if self.chosen is not None:
            for start in range(0, len(self.chosen), KEYS_AT_ONCE):
                yield from source.rows(self.chosen.slice(start, KEYS_AT_ONCE).to_pylist())
            return
        # Nobody else would ever see them: the mapping rejects what ends so late.
        beyond = self._now + CLOCK_SLACK if self.span.newest else None
        yield from source.pages(window, window, beyond=beyond)

    def _require_few_repeated(self) -> None:
        """Refuse a column that is no order id: its rows would all become rejects, for years."""
        again, rows = self._seen.again, self._taken
        if again > max(MAX_REPEATED, rows // 100):
            column = self.mapped.mapping.order_id
            raise MappingError(
                source=self.mapped.source.name,
                detail=Said(
                    f"{again} of {rows} rows have an order id that another row has, too; "
                    f"order_id = {column} does not name orders",
                    f"{rows} 行中有 {again} 行的订单号与其他行相同；"
                    f"order_id = {column} 不能标识订单",
                ),
            )

    def _require_all_accounted_for(self) -> None:
        """Compare rows counted as they came in with what became of them: none may be lost."""
        accounted = sum(day.counts.total() for day in self.days.values())
        if accounted != self._taken:
            raise ReadBackError(
                key=self.mapped.source.name,
                detail=Said(
                    f"{self._taken} rows were read and {accounted} are accounted for",
                    f"读入 {self._taken} 行，只有 {accounted} 行有着落",
                ),
            )

    # --- rows --------------------------------------------------------------------------------

    def _take(self, page: RawPage) -> None:
        self.progress.advance(len(page.rows))
        mapped = self._map(page)
        self._taken += len(mapped.rejects)
        self._take_rejects(mapped.rejects, mapped.reject_content)
        self._take_orders(page, mapped)

    def _take_orders(self, page: RawPage, mapped: MappedPage) -> None:
        orders = mapped.orders
        wanted = self._wanted(orders, mapped.changed_at)
        if not wanted.any():
            return
        self._taken += int(wanted.sum())
        chosen = pa.array(wanted)
        everything = wanted.all()
        content = mapped.content if everything else mapped.content.filter(chosen)
        orders = orders if everything else orders.filter(chosen)
        rows = Rows(
            orders=orders,
            tokens=self._recogniser.orders(orders["order_id"]),
            digests=self._recogniser.digests(content),
            changed_at=instants_of(mapped.changed_at, 0)[wanted],
        )
        heads = tokens.first_64_bits(rows.tokens)
        held = np.isin(heads, self.apart) if len(self.apart) else np.zeros(len(heads), np.bool_)
        if held.any():
            positions = pa.array(mapped.row[wanted][held])
            rest = part_of(page, positions, self.mapped.mapping)
            self._held.append(Held(rows=rows.take(held), page=rest))
            rows, heads = rows.take(~held), heads[~held]
        self._seen.add(heads)
        self._decide(rows)

    def _wanted(self, orders: pa.Table, changed_at: pa.Array) -> Mask:
        """Choose the rows of this pass; a source may give more than it was asked for."""
        span = self.span
        ends = orders["completed_at"]
        days = self._local_days(ends)
        inside: Mask = (days >= day_number(span.earliest)) & (days <= self._last_number)
        if span.elsewhere:
            inside &= ~np.isin(days, [day_number(day) for day in span.elsewhere])
        if self.chosen is None:
            return inside & (within(ends, span.window) | within(changed_at, span.window))
        chosen: Mask = np.where(is_open(orders), self._overdue(orders, changed_at), inside)
        return chosen

    def _overdue(self, orders: pa.Table, changed_at: pa.Array) -> Mask:
        """Return which orders, if they are open, have been so for too long.

        From their payment on, else from what is known of them; if nothing is, they are.
        """
        since = pc.coalesce(orders["paid_at"], orders["created_at"], changed_at)
        limit = self.span.window.end - (self.archive.rules.open_after or timedelta())
        overdue: Mask = instants_of(since, 0) < microseconds(limit)
        return overdue

    def _decide(self, rows: Rows) -> None:
        """Sort rows into known, revised, new and expired, and buffer what is to be sealed."""
        still_open = is_open(rows.orders)
        match = self.known.match(rows.tokens)
        inherited = self._inheritance.fill(rows, match)
        # One that was finished and is open again waits for its next end.
        same = match.found & ((match.digest == rows.digests).all(axis=1) | still_open)
        if inherited.any():
            same |= inherited & ~self._inheritance.changed(rows, match)
        restored = self._restored(rows, match.found & ~same)
        same |= restored
        changed = match.found & ~same
        own_ends = self._ends(rows.orders)
        ends = ends_that_stand(rows.orders, own_ends, match.completed_at, changed)
        retained, free = self._retention(ends)
        expired = ~same & (free <= microseconds(self._now))
        fresh = ~match.found & ~expired
        revised = changed & ~expired
        excess = np.flatnonzero(revised)[self.revisions_left - self.notes.revisions :]
        if len(excess):
            self._leave(rows, excess)
            return
        self.notes.revisions += int(revised.sum())
        self.notes.restored += int(restored.sum())
        own_days = local_days(own_ends, self.archive.rules.zone)
        on_time = (own_days >= day_number(self.span.days[0])) & ~revised & ~still_open
        days = self._days_of(own_days, ends, on_time=on_time, expired=expired)
        self._count(days, unchanged=same, expired=expired, orders=fresh, revisions=revised)
        self.source_paid = added([self.source_paid, paid_by_channel(rows.orders, days)])
        if (taken := inherited & same & (free > microseconds(self._now))).any():
            self._take_over(rows, match, taken, retained)
        sealed = fresh | revised
        if not sealed.all():
            kept = rows.take(~sealed).orders
            self.known_paid = added([self.known_paid, paid_by_channel(kept, days[~sealed])])
        if not sealed.any():
            return
        first_seen = np.where(match.found, match.first_seen_at, microseconds(self._now))
        revision = np.where(match.found, match.revision + 1, 1).astype(np.int32)
        if not fresh.all():  # else the mapping has filled in exactly these values
            ended = pc.if_else(pa.array(still_open), None, instants(ends))
            rows = replace(rows, orders=stamped(rows.orders, revision, ended, first_seen))
        known = known_rows(
            rows.tokens,
            rows.digests,
            revision=revision,
            first_seen=first_seen,
            completed=ends,
            still_open=still_open,
            orders=rows.orders,
        )
        if revised.any():
            self._note_losses(rows.orders["order_id"], known, match, revised)
        # One number for each place; a table of three columns would take seconds to sort.
        groups = (days * 2 + on_time) * _LEGAL_DAYS + retained
        for group in np.unique(groups[sealed]).tolist():
            part = sealed & (groups == group)
            one = int(part.argmax())
            day, own, free_at = int(days[one]), on_time[one], self._retain[int(retained[one])]
            self._outcomes(day_of(day), rows.orders, part)
            cohort = retention.cohort_of(free_at, ORDERS_CLASS)
            place = Place(kind="orders", day=day_of(day), on_time=bool(own), cohort=cohort)
            self._partitions.add(place, rows.orders, known, chosen=part, retain_until=free_at)

    def _days_of(self, own_days: Ints, ends: Ints, *, on_time: Mask, expired: Mask) -> Ints:
        """Return under which day each row is sealed, if it is: what is late, as early as may be.

        Days are sealed oldest first, and what a night that dies between two of them leaves to the
        next one must lie in that one's look-back.
        """
        first_day = day_number(self.span.days[0])
        late = np.where(expired, first_day, local_days(ends, self.archive.rules.zone))
        return np.where(on_time, own_days, late.clip(first_day, self._last_number))

    def _take_over(self, rows: Rows, match: Match, taken: Mask, retained: Ints) -> None:
        """Make inherited orders known under this source's name, as they are now."""
        known = taken_over(rows, match)
        for number in np.unique(retained[taken]).tolist():
            free_at = self._retain[number]
            cohort = retention.cohort_of(free_at, ORDERS_CLASS)
            place = Place(kind="known", day=self.span.days[-1], on_time=True, cohort=cohort)
            part = taken & (retained == number)
            self._partitions.add(place, known, known, chosen=part, retain_until=free_at)

    def _restored(self, rows: Rows, changed: Mask) -> Mask:
        """Return which changed rows are back in an earlier state, from a backup perhaps.

        They have the content of a revision that was sealed after the row was last touched.
        Somebody who changes a row back touches it once more: that is a further revision.
        """
        restored = np.zeros(len(changed), np.bool_)
        if changed.any():
            at = self.known.sealed_with(rows.tokens[changed], rows.digests[changed])
            touched = rows.changed_at[changed]
            restored[changed] = (touched != 0) & (touched <= at)
        return restored

    def _leave(self, rows: Rows, excess: Ints) -> None:
        """Decide on all rows but some, which are left for a later night and not counted."""
        kept = np.ones(len(rows.tokens), np.bool_)
        kept[excess] = False
        self.notes.deferred += len(excess)
        self.notes.deferred_heads.append(tokens.first_64_bits(rows.tokens[excess]))
        self._taken -= len(excess)
        if kept.any():
            self._decide(rows.take(kept))

    def _note_losses(
        self, order_ids: pa.ChunkedArray, known: pa.Table, match: Match, revised: Mask
    ) -> None:
        """Remember revisions that hold less than what was sealed before."""
        less = np.zeros(len(revised), np.bool_)
        for name in ("deliveries", "secrets"):
            less |= known[name].to_numpy() < self.known.counted(match, name)
        less &= revised
        self.notes.lessened += int(less.sum())
        room = max(0, NAMED - len(self.notes.lessened_orders))
        some = order_ids.filter(pa.array(less)).slice(0, room).to_pylist()
        self.notes.lessened_orders += [str(masking.masked(one)) for one in some]

    def _take_rejects(self, rows: pa.Table, content: pa.Array) -> None:
        """Buffer rejects that were not sealed before, under the span's first day, as late ones."""
        if not len(rows):
            return
        self._rejected.append(tokens.first_64_bits(self._recogniser.orders(rows["order_id"])))
        reject_tokens = self._recogniser.rejects(rows["row_key"])
        digests = self._recogniser.digests(content)
        match = self.known.match(reject_tokens)
        before = match.found & (match.digest == digests).all(axis=1)
        first = self.days[self.span.days[0]]
        first.counts["rejected_before"] += int(before.sum())
        first.counts["rejects"] += int((~before).sum())
        if before.all():
            return
        count = len(rows)
        now = np.full(count, microseconds(self._now))
        first.reasons.update(rows.filter(pa.array(~before))["reason"].to_pylist())
        table = reject_rows(rows, digests, now)
        revision = np.full(count, REJECT_REVISION, np.int32)
        known = known_rows(reject_tokens, digests, revision=revision, first_seen=now)
        free_at = retention.retain_until(self._now, self.archive.rules.retention)
        cohort = retention.cohort_of(free_at, REJECTS_CLASS)
        place = Place(kind="rejects", day=self.span.days[0], on_time=True, cohort=cohort)
        self._partitions.add(place, table, known, chosen=~before, retain_until=free_at)

    # --- repeated ids --------------------------------------------------------------------------

    def _settle_held(self) -> None:
        """Decide on ids that occur more than once: equal rows count once, others are rejects."""
        if not self._held:
            return
        found = SideBySide.of(self._held)
        rows, conflict, extra = found.rows, found.conflict, found.double
        if extra.any():
            ends = local_days(self._ends(rows.orders), self.archive.rules.zone)
            inside = ends >= day_number(self.span.days[0])
            days = np.where(inside, ends, self._last_number)
            self._count(days, duplicates=extra)
            paid = paid_by_channel(rows.take(extra).orders, days[extra])
            self.source_paid = added([self.source_paid, paid])
            self.known_paid = added([self.known_paid, paid])
        start = 0
        for held in self._held:
            here = conflict[start : (start := start + len(held.rows.tokens))]
            if here.any():
                page = RawPage(
                    rows=held.page.rows.filter(pa.array(here)), children=held.page.children
                )
                mapped = self._map(page, repeated=True)
                self._take_rejects(mapped.rejects, mapped.reject_content)
        single = ~conflict & ~extra
        if single.any():
            self._decide(rows.take(single))

    # --- small things --------------------------------------------------------------------------

    def _count(self, days: Ints, **masks: Mask) -> None:
        for name, mask in masks.items():
            numbers, counts = np.unique(days[mask], return_counts=True)
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
                self.days[day_of(number)].counts[name] += count

    def _outcomes(self, day: date, orders: pa.Table, chosen: Mask) -> None:
        outcomes = orders["outcome"].filter(pa.array(chosen)).value_counts().to_pylist()
        self.days[day].outcomes.update({one["values"]: one["counts"] for one in outcomes})

    def _retention(self, ends: Ints) -> tuple[Ints, Ints]:
        """Return, per order, its day in the legal zone and when it may be destroyed."""
        legal = local_days(ends, retention.LEGAL_ZONE)
        numbers, back = np.unique(legal, return_inverse=True)
        free = []
        for number in numbers.tolist():
            if number not in self._retain:
                noon = datetime.combine(day_of(number), datetime.min.time(), retention.LEGAL_ZONE)
                self._retain[number] = retention.retain_until(noon, self.archive.rules.retention)
            free.append(microseconds(self._retain[number]))
        return legal, np.array(free, np.int64)[back.ravel()]

    def _ends(self, orders: pa.Table) -> Ints:
        """Return when orders ended; what is still open is kept as if it had ended just now."""
        return instants_of(orders["completed_at"], microseconds(self._now))

    def _local_days(self, column: pa.ChunkedArray) -> Ints:
        return local_days(instants_of(column, microseconds(self._now)), self.archive.rules.zone)

    def _map(self, page: RawPage, *, repeated: bool = False) -> MappedPage:
        return self.mapped.map_page(
            page,
            self.archive.id,
            self._now,
            repeated=repeated,
            include_open=self.chosen is not None,
        )

    @property
    def _last_number(self) -> int:
        return day_number(self.span.days[-1])

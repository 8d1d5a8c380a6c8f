"""A backfill: days of years past, sealed by several workers at once.

Responsible for sealing exactly what nights one after the other would have sealed. Workers make
passes and know nothing of each other; this process alone writes manifests, in the order of days.
Before it does, it looks whether an order of the pass has become known meanwhile: one whose id
occurs in two passes, or that a night has sealed in between. Such a pass is made again, and what
it had sealed before are orphans. So any number of backfills and nights may run at once, and what
a crash leaves undone is done by the same command.

Relies on `turn` for the local copy of what is known, which only one run of a host may change, and
on the manifests' numbers for runs on other hosts.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver import sealing
from archiver.archive import Archive
from archiver.capture import MappedSource, Span
from archiver.catalog import Catalog
from archiver.census import told
from archiver.errors import (
    AnotherRunError,
    ArchiverError,
    OlderOrdersError,
    RequestError,
    RetentionRefusedError,
    Said,
    WorkerLostError,
)
from archiver.history import History, plan_backfill
from archiver.known import KnownOrders
from archiver.naming import DayReport, Namer
from archiver.nightly import NightReport, standing_alarms
from archiver.passes import SealedPart, SealedPass, split_rejects
from archiver.ports import Fence
from archiver.recognition import Recogniser
from archiver.spans import groups_of
from archiver.spreading import Circle
from schemas.documents import Counts

AHEAD: Final = 2
"""Passes under way for each worker: a long one must not keep the others waiting."""
TRIES: Final = 10
"""Turns in a row that end without a manifest, because others seal the same days."""
DAY_COSTS: Final = 1_000
"""Rows that would take as long as a day without any: its manifest."""
COUNTED_ONLY: Final = ("expired", "unchanged", "duplicates")
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassTask:
    """What a worker is told."""

    source: str
    span: Span
    through: int
    """The manifest up to which it must know what is sealed."""
    bytes_sealed: int
    """By this run so far."""
    revisions_sealed: int
    """Likewise."""
    log_level: int = logging.WARNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """How far a backfill has come."""

    source: str
    days: int
    days_done: int
    rows: int
    """About how many the source has in those days."""
    rows_done: int
    left: timedelta | None
    """About how much time it still takes; None before the first pass is done."""


@dataclass(slots=True)
class BackfillReport(NightReport):
    """What a backfill did, and what stopped it where something did."""

    sealed_before: dict[str, int] = field(default_factory=dict)
    """By source: days of the range that had a manifest already."""


@dataclass(slots=True)
class Backfill:
    """The parts that a backfill works with."""

    archive: Archive
    catalog: Catalog
    open_known: Callable[[], KnownOrders]
    sources: Sequence[MappedSource]
    executor: Executor
    work: Callable[[PassTask], SealedPass]
    """Makes a pass in a worker, from any state of what is known; see `Sealer.alone`."""
    workers: int
    turn: Callable[[], AbstractContextManager[Fence | None]]
    """Waits until no other run of this host changes what is known, and keeps others waiting; gives
    the fence, where the store needs one beside it."""
    watch: Callable[[Stretch], None]
    circle: Callable[[], Circle] = Circle
    """Who is told of the ledger's head."""
    _known: KnownOrders = field(init=False)
    _bytes_sealed: int = 0
    _revisions_sealed: int = 0
    _alarms: list[ArchiverError] = field(default_factory=list)
    """What must be told and has stopped nothing."""

    def run(self, first: date, last: date) -> BackfillReport:
        """Seal what is missing in a range of days.

        Args:
            first: The first day, not before `[archive] since`.
            last: The last day, closed.

        Returns:
            One entry per day and source, and the errors that stopped a source.

        Raises:
            RequestError: The range cannot be sealed.
            TamperedError: The store's manifests do not hold.
            LockNotProvenError: No recent proof shows that the store's lock holds.
            NoFenceError: The store does not keep two runs apart.
        """
        rules = self.archive.rules
        closed = rules.last_closed_day(self.archive.clock.now())
        _require_range(first, last, closed, rules.since)
        about = {"archive": self.archive.id, "first_day": str(first), "last_day": str(last)}
        log.info("backfill started", extra={**about, "workers": self.workers})
        with self.turn() as self.catalog.fence:
            self._known = self.open_known()
            self._catch_up()
        report = BackfillReport()
        report.failures += standing_alarms(self.archive, self.catalog)
        for source in self.sources:
            if not report.take(source.source.name, self._days(report, source, first, last)):
                break
        report.extend(self.archive, self.catalog, [one.source.name for one in self.sources], None)
        report.tell(self.archive, self.circle)
        report.failures += self._alarms
        report.failures += self.archive.alarms
        log.info("backfill finished", extra={"exit": int(report.exit), "days": len(report.days)})
        return report

    # --- one source ----------------------------------------------------------------------------

    def _days(
        self, report: BackfillReport, source: MappedSource, first: date, last: date
    ) -> Iterator[DayReport]:
        name, rules = source.source.name, self.archive.rules
        self.catalog.require_in_use(name)
        closed = rules.last_closed_day(self.archive.clock.now())
        sealed = self.catalog.days(name)
        history = plan_backfill(
            source.source, rules, sealed, (first, last), closed=closed, workers=self.workers
        )
        report.sealed_before[name] = history.sealed_before
        if history.older:
            older = sorted(history.older)
            report.failures.append(
                OlderOrdersError(
                    source=name,
                    orders=sum(history.older.values()),
                    first=older[0],
                    last=first - timedelta(days=1),
                )
            )
        if history.expired:
            yield self._counted(source, history.expired)
        yield from self._sealed(source, history)

    def _counted(self, source: MappedSource, span: Span) -> DayReport:
        """Count rows of which nothing need be kept; a manifest would only say so for years."""
        made = self._made(self._submitted(source, span))
        counts = made.days[span.days[0]].counts
        told = Counts(
            read=sum(counts[name] for name in COUNTED_ONLY),
            **{name: counts[name] for name in COUNTED_ONLY},
        )
        return DayReport(
            manifest=None,
            day=span.days[0],
            source=source.source.name,
            counts=told.model_dump(),
            outcomes={},
            reject_reasons={},
            sums=(),
            objects=(),
        )

    def _sealed(self, source: MappedSource, history: History) -> Iterator[DayReport]:
        now = self.archive.clock.now
        course = _Course(source.source.name, history.spans, now, self.watch)
        todo = deque(history.spans)
        under_way: deque[tuple[Span, Future[SealedPass]]] = deque()
        try:
            while todo or under_way:
                while todo and len(under_way) < AHEAD * self.workers:
                    span = todo.popleft()
                    future = self._submitted(source, span)
                    under_way.append((span, future))
                    course.follow(span, future)
                span, future = under_way.popleft()
                yield from self._named(source, span, self._made(future))
                course.named(span)
        finally:
            for _, future in under_way:
                future.cancel()

    def _submitted(self, source: MappedSource, span: Span) -> Future[SealedPass]:
        task = PassTask(
            source=source.source.name,
            span=span,
            through=self._known.through,
            bytes_sealed=self._bytes_sealed,
            revisions_sealed=self._revisions_sealed,
            log_level=log.getEffectiveLevel(),
        )
        try:
            return self.executor.submit(self.work, task)
        except BrokenExecutor as broken:
            raise _lost(broken) from None

    def _made(self, future: Future[SealedPass]) -> SealedPass:
        try:
            made = future.result()
        except BrokenExecutor as broken:
            raise _lost(broken) from None
        for record in made.log:
            logging.getLogger(record.name).handle(record)
        self.archive.alarms.extend(made.alarms)
        self._bytes_sealed += made.bytes_sealed
        self._revisions_sealed += made.notes.revisions
        limit = self.archive.rules.max_bytes_per_night
        if self._bytes_sealed > limit:
            raise RetentionRefusedError(
                detail=Said(
                    f"more than max_bytes_per_night = {limit} in one run",
                    f"一次运行超过 max_bytes_per_night = {limit}",
                )
            )
        return made

    # --- manifests -----------------------------------------------------------------------------

    def _named(self, source: MappedSource, span: Span, made: SealedPass) -> Iterator[DayReport]:
        """Write the manifests of a pass, oldest first, as far as it still holds; then again."""
        waiting = [(list(span.days), made)]
        tries = 0
        while waiting:
            days, made = waiting.pop(0)
            named, left = self._turn(source, days, made)
            yield from named
            if named:
                rules = self.archive.rules
                self._alarms += told(source.source.name, named[-1].day, made.notes, rules)
            tries = 0 if named else tries + 1
            if tries > TRIES:
                raise AnotherRunError(
                    detail=Said(f"it seals {days[0]}, too", f"它也在封存 {days[0]}")
                )
            for group in groups_of(left, {}):
                again = replace(span, days=group)
                about = {"source": source.source.name, "days": [str(day) for day in group]}
                log.info("pass made again", extra=about)
                waiting.append((group, self._made(self._submitted(source, again))))

    def _turn(
        self, source: MappedSource, days: Sequence[date], made: SealedPass
    ) -> tuple[list[DayReport], list[date]]:
        """Write manifests until a day no longer holds.

        Returns:
            What was written, and the days that must be captured again.
        """
        named: list[DayReport] = []
        with self.turn() as self.catalog.fence:
            self._catch_up()
            sealed = self.catalog.days(source.source.name)
            if sealed.intersection(days):
                return named, [day for day in days if day not in sealed]
            namer = Namer(self.archive, self.catalog, self._known)
            for place, day in enumerate(days):
                entries = list(self._entries(made.of(day)))
                if not all(map(self._known.is_continued_by, entries)):
                    return named, list(days[place:])
                whole = self._with_rejects(source, made, day)
                entries += self._entries(whole.of(day)[len(made.of(day)) :])
                try:
                    named.append(namer.name(source, whole, day, entries))
                except AnotherRunError:
                    # A run on another host was quicker; what it has sealed may be ours.
                    return named, list(days[place:])
            self._put_off(source.source.name, made.notes.deferred_heads)
        return named, []

    def _put_off(self, source: str, heads: Sequence[NDArray[np.uint64]]) -> None:
        """Remember orders whose revisions wait for a night: no later window shows them."""
        if heads:
            waiting = [self._known.waiting(source), *heads]
            self._known.put_off(source, np.unique(np.concatenate(waiting)))

    def _catch_up(self) -> None:
        self.catalog.refresh()
        if self._known.through < self.catalog.next_number - 1:
            # A night of this host has brought the local copy further, and moved its files.
            self._known = self.open_known()
            self._known.catch_up(self.catalog)

    def _entries(self, parts: Sequence[SealedPart]) -> Iterator[pa.Table]:
        for part in parts:
            yield from self._known.fetched(part.sealed.objects)

    def _with_rejects(self, source: MappedSource, made: SealedPass, day: date) -> SealedPass:
        """Seal a day's rejects, without those that another pass has sealed meanwhile.

        Rows that have no usable time come with every pass, those near midnight with two.
        """
        recogniser = Recogniser.of(source.source.name, self.archive.night_keys().token_key)
        count, parts = made.days[day], list(made.parts)
        for batch in (one for one in made.rejects if one.day == day):
            left, known = split_rejects(batch, self._known, recogniser)
            if len(known):
                count = count.with_rejects_known(known["reason"].to_pylist())
            if left is not None:
                parts.append(SealedPart(sealed=sealing.seal(self.archive, left), known=None))
        return replace(made, days={**made.days, day: count}, parts=parts)


class _Course:
    """Follows the passes of one source, and tells how far they are."""

    def __init__(
        self,
        source: str,
        spans: Sequence[Span],
        now: Callable[[], datetime],
        watch: Callable[[Stretch], None],
    ) -> None:
        self._source = source
        self._spans = spans
        self._now = now
        self._watch = watch
        self._started = now()
        self._made: list[Span] = []
        self._named: list[Span] = []

    def follow(self, span: Span, future: Future[SealedPass]) -> None:
        """Count a pass as soon as it is made, whichever comes first."""

        def done(future: Future[SealedPass]) -> None:
            if not future.cancelled() and future.exception() is None:
                self._made.append(span)
                self._watch(self.stretch())

        future.add_done_callback(done)

    def named(self, span: Span) -> None:
        """Count the days of a pass that have their manifests."""
        self._named.append(span)
        stretch = self.stretch()
        self._watch(stretch)
        left = None if stretch.left is None else round(stretch.left.total_seconds())
        about = {"source": self._source, "days_done": stretch.days_done, "days": stretch.days}
        log.info("days sealed", extra={**about, "seconds_left": left})

    def stretch(self) -> Stretch:
        """Return how far it is."""
        made, every = _weight(self._made), _weight(self._spans)
        left = (self._now() - self._started) * ((every - made) / made) if made else None
        return Stretch(
            source=self._source,
            days=sum(len(span.days) for span in self._spans),
            days_done=sum(len(span.days) for span in self._named),
            rows=sum(span.expected or 0 for span in self._spans),
            rows_done=sum(span.expected or 0 for span in self._made),
            left=left,
        )


def _weight(spans: Sequence[Span]) -> int:
    """Return what passes cost, more or less: their rows, and a little for each day."""
    return sum((span.expected or 0) + DAY_COSTS * len(span.days) for span in spans)


def _lost(broken: BrokenExecutor) -> WorkerLostError:
    return WorkerLostError(detail=type(broken).__name__)


def _require_range(first: date, last: date, closed: date, since: date | None) -> None:
    """Refuse a range that cannot be sealed as it is.

    Raises:
        RequestError: It is reversed, not over yet, or begins before the archive does.
    """
    if first > last:
        raise RequestError(
            detail=Said(f"{first} comes after {last}", f"起始日 {first} 晚于截止日 {last}")
        )
    if last > closed:
        raise RequestError(
            detail=Said(
                f"{last} is not closed yet; the last one is {closed}",
                f"{last} 尚未结束；最近一个已结束日为 {closed}",
            )
        )
    if since is not None and first < since:
        raise RequestError(
            detail=Said(
                f"{first} is before [archive] since = {since}; begin there, or move it back",
                f"{first} 早于 [archive] since = {since}；请从该日开始，或将其提前",
            )
        )

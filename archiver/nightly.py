"""A night: every closed day that is not sealed yet, of every source, oldest first.

Responsible for the order of things: a proof of the store's lock must be at hand; batches are
sealed, then the manifest that names them, then the local known orders. A crash between any two
leaves nothing half visible, and running the night again finishes it. One source that fails does
not keep the others from being sealed.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import numpy as np

from archiver import retention, sealing
from archiver.archive import Archive
from archiver.batch import Batch, Paid, added
from archiver.capture import Capture, MappedSource, RepeatedIdsError, Span
from archiver.catalog import Catalog
from archiver.errors import (
    AnotherRunError,
    ArchiverError,
    ConfigurationError,
    Exit,
    ReadBackError,
    RequestError,
    RetentionRefusedError,
    Said,
    SourceUnavailableError,
)
from archiver.known import KnownOrders
from archiver.lockproof import latest_proof, require_proof
from archiver.ports import Progress, Window
from schemas.documents import ChannelSum, Counts, Manifest, SealedObject

ROWS_PER_PASS: Final = 100_000
"""Days of a catch-up are read together until about this many rows: each pass reads the
source's table once, and holds what it has read of every day that is not full."""
_NOTHING: Final = (0, Decimal("0.00"))
log: Final = logging.getLogger(__name__)
PASSES: Final = 3
"""Rows that change while they are read can repeat ids again; then the source must rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """What became of one day of one source."""

    manifest: Manifest | None
    """None where nothing was new and the day had been sealed before."""
    day: date
    source: str
    counts: Mapping[str, int]
    outcomes: Mapping[str, int]
    reject_reasons: Mapping[str, int]
    sums: Sequence[ChannelSum]
    objects: Sequence[SealedObject]


@dataclass(slots=True)
class NightReport:
    """What a night did, and what stopped it where something did."""

    days: list[DayReport] = field(default_factory=list)
    failures: list[ArchiverError] = field(default_factory=list)

    @property
    def exit(self) -> Exit:
        """The exit code: the highest alarm wins."""
        codes = {failure.exit for failure in self.failures}
        if any(day.counts.get("rejects") for day in self.days):
            codes.add(Exit.REJECTS)
        order = (Exit.ALARM, Exit.FORBIDDEN, Exit.TRY_LATER, Exit.FIX_REQUEST, Exit.REJECTS)
        return next((code for code in order if code in codes), Exit.DONE)


@dataclass(slots=True)
class Night:
    """The parts that a night works with."""

    archive: Archive
    catalog: Catalog
    known: KnownOrders
    sources: Sequence[MappedSource]
    executor: Executor
    in_flight: int
    progress: Progress
    _bytes_sealed: int = 0

    def run(self, as_of: date | None = None) -> NightReport:
        """Seal what is due.

        Args:
            as_of: The last day to seal; the last closed day if not given.

        Returns:
            One entry per day and source, and the errors that stopped a source.

        Raises:
            RequestError: `as_of` is not closed yet.
            TamperedError: The store's manifests do not hold.
            LockNotProvenError: No recent proof shows that the store's lock holds.
            NoFenceError: The store does not keep two runs apart.
        """
        last = self.archive.rules.last_closed_day(self.archive.clock.now())
        if as_of is not None and as_of > last:
            raise RequestError(
                detail=Said(
                    f"{as_of} is not closed yet; the last one is {last}",
                    f"{as_of} 尚未结束；最近一个已结束日为 {last}",
                )
            )
        about = {"archive": self.archive.id, "last_day": str(as_of or last)}
        log.info("night started", extra=about)
        self.catalog.refresh()
        self.known.catch_up(self.catalog)
        report = NightReport()
        # They count, for they are whole; and somebody must lock them before somebody else deletes.
        report.failures += self.catalog.unlocked
        if ageing := require_proof(self.archive, latest_proof(self.archive)):
            report.failures.append(ageing)
        report.failures += self.catalog.gone({source.source.name for source in self.sources})
        for source in self.sources:
            try:
                for day in self._seal_source(source, as_of or last):
                    report.days.append(day)
            except ArchiverError as error:
                report.failures.append(error)
                about = {"source": source.source.name, "code": error.code, "reason": str(error)}
                log.error("source failed", extra=about)  # noqa: TRY400  a traceback may quote rows
                if error.exit is Exit.ALARM or isinstance(error, AnotherRunError):
                    # The store or the clock lies, or the chain has moved on: another source
                    # would meet the same.
                    break
        report.failures += self.archive.alarms
        log.info("night finished", extra={"exit": int(report.exit), "days": len(report.days)})
        return report

    # --- one source ----------------------------------------------------------------------------

    def _seal_source(self, source: MappedSource, last: date) -> Iterator[DayReport]:
        for span in self._spans(source, last):
            yield from self._seal_span(source, span)

    def _spans(self, source: MappedSource, last: date) -> Iterator[Span]:
        """Plan the passes: missing days, oldest first.

        The first and the last pass look back: the last one from the newest day, the first one
        from the oldest that is due, as the night would have done that did not run then. What
        came late meanwhile is found however long no night ran, also when a catch-up breaks off.

        Raises:
            ConfigurationError: `since` says that sealed days are not this archive's.
        """
        rules = self.archive.rules
        sealed = self.catalog.days(source.source.name)
        sizes: Mapping[date, int] = {}
        strays = False
        if sealed:
            _require_sealed_since(source.source.name, rules.since, min(sealed))
            first = rules.since or min(sealed)
        else:
            reach = Window(start=datetime.min.replace(tzinfo=UTC), end=self._midnight(last, 1))
            sizes = source.source.days(reach)
            oldest = retention.first_kept_day(last, rules.retention)
            strays = rules.since is None and any(day < oldest for day in sizes)
            due = (day for day in sizes if oldest <= day <= last)
            first = rules.since or min(due, default=last)
        if first > last:
            return
        missing = [day for day in _days(first, last) if day not in sealed]
        if sealed and len(missing) > 1:
            # After an outage of months one pass over all of it would not fit into memory.
            reach = Window(start=self._midnight(missing[0]), end=self._midnight(missing[-1], 1))
            sizes = source.source.days(reach)
        groups = list(_groups(missing, sizes)) or [[last]]
        if groups[-1][-1] != last:
            # The newest day is sealed already, older ones are not: look back from it as well.
            groups.append([last])
        for days in groups:
            start, end = self._midnight(days[0]), self._midnight(days[-1], 1)
            if days is groups[0]:
                start = min(start, self._midnight(days[0], 1) - rules.lookback)
                if not sealed:
                    # The source counts days by its own calendar, which may be two off.
                    start = min(start, self._midnight(days[0], -2))
                if strays:
                    # What need not be kept any more is counted once, as expired. One stray date
                    # of 1991 must not cost a manifest for each day since.
                    start = datetime.min.replace(tzinfo=UTC)
            if days is groups[-1]:
                start = min(start, end - rules.lookback)
            yield Span(
                days=days,
                window=Window(start=start, end=end),
                earliest=rules.since or date.min,
                newest=days is groups[-1],
                expected=sum(sizes.get(day, 0) for day in days) if sizes else None,
            )

    def _seal_span(self, source: MappedSource, span: Span) -> Iterator[DayReport]:
        """Seal the days of one pass, then write their manifests, oldest first."""
        days = " … ".join(dict.fromkeys((str(span.days[0]), str(span.days[-1]))))
        about = {"source": source.source.name, "days": days, "rows_expected": span.expected}
        log.info("pass over days", extra=about)
        self.progress.start(f"{source.source.name} {days}", span.expected)
        try:
            capture, sealed = self._captured(source, span)
            for day in span.days:
                of_day = [one for one in sealed if one.sealed.day == day]
                yield self._finish(source, capture, day, of_day)
        finally:
            self.progress.finish()

    def _captured(self, source: MappedSource, span: Span) -> tuple[Capture, list["_Sealed"]]:
        apart = np.zeros(0, np.uint64)
        for _ in range(PASSES):
            capture = Capture(
                archive=self.archive,
                mapped=source,
                known=self.known,
                span=span,
                progress=self.progress,
                apart=apart,
            )
            try:
                return capture, self._sealed(capture.batches())
            except RepeatedIdsError as repeated:
                apart = np.union1d(apart, repeated.heads)
        raise SourceUnavailableError(
            source=source.source.name,
            detail=Said(
                "order ids keep repeating while they are read", "读取期间订单号不断重复出现"
            ),
        )

    def _sealed(self, batches: Iterator[Batch]) -> list["_Sealed"]:
        """Seal batches while the next ones are being read; a few at a time, memory is finite."""
        done: list[_Sealed] = []
        waiting: list[tuple[Future[sealing.Sealed], Path]] = []
        try:
            for batch in batches:
                self._admit(batch)
                known = self.known.set_aside(batch.known)
                future = self.executor.submit(sealing.seal, self.archive, batch)
                waiting.append((future, known))
                del batch
                while len(waiting) >= self.in_flight:
                    done.append(_Sealed.of(*waiting.pop(0)))
            done += [_Sealed.of(*one) for one in waiting]
        finally:
            for future, _ in waiting:
                future.cancel()
        return done

    def _admit(self, batch: Batch) -> None:
        """Refuse a night that locks more bytes than was foreseen: it cannot be undone."""
        self._bytes_sealed += batch.rows.nbytes
        limit = self.archive.rules.max_bytes_per_night
        if self._bytes_sealed > limit:
            raise RetentionRefusedError(
                detail=Said(
                    f"{batch.source} {batch.day}: more than max_bytes_per_night = {limit}",
                    f"{batch.source} {batch.day}：超过 max_bytes_per_night = {limit}",
                )
            )

    def _finish(
        self, source: MappedSource, capture: Capture, day: date, sealed: Sequence["_Sealed"]
    ) -> DayReport:
        """Write the manifest of a day; from then on what it names counts."""
        count = capture.days[day]
        objects = [stored for one in sealed for stored in one.sealed.objects]
        _require_all_sealed(source, day, count.document(), objects)
        sums = _sums(source, capture, day, added(one.sealed.paid for one in sealed))
        manifest = None
        if objects or day not in self.catalog.days(source.source.name):
            rules = self.archive.rules
            manifest = Manifest(
                archive=self.archive.id,
                number=self.catalog.next_number,
                previous=self.catalog.head,
                created_at=self.archive.clock.now(),
                source=source.source.name,
                day=day,
                timezone=rules.zone.key,
                mapping=source.mapping.label,
                mapping_digest=source.mapping.digest,
                lock=self.archive.lock.value,
                retention_years=rules.retention.years,
                retention_margin_days=rules.retention.margin.days,
                counts=count.document(),
                outcomes=dict(count.outcomes),
                reject_reasons=dict(count.reasons),
                sums=sums,
                objects=objects,
            )
            self.catalog.append(manifest)
            self.known.adopt(manifest.number, self.known.taken_back(one.known for one in sealed))
        return DayReport(
            manifest=manifest,
            day=day,
            source=source.source.name,
            counts=count.document().model_dump(),
            outcomes=dict(count.outcomes),
            reject_reasons=dict(count.reasons),
            sums=sums,
            objects=objects,
        )

    def _midnight(self, day: date, plus_days: int = 0) -> datetime:
        after = day + timedelta(days=plus_days)
        return datetime(after.year, after.month, after.day, tzinfo=self.archive.rules.zone)


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A sealed partition, and where its known entries wait for the manifest."""

    sealed: sealing.Sealed
    known: Path

    @classmethod
    def of(cls, future: Future[sealing.Sealed], known: Path) -> "_Sealed":
        return cls(future.result(), known)


def _require_sealed_since(source: str, since: date | None, first: date) -> None:
    """Refuse a `since` that was moved later: days would go missing and nobody would be told."""
    if since is not None and since > first:
        raise ConfigurationError(
            detail=Said(
                f"[archive] since = {since}, but source {source} is sealed from {first} on; "
                "it can be moved back only",
                f"[archive] since = {since}，但数据源 {source} 自 {first} 起已封存；只能向前移动",
            )
        )


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _groups(missing: Sequence[date], sizes: Mapping[date, int]) -> Iterator[list[date]]:
    """Cut missing days into runs of consecutive days that one pass can hold."""
    run: list[date] = []
    rows = 0
    for day in missing:
        size = sizes.get(day, 0)
        if run and (day - run[-1] > timedelta(days=1) or rows + size > ROWS_PER_PASS):
            yield run
            run, rows = [], 0
        run.append(day)
        rows += size
    if run:
        yield run


def _require_all_sealed(
    source: MappedSource, day: date, counts: Counts, objects: Sequence[SealedObject]
) -> None:
    """Compare what was decided with what was sealed, by number of rows.

    Raises:
        ReadBackError: They differ.
    """
    rows = Counter({"orders": 0, "rejects": 0})
    for stored in objects:
        rows[stored.kind] += stored.rows
    decided = counts.orders + counts.revisions, counts.rejects
    if (rows["orders"], rows["rejects"]) != decided:
        raise ReadBackError(
            key=f"{source.source.name} {day}",
            detail=Said("other numbers of rows were sealed", "封存的行数不符"),
        )


def _sums(source: MappedSource, capture: Capture, day: date, sealed: Paid) -> list[ChannelSum]:
    """Return a day's sums by channel, source against sealed.

    Raises:
        ReadBackError: They do not add up: something was lost or doubled on the way.
    """
    sums = []
    for key in sorted(key for key in {*capture.source_paid, *sealed} if key[0] == day):
        source_orders, source_amount = capture.source_paid.get(key, _NOTHING)
        known_orders, known_amount = capture.known_paid.get(key, _NOTHING)
        sealed_orders, sealed_amount = sealed.get(key, _NOTHING)
        if (source_orders, source_amount) != (
            known_orders + sealed_orders,
            known_amount + sealed_amount,
        ):
            raise ReadBackError(
                key=f"{source.source.name} {day} {key[1]}",
                detail=Said("sums of source and archive differ", "数据源与档案的合计不一致"),
            )
        sums.append(
            ChannelSum(
                channel=key[1],
                currency=key[2],
                source_orders=source_orders,
                source_amount=source_amount,
                sealed_orders=sealed_orders,
                sealed_amount=sealed_amount,
                known_orders=known_orders,
                known_amount=known_amount,
            )
        )
    return sums

"""A night: every closed day that is not sealed yet, of every source, oldest first.

Responsible for the order of things: a proof of the store's lock must be at hand; batches are
sealed, then the manifest that names them, then the local known orders, at last the ledger. A crash
between any two leaves nothing half visible, and running the night again finishes it. One source
that fails does not keep the others from being sealed, and no alarm of the ledger any source.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import numpy as np

from archiver import spans
from archiver.access_log import AccessLog
from archiver.access_log.parts import seal_access_log
from archiver.archive import Archive
from archiver.capture import MappedSource, Span
from archiver.catalog import Catalog
from archiver.census import told
from archiver.errors import (
    AnotherRunError,
    ArchiverError,
    Exit,
    LocalDiskError,
    RequestError,
    Said,
    StoreError,
    highest,
)
from archiver.known import KnownOrders
from archiver.ledger import Extension, extend_ledger
from archiver.lockproof import latest_proof, require_proof
from archiver.naming import DayReport, Namer
from archiver.passes import Sealer
from archiver.ports import Progress
from archiver.run_locks import Reservation
from archiver.sightings import Compared, Sightings, compare, sealed_lately
from archiver.sightings import told as told_of_sightings
from archiver.spreading import Circle, Spread, spread

LEAVE_IT: Final = (StoreError.code, LocalDiskError.code, AnotherRunError.code)
"""After these the ledger is left to the next run, or to the one that has overtaken this one."""
log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class NightReport:
    """What a night did, and what stopped it where something did."""

    days: list[DayReport] = field(default_factory=list)
    failures: list[ArchiverError] = field(default_factory=list)
    compared: dict[str, Compared] = field(default_factory=dict)
    """What became of what was sighted, by source; of those of which something was."""
    ledger: Extension | None = None
    """What became of the ledger; None where it could not be extended."""
    spread: Spread | None = None
    """Who holds its head; None where nobody was told."""

    def extend(
        self, archive: Archive, catalog: Catalog, sources: Iterable[str], progress: Progress | None
    ) -> None:
        """Take what was stored into the ledger; what was sealed stays sealed whatever comes."""
        if any(error.code in LEAVE_IT for error in self.failures):
            return
        try:
            # It is only read from here on: that takes no fence.
            chain = replace(catalog, fence=None)
            self.ledger = extend_ledger(archive, chain, sources, progress)
        except ArchiverError as error:
            log.error("ledger failed", extra={"code": error.code, "reason": str(error)})  # noqa: TRY400  as below
            self.failures.append(error)

    def tell(self, archive: Archive, circle: Callable[[], Circle]) -> None:
        """Tell witnesses and authorities the ledger's head; no order waits for them."""
        if self.ledger is None:
            return
        try:
            self.spread = spread(archive, self.ledger.ledger, circle())
        except ArchiverError as error:
            log.error("witnesses were not told", extra={"code": error.code, "reason": str(error)})  # noqa: TRY400  as below
            self.failures.append(error)
        else:
            self.failures += self.spread.failures

    def take(self, source: str, days: Iterable[DayReport]) -> bool:
        """Add the days of a source as they are sealed, and what stops it.

        Returns:
            Whether other sources may go on.
        """
        try:
            for day in days:
                self.days.append(day)
        except ArchiverError as error:
            self.failures.append(error)
            about = {"source": source, "code": error.code, "reason": str(error)}
            log.error("source failed", extra=about)  # noqa: TRY400  a traceback may quote rows
            # The store or the clock lies, or the chain has moved on: another source would meet
            # the same.
            return error.exit is not Exit.ALARM and not isinstance(error, AnotherRunError)
        return True

    @property
    def exit(self) -> Exit:
        """The exit code: the highest alarm wins."""
        rejects = any(day.counts.get("rejects") for day in self.days)
        exits = [failure.exit for failure in self.failures]
        return highest([*exits, Exit.REJECTS] if rejects else exits)


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
    access: AccessLog | None = None
    """Of the state that this host uses; None where nobody has ever asked anything."""
    reservation: Reservation | None = None
    """The days of a backfill that is at work just now."""
    circle: Callable[[], Circle] = Circle
    """Who is told of the ledger's head; opened last, for no mistake in it may keep days open."""
    _sealer: Sealer = field(init=False)
    _namer: Namer = field(init=False)
    _alarms: list[ArchiverError] = field(default_factory=list)
    """What must be told and has stopped nothing."""
    _compared: dict[str, Compared] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set out the two steps of every pass."""
        self._sealer = Sealer(
            archive=self.archive,
            known=self.known,
            executor=self.executor,
            in_flight=self.in_flight,
            progress=self.progress,
        )
        self._namer = Namer(self.archive, self.catalog, self.known)

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
            NoFenceError: Neither the store nor a database keeps two runs apart.
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
        report.failures += standing_alarms(self.archive, self.catalog)
        report.failures += self.catalog.gone({source.source.name for source in self.sources})
        for source in self.sources:
            if not report.take(source.source.name, self._seal_source(source, as_of or last)):
                break
        report.compared = self._compared
        report.failures += self._seal_access()
        names = [source.source.name for source in self.sources]
        report.extend(self.archive, self.catalog, names, self.progress)
        report.tell(self.archive, self.circle)
        report.failures += self._alarms
        report.failures += self.archive.alarms
        log.info("night finished", extra={"exit": int(report.exit), "days": len(report.days)})
        return report

    def _seal_access(self) -> Iterator[ArchiverError]:
        """Seal what was asked since the last night; orders are sealed whatever becomes of it."""
        try:
            if self.access is not None:
                seal_access_log(self.archive, self.access)
        except ArchiverError as error:
            log.error("access log failed", extra={"code": error.code})  # noqa: TRY400  as above
            yield error

    # --- one source ----------------------------------------------------------------------------

    def _seal_source(self, source: MappedSource, last: date) -> Iterator[DayReport]:
        self.catalog.require_in_use(source.source.name)
        sealed = self.catalog.days(source.source.name)
        reserved = self.reservation.days_of(source.source.name) if self.reservation else ()
        for span in spans.plan_night(source.source, self.archive.rules, sealed, last, reserved):
            yield from self._seal_span(source, span)
        self._compare(source)

    def _compare(self, source: MappedSource) -> None:
        """Compare what was sighted with what is sealed now."""
        name, now = source.source.name, self.archive.clock.now()
        days = sealed_lately(self.catalog, name, self.archive.rules, now)
        if not days:
            return
        compared = compare(self.archive, source, self.known, days)
        Sightings(self.archive).forget(name, min(days))
        about = {"source": name, "sealed": compared.sealed, "progressed": compared.progressed}
        found = {"waiting": compared.waiting, "findings": len(compared.findings)}
        log.info("sightings compared", extra=about | found)
        self._alarms += told_of_sightings(name, compared)
        if compared != Compared():
            self._compared[name] = compared

    def _seal_span(self, source: MappedSource, span: Span) -> Iterator[DayReport]:
        """Seal the days of one pass, then write their manifests, oldest first."""
        days = " … ".join(dict.fromkeys((str(span.days[0]), str(span.days[-1]))))
        about = {"source": source.source.name, "days": days, "rows_expected": span.expected}
        log.info("pass over days", extra=about)
        self.progress.start(f"{source.source.name} {days}", span.expected)
        try:
            sealed = self._sealer.seal(source, span)
            self._alarms += told(
                source.source.name, span.days[-1], sealed.notes, self.archive.rules
            )
            self._alarms += sealed.failures
            for day in span.days:
                aside = (part.known for part in sealed.of(day) if part.known)
                entries = self.known.taken_back(aside)
                yield self._namer.name(source, sealed, day, entries)
            if span.newest and not sealed.failures:
                waiting = [np.zeros(0, np.uint64), *sealed.notes.deferred_heads]
                self.known.put_off(source.source.name, np.concatenate(waiting))
        finally:
            self.progress.finish()


def standing_alarms(archive: Archive, catalog: Catalog) -> Iterator[ArchiverError]:
    """Yield what is wrong before anything is sealed, and does not keep a run from sealing.

    Raises:
        LockNotProvenError: No recent proof shows that the store's lock holds.
        NoFenceError: Neither the store nor a database keeps two runs apart.
        SignerRevokedError: This host's signing key counts no longer.
    """
    archive.signing_keys()
    # They count, for they are whole; and somebody must lock them before somebody else deletes.
    yield from catalog.unlocked
    fenced = catalog.fence is not None
    if ageing := require_proof(archive, latest_proof(archive), fenced=fenced):
        yield ageing

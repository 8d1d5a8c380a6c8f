"""A pass over a source: what is new in its days is captured and sealed. Nothing counts yet.

Responsible for sealing batches while the next ones are being read, in bounded memory, and for
the limit on what a run may lock. Until manifests name what a pass has sealed, its objects are
orphans that nobody can read.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver import sealing
from archiver.allocation import return_the_rest
from archiver.archive import Archive
from archiver.batch import Batch, Paid, added
from archiver.capture import Capture, MappedSource, RepeatedIdsError, Span
from archiver.census import Census, take_census
from archiver.counting import DayCount, Notes
from archiver.errors import (
    AnotherRunError,
    ArchiverError,
    Exit,
    RetentionRefusedError,
    Said,
    SourceUnavailableError,
)
from archiver.known import KnownOrders
from archiver.ports import Progress
from archiver.recognition import Recogniser
from archiver.tokens import token_array

log: Final = logging.getLogger(__name__)
TRIES: Final = 3
"""Rows that change while they are read can repeat ids again; then the source must rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPart:
    """A sealed partition, and where its known entries wait for the manifest."""

    sealed: sealing.Sealed
    known: Path | None
    """None where they are fetched from the store when their time has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPass:
    """What became of the rows of a pass."""

    days: Mapping[date, DayCount]
    source_paid: Paid
    known_paid: Paid
    parts: Sequence[SealedPart]
    notes: Notes
    failures: Sequence[ArchiverError] = ()
    """What kept its census from being taken."""
    rejects: Sequence[Batch] = ()
    """Not sealed yet: several passes may meet the same ones."""
    bytes_sealed: int = 0
    """In memory."""
    alarms: Sequence[ArchiverError] = ()
    log: Sequence[logging.LogRecord] = ()
    """What a process elsewhere had to say."""

    def of(self, day: date) -> list[SealedPart]:
        """Return the parts of one of its days."""
        return [part for part in self.parts if part.sealed.day == day]


@dataclass(slots=True)
class Sealer:
    """Seals passes one after the other."""

    archive: Archive
    known: KnownOrders
    executor: Executor
    in_flight: int
    progress: Progress
    bytes_sealed: int = 0
    """In memory; of this run."""
    revisions_sealed: int = 0
    """Of this run."""
    alone: bool = True
    """False where other passes are made at the same time: rejects are left to who brings them
    together, and so are known entries."""

    def seal(self, source: MappedSource, span: Span) -> SealedPass:
        """Capture and seal the days of one pass, and what a census of the newest ones finds.

        A source that fails in its census does not keep its days from being sealed.

        Raises:
            ArchiverError: The source or the store failed. Nothing counts; calling again is safe.
        """
        before = self.bytes_sealed
        capture, under_way, rejects = self._captured(source, span)
        failures: list[ArchiverError] = []
        census, found = None, list[SealedPart]()
        try:
            if span.newest and self.archive.rules.census:
                with _noting(failures):  # while the last partitions are being sealed
                    census = self._taken(source, span, capture)
            parts = under_way.finished()
        finally:
            under_way.drop()
        if census is not None and len(census.keys):
            with _noting(failures):
                found = self._counted(source, span, capture, census)
        parts += found
        return SealedPass(
            days=capture.days,
            source_paid=capture.source_paid,
            known_paid=capture.known_paid,
            parts=parts,
            notes=capture.notes,
            failures=failures,
            rejects=rejects,
            bytes_sealed=self.bytes_sealed - before,
        )

    def _taken(self, source: MappedSource, span: Span, met: Capture) -> Census:
        """Take the census."""
        last = span.days[-1]
        census = take_census(self.archive, source, self.known, met, last)
        met.notes.vanished = census.vanished
        met.days[last].vanished = census.vanished.count
        about = {"source": source.source.name, "rows": census.read, "unknown": len(census.keys)}
        gone = {"gone": census.vanished.count, "gone_explained": census.vanished.explained}
        log.info("census taken", extra=about | gone)
        return census

    def _counted(
        self, source: MappedSource, span: Span, met: Capture, census: Census
    ) -> list[SealedPart]:
        """Seal what a census has found under the last day."""
        last = span.days[-1]
        found, under_way, _ = self._captured(source, replace(span, days=[last]), census)
        try:
            parts = under_way.finished()
        finally:
            under_way.drop()
        met.days[last].include(found.days[last])
        met.source_paid = added([met.source_paid, found.source_paid])
        met.known_paid = added([met.known_paid, found.known_paid])
        met.notes.include(found.notes)
        return parts

    def _captured(
        self, source: MappedSource, span: Span, census: Census | None = None
    ) -> "tuple[Capture, _UnderWay, list[Batch]]":
        """Capture, and begin to seal: what is captured last is still under way."""
        left = self.archive.rules.max_revisions_per_night - self.revisions_sealed
        apart = census.repeated if census else np.zeros(0, np.uint64)
        for _ in range(TRIES):
            capture = Capture(
                archive=self.archive,
                mapped=source,
                known=self.known,
                span=span,
                progress=self.progress,
                apart=apart,
                chosen=census.keys if census else None,
                revisions_left=max(0, left),
            )
            try:
                under_way, rejects = self._begun(capture.batches())
            except RepeatedIdsError as repeated:
                apart = np.union1d(apart, repeated.heads)
                continue
            self.revisions_sealed += capture.notes.revisions
            return capture, under_way, rejects
        raise SourceUnavailableError(
            source=source.source.name,
            detail=Said(
                "order ids keep repeating while they are read", "读取期间订单号不断重复出现"
            ),
        )

    def _begun(self, batches: Iterator[Batch | None]) -> "tuple[_UnderWay, list[Batch]]":
        """Seal batches while the next ones are being read; a few at a time, memory is finite.

        One page more is read while so many are sealed as may be, for it may be the last.
        """
        under_way = _UnderWay()
        left: list[Batch] = []
        fresh = False
        try:
            for batch in batches:
                if not fresh or batch is not None:
                    under_way.wait(self.in_flight)
                fresh = batch is not None
                if batch is None:
                    continue
                self._admit(batch)
                if batch.kind == "rejects" and not self.alone:
                    left.append(batch)
                    continue
                known = self.known.set_aside(batch.known) if self.alone else None
                future = self.executor.submit(sealing.seal, self.archive, batch)
                under_way.waiting.append((future, known))
                del batch
        except BaseException:
            under_way.drop()
            raise
        return under_way, left

    def _admit(self, batch: Batch) -> None:
        """Refuse a night that locks more bytes than was foreseen: it cannot be undone."""
        self.bytes_sealed += batch.rows.nbytes
        limit = self.archive.rules.max_bytes_per_night
        if self.bytes_sealed > limit:
            raise RetentionRefusedError(
                detail=Said(
                    f"{batch.source} {batch.day}: more than max_bytes_per_night = {limit}",
                    f"{batch.source} {batch.day}：超过 max_bytes_per_night = {limit}",
                )
            )


@dataclass(slots=True)
class _UnderWay:
    """Batches that are being sealed, oldest first, and the partitions that have been."""

    waiting: deque[tuple[Future[sealing.Sealed], Path | None]] = field(default_factory=deque)
    done: list[SealedPart] = field(default_factory=list)

    def wait(self, room: int) -> None:
        """Wait until fewer than so many are being sealed."""
        while len(self.waiting) >= room:
            future, known = self.waiting.popleft()
            self.done.append(SealedPart(sealed=future.result(), known=known))
            return_the_rest()

    def finished(self) -> list[SealedPart]:
        """Wait for all of them."""
        self.wait(1)
        return self.done

    def drop(self) -> None:
        """Do not begin what has not begun."""
        for future, _ in self.waiting:
            future.cancel()


@contextmanager
def _noting(failures: list[ArchiverError]) -> Iterator[None]:
    """Note a failure that keeps no days from being sealed; let the others pass.

    Raises:
        ArchiverError: The store or the clock lies, or another run has taken over.
    """
    try:
        yield
    except ArchiverError as error:
        if error.exit is Exit.ALARM or isinstance(error, AnotherRunError):
            raise
        failures.append(error)


def split_rejects(
    batch: Batch, known: KnownOrders, recogniser: Recogniser
) -> tuple[Batch | None, pa.Table]:
    """Divide rejects into those that are still to be sealed and those that are known by now.

    Returns:
        A batch of the former, None where there are none, and the rows of the latter.
    """
    tokens = pa.chunked_array([token_array(recogniser.rejects(batch.rows["row_key"]))])
    held = pa.array(known.holds(tokens, batch.rows["row_digest"]))
    before = batch.rows.filter(held)
    if not len(before):
        return batch, before
    if len(before) == len(batch.rows):
        return None, before
    fresh = pa.array(~known.holds(batch.known["token"], batch.known["digest"]))
    rows = batch.rows.filter(pc.invert(held)).combine_chunks()
    return replace(batch, rows=rows, known=batch.known.filter(fresh).combine_chunks()), before

"""The reading room of many: archive, keys, index and finder, open for as long as the service runs.

Responsible for what is shared (opened once) and what is not (who asks, and whether he still may,
is looked at on each question). A new index takes the place of the old one between questions; the
old one is closed when its last reader has left.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Self

from archiver.archive import Archive
from archiver.desk import Desk
from archiver.errors import ArchiverError
from archiver.index import Index
from archiver.judging import Judgement
from archiver.lookup.answering import Answering, Grounds
from archiver.lookup.finding import Finder
from archiver.lookup.scanning import Scanner
from archiver.operators import Session
from archiver.reading_room import (
    FETCHERS,
    Holdings,
    has_manifest,
    index_of_today,
    person_at,
    renew_decoys,
)
from archiver.wiring import Installation

SCAN_FOR: Final = timedelta(seconds=20)
"""A question without a number: a browser waits no longer."""
SCANNED_ROWS: Final = 20_000

log: Final = logging.getLogger(__name__)


class Unseen:
    """Progress that nobody looks at."""

    def start(self, label: str, total: int | None = None) -> None:
        """Show nothing."""

    def advance(self, units: int = 1) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


@dataclass(slots=True, kw_only=True)
class Shelf:
    """An opened index, and how many are reading in it."""

    index: Index
    finder: Finder
    stale: bool
    """The store has manifests that it lacks."""
    readers: int = 0
    retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where one question is asked."""

    answering: Answering
    finder: Finder
    archive: Archive
    unusual: Sequence[Judgement]
    """What the watch found unusual and let pass."""


@dataclass(slots=True, kw_only=True)
class Library:
    """What all questions share. Threads may use it; close it at the end."""

    installation: Installation
    holdings: Holdings
    _executor: ThreadPoolExecutor
    _shelf: Shelf
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Held for moments: who reads in which index."""
    _refreshing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def open(cls, installation: Installation) -> Self:
        """Open archive, base root and index; the index is brought up to date.

        Raises:
            KeyUnavailableError: The base root is not on this host.
            IndexUnusableError: The local index is damaged.
        """
        executor = ThreadPoolExecutor(FETCHERS, "lookup")
        try:
            holdings = Holdings.open(installation, executor)
            index, stale = index_of_today(installation, holdings.archive, Unseen())
        except BaseException:
            executor.shutdown()
            raise
        shelf = Shelf(index=index, finder=holdings.finder(index), stale=stale)
        return cls(installation=installation, holdings=holdings, _executor=executor, _shelf=shelf)

    @property
    def archive(self) -> Archive:
        """The archive."""
        return self.holdings.archive

    def refresh(self) -> None:
        """Take up what was sealed since; one does it at a time, and readers do not wait for it.

        Raises:
            ArchiverError: The store, the state or the disk did not let us; the old index answers.
        """
        with self._refreshing:
            old = self._shelf
            renew_decoys(self.installation, self.holdings.keys)
            if has_manifest(self.archive, old.index.covered().manifest + 1):
                index, stale = index_of_today(self.installation, self.archive, Unseen())
            else:
                index, stale = old.index.renewed(), False
            if index is old.index:
                old.stale = stale
                return
            new = Shelf(index=index, finder=self.holdings.finder(index), stale=stale)
            with self._turn:
                self._shelf, old.retired = new, True
                idle = not old.readers
            if idle:
                old.index.close()

    def keep_fresh(self, ended: threading.Event, seconds: float) -> None:
        """Refresh now and then, until it is over."""
        while not ended.wait(seconds):
            try:
                self.refresh()
            except ArchiverError as error:
                self._shelf.stale = True
                log.warning("index not refreshed", extra={"code": error.code})

    @contextmanager
    def reading(self) -> Iterator[Shelf]:
        """Read in the index of now, which stays open until the block is left."""
        with self._turn:
            shelf = self._shelf
            shelf.readers += 1
        try:
            yield shelf
        finally:
            with self._turn:
                shelf.readers -= 1
                last = shelf.retired and not shelf.readers
            if last:
                shelf.index.close()

    @contextmanager
    def seat(self, desk: Desk, session: Session, command: str, why: Grounds) -> Iterator[Seat]:
        """Take a seat for one question of an operator.

        Args:
            desk: As it is seen from where he is.
            session: His, found by this very request.
            command: What he is about to do, as in `archiver.policy.COMMANDS`.
            why: On which grounds.

        Raises:
            NotAllowedError: His role does not use the command; it is on record.
            BlockedError: He, or his place, has asked too much.
            SecondFactorNeededError: He has to show first that it is he.
        """
        desk.require_role(session, command, purpose=why.purpose, case=why.case)
        person = person_at(desk, session)
        unusual = desk.watch.require_clear(person, command)
        with self.reading() as shelf:
            scanner = self.scanner(shelf)
            answering = self.holdings.answering(desk, person, why, shelf.finder, scanner)
            answering.coverage = self.holdings.coverage(shelf.index, stale=shelf.stale)
            yield Seat(
                answering=answering, finder=shelf.finder, archive=self.archive, unusual=unusual
            )

    def scanner(self, shelf: Shelf) -> Scanner:
        """Return what answers questions without a number, for as long as a browser waits."""
        return Scanner(
            finder=shelf.finder, progress=Unseen(), patience=SCAN_FOR, most_rows=SCANNED_ROWS
        )

    def close(self) -> None:
        """Let go of everything."""
        self._shelf.index.close()
        self._executor.shutdown()

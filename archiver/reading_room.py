"""Where an operator asks for orders: session, index, base root and store, opened together.

Responsible for what a question needs and for letting go of it again. Opens the base root, never
the reveal root. Asks who it is before anything else is opened.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from archiver import layout
from archiver.archive import Archive
from archiver.desk import Desk
from archiver.errors import AnotherRunError, LocalDiskError
from archiver.index import Index, IndexKeys, PartitionPlace
from archiver.lookup.absence import coverage_of
from archiver.lookup.answering import Answering, Grounds, filters_of
from archiver.lookup.finding import Finder, FoundOrder
from archiver.lookup.opening import BaseKeys, Opener
from archiver.lookup.question import Question, digest
from archiver.lookup.scanning import Scanner
from archiver.operators import Session
from archiver.policy import Role
from archiver.ports import Progress
from archiver.retired import read_retirements
from archiver.watch import Judgement
from archiver.wiring import Installation
from schemas.documents import Manifest

FETCHERS: Final = 16
"""GETs at once: each waits for the store most of its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who asks, and from where by now: a session may have been begun elsewhere."""

    name: str
    role: Role
    origin: str
    confirmed_at: datetime


@dataclass(slots=True)
class Successors:
    """Which source continues which, read from the store when it is first asked."""

    archive: Archive
    _successor: dict[str, str] | None = None

    def last_of(self, source: str) -> str:
        """Return the source that continues this one in the end; itself, if none does."""
        if self._successor is None:
            retired = read_retirements(self.archive)
            self._successor = {name: one.successor for name, one in retired.items()}
        seen = {source}
        while (after := self._successor.get(source)) is not None and after not in seen:
            seen.add(after)
            source = after
        return source


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRoom:
    """Everything that a question needs."""

    archive: Archive
    desk: Desk
    session: Session
    keys: IndexKeys
    index: Index
    finder: Finder
    answering: Answering
    progress: Progress
    unusual: Sequence[Judgement]
    """What the watch found unusual and let pass."""

    def manifest(self, number: int) -> Manifest:
        """Return a manifest, verified; see `Archive.read_signed`."""
        return read_manifest(self.archive, number)

    def require_approval(self, kind: str, question: Question) -> None:
        """Take somebody else's approval for what support does with many orders at once.

        Raises:
            ApprovalNeededError: It waits; it was asked for now.
        """
        if self.session.role is not Role.SUPPORT:
            return
        tokens = [one.token if one else "" for one in self.finder.sought(question.facts)]
        asked = {"question": digest(question, tokens)}
        said = f"{kind} {', '.join(f'{k}={v}' for k, v in filters_of(question).items())}"
        approval = self.desk.approvals.require_granted(kind, asked, self.session, said=said)
        self.desk.approvals.consume(approval, self.session)

    def due(self, found: FoundOrder) -> datetime:
        """Return until when an order's partition is locked, as its manifest says."""
        return due_of(self.archive, found.hit.partition)


@contextmanager
def reading_room(
    installation: Installation, command: str, why: Grounds, progress: Progress
) -> Iterator[ReadingRoom]:
    """Open a room for whoever is logged in on this host.

    Args:
        installation: The configuration.
        command: What he is about to do, as in `archiver.policy.COMMANDS`.
        why: On which grounds.
        progress: Shows long scans.

    Raises:
        LoginNeededError: Nobody is logged in.
        NotAllowedError: His role does not use the command; it is on record.
        BlockedError: He, or his place, has asked too much.
        SecondFactorNeededError: He has to show first that it is he.
        IndexUnusableError: The local index is damaged.
        KeyUnavailableError: The base root is not on this host.
    """
    desk = Desk.at(installation)
    session = desk.require(command, purpose=why.purpose, case=why.case)
    person = Person(
        name=session.name,
        role=session.role,
        origin=desk.origin,
        confirmed_at=session.confirmed_at,
    )
    unusual = desk.watch.require_clear(person, command)
    archive = installation.archive()
    keys = IndexKeys.open(archive, installation.base_root(archive))
    index, lags = _index_of_today(installation, archive, progress)
    with ThreadPoolExecutor(FETCHERS, "lookup") as executor:
        covered = index.covered()
        finder = Finder(
            index=index,
            keys=keys.search,
            opener=Opener(archive, BaseKeys(archive, keys.base), executor),
            now=installation.clock.now,
            due=lambda place: due_of(archive, place),
            last_of=Successors(archive).last_of,
        )
        coverage = coverage_of(
            covered.days,
            manifest=covered.manifest,
            last_closed=archive.rules.last_closed_day(installation.clock.now()),
            stale=lags,
        )
        answering = Answering(
            asker=person,
            grounds=why,
            log=desk.access_log,
            finder=finder,
            scanner=Scanner(finder=finder, progress=progress),
            coverage=coverage,
            stepped=lambda tokens: desk.watch.stepped(person, tokens),
            zone=archive.rules.zone,
        )
        try:
            yield ReadingRoom(
                archive=archive,
                desk=desk,
                session=session,
                keys=keys,
                index=index,
                finder=finder,
                answering=answering,
                progress=progress,
                unusual=unusual,
            )
        finally:
            index.close()


def read_manifest(archive: Archive, number: int) -> Manifest:
    """Return a manifest by its number, its signature checked."""
    return archive.read_signed(layout.manifest_key(number), "manifest", Manifest).document


def due_of(archive: Archive, place: PartitionPlace) -> datetime:
    """Return when a partition may be destroyed, as its manifest says."""
    objects = read_manifest(archive, place.manifest).objects
    (stored,) = (one for one in objects if one.key == place.key)
    return stored.retain_until


def _index_of_today(
    installation: Installation, archive: Archive, progress: Progress
) -> tuple[Index, bool]:
    """Return this host's index, and whether it lags behind what is sealed.

    What nights have sealed since the last question is added first. Where that cannot be, because
    somebody else is adding it or the folder is not ours to write, the old index answers, and says
    what it covers.
    """
    there = installation.has_index
    if there:
        index = installation.index(archive)
        if not _has_manifest(archive, index.covered().manifest + 1):
            return index, False
        index.close()
    catalog = installation.catalog(archive)
    catalog.refresh()
    try:
        installation.index_builder(archive, progress).update(catalog.entries)
    except (AnotherRunError, LocalDiskError):
        if not there:
            raise
        return installation.index(archive), True
    return installation.index(archive), False


def _has_manifest(archive: Archive, number: int) -> bool:
    return any(True for _ in archive.store.list_versions(layout.manifest_key(number)))

"""Where an operator asks for orders: session, index, base root and store, opened together.

Responsible for what a question needs and for letting go of it again. Opens the base root, never
the reveal root. Asks who it is before anything else is opened.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from archiver import layout
from archiver.access_log import AccessRecord
from archiver.archive import Archive
from archiver.decoys import Decoys
from archiver.desk import Desk
from archiver.errors import AnotherRunError, LocalDiskError, StateUnavailableError
from archiver.index import Index, IndexKeys, PartitionPlace
from archiver.index.planted import Planted
from archiver.judging import Judgement
from archiver.lookup.absence import Coverage, coverage_of
from archiver.lookup.answering import Answering, Asker, Grounds, filters_of
from archiver.lookup.finding import Finder, FoundOrder
from archiver.lookup.opening import BaseKeys, Opener
from archiver.lookup.period import Period, period_of
from archiver.lookup.question import Question, digest
from archiver.lookup.scanning import Scanner
from archiver.operators import Session
from archiver.policy import Role
from archiver.ports import Progress
from archiver.retention import Rule
from archiver.retired import read_retirements
from archiver.wiring import SEARCH, Installation
from schemas.documents import Manifest

FETCHERS: Final = 16
"""GETs at once: each waits for the store most of its time."""

log: Final = logging.getLogger(__name__)


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
    sprung: Sequence[AccessRecord]
    """Records of questions here for a decoy: for compliance, never for whoever asked."""

    def require_approval(self, kind: str, question: Question) -> int | None:
        """Take somebody else's approval for what support does with many orders at once.

        Returns:
            The request's number; None for whoever needs none.

        Raises:
            ApprovalNeededError: It waits; it was asked for now.
        """
        if self.session.role is not Role.SUPPORT:
            return None
        tokens = [one.token if one else "" for one in self.finder.sought(question.facts)]
        asked = {"question": digest(question, tokens)}
        said = f"{kind} {', '.join(f'{k}={v}' for k, v in filters_of(question).items())}"
        approval = self.desk.approvals.require_granted(kind, asked, self.session, said=said)
        return self.desk.approvals.consume(approval, self.session).number


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What is the same for every question: the archive, its keys, and how its rows are fetched.

    Threads may share it: a service opens it once for all who ask.
    """

    archive: Archive
    keys: IndexKeys
    opener: Opener
    planted: Planted
    """The decoys that this host's index has."""
    sprung: Callable[[Asker, AccessRecord], None] = lambda _asker, _record: None
    """Told of each question for one of them."""

    @classmethod
    def open(cls, installation: Installation, executor: Executor) -> "Holdings":
        """Open the archive and the base root.

        Raises:
            KeyUnavailableError: The base root is not on this host.
        """
        archive = installation.archive()
        keys = IndexKeys.open(archive, installation.base_root(archive))
        opener = Opener(archive, BaseKeys(archive, keys.base), executor)
        planted = Planted(installation.index_folder / SEARCH, keys.search.token_key)
        renew_decoys(installation, keys)
        return cls(archive=archive, keys=keys, opener=opener, planted=planted)

    def finder(self, index: Index) -> Finder:
        """Return what finds orders by an index."""
        return Finder(
            index=index,
            keys=self.keys.search,
            opener=self.opener,
            now=self.archive.clock.now,
            due=lambda place: due_of(self.archive, place),
            last_of=Successors(self.archive).last_of,
        )

    def coverage(self, index: Index, *, stale: bool) -> Coverage:
        """Return what answers by an index rest on.

        Args:
            index: The local one.
            stale: The store has manifests that it lacks.
        """
        covered = index.covered()
        return coverage_of(
            covered.days,
            manifest=covered.manifest,
            last_closed=self.archive.rules.last_closed_day(self.archive.clock.now()),
            stale=stale,
        )

    def answering(
        self, desk: Desk, person: Person, why: Grounds, finder: Finder, scanner: Scanner
    ) -> Answering:
        """Return what answers one person at a desk; `coverage` is the index's, unless replaced."""
        return Answering(
            asker=person,
            grounds=why,
            log=desk.access_log,
            finder=finder,
            scanner=scanner,
            coverage=self.coverage(finder.index, stale=False),
            stepped=lambda tokens: desk.watch.stepped(person, tokens),
            zone=self.archive.rules.zone,
            decoyed=self.planted.among,
            sprung=self.sprung,
            guard=lambda before: desk.watch.require_still_clear(person, before),
            overtaken=lambda command: desk.watch.require_clear(person, command),
        )


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
    person = person_at(desk, session)
    unusual = desk.watch.require_clear(person, command)
    with ThreadPoolExecutor(FETCHERS, "lookup") as executor:
        sprung: list[AccessRecord] = []
        holdings = replace(
            Holdings.open(installation, executor), sprung=lambda _, record: sprung.append(record)
        )
        index, lags = index_of_today(installation, holdings.archive, progress)
        finder = holdings.finder(index)
        scanner = Scanner(finder=finder, progress=progress)
        answering = holdings.answering(desk, person, why, finder, scanner)
        answering.coverage = holdings.coverage(index, stale=lags)
        try:
            yield ReadingRoom(
                archive=holdings.archive,
                desk=desk,
                session=session,
                keys=holdings.keys,
                index=index,
                finder=finder,
                answering=answering,
                progress=progress,
                unusual=unusual,
                sprung=sprung,
            )
        finally:
            index.close()


def person_at(desk: Desk, session: Session) -> Person:
    """Return who asks at a desk."""
    return Person(
        name=session.name,
        role=session.role,
        origin=desk.origin,
        confirmed_at=session.confirmed_at,
    )


def read_manifest(archive: Archive, number: int) -> Manifest:
    """Return a manifest by its number, its signature checked."""
    return archive.read_signed(layout.manifest_key(number), "manifest", Manifest).document


def period_at(archive: Archive, found: FoundOrder) -> Period:
    """Return why an order is kept until when, by the rule that its manifest states."""
    manifest = read_manifest(archive, found.hit.partition.manifest)
    rule = Rule(
        years=manifest.retention_years, margin=timedelta(days=manifest.retention_margin_days)
    )
    return period_of(found.order, rule, due_of(archive, found.hit.partition))


def due_of(archive: Archive, place: PartitionPlace) -> datetime:
    """Return when a partition may be destroyed, as its manifest says."""
    objects = read_manifest(archive, place.manifest).objects
    (stored,) = (one for one in objects if one.key == place.key)
    return stored.retain_until


def index_of_today(
    installation: Installation, archive: Archive, progress: Progress
) -> tuple[Index, bool]:
    """Return this host's index, opened, and whether it lags behind what is sealed.

    What nights have sealed since the last question is added first. Where that cannot be, because
    somebody else is adding it or the folder is not ours to write, the old index answers, and says
    what it covers.
    """
    there = installation.has_index
    if there:
        index = installation.index(archive)
        if not has_manifest(archive, index.covered().manifest + 1):
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


def decoys_of(installation: Installation, keys: IndexKeys) -> Decoys:
    """Return the register of what only a thief asks for, as a lookup host reads it."""
    token_key = keys.search.token_key
    return Decoys(state=installation.state, clock=installation.clock, token_key=token_key)


def renew_decoys(installation: Installation, keys: IndexKeys) -> None:
    """Write the decoys that the state has into this host's index: behind each build of it, too.

    Where the state does not answer, those of before stand: without it nobody gets an answer.
    """
    if not installation.has_state():
        return  # nobody is here who could have planted one
    try:
        decoys_of(installation, keys).publish(installation.index_folder / SEARCH)
    except StateUnavailableError as error:
        log.warning("decoys not renewed", extra={"code": error.code})


def has_manifest(archive: Archive, number: int) -> bool:
    """Tell whether a manifest of this number was ever stored."""
    return any(True for _ in archive.store.list_versions(layout.manifest_key(number)))

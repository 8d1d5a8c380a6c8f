"""All witnesses and authorities at once, each in its own time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Protocol

from archiver.archive import Archive
from archiver.errors import ArchiverError, WitnessAheadError
from archiver.ledger import verifier_keys
from archiver.spreading import stamps as stamping
from archiver.spreading import tellings
from archiver.spreading.records import AuthorityRecord, WitnessRecord, read_record
from archiver.spreading.stamps import Stamps
from archiver.spreading.tellings import Holding, tell
from archiver.timestamps import Authority
from archiver.witnesses import Head, History, Witness


class Signed(Protocol):
    """A checkpoint as it lies in the store."""

    @property
    def note(self) -> bytes:
        """Its bytes."""


class Log(History, Protocol):
    """The archive's ledger, open: `ledger.Ledger`."""

    def refresh(self) -> None:
        """Take in what others have appended."""

    def checkpoint(self) -> Signed | None:
        """Return the latest checkpoint, None where there is none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Those who are told."""

    witnesses: Sequence[Witness] = ()
    authorities: Sequence[Authority] = ()


@dataclass(slots=True, kw_only=True)
class Spread:
    """What those who were told hold now, and what somebody must know."""

    size: int = 0
    """How many entries the ledger has."""
    holdings: list[Holding] = field(default_factory=list)
    stamps: list[Stamps] = field(default_factory=list)
    failures: list[ArchiverError] = field(default_factory=list)


def spread(archive: Archive, log: Log, circle: Circle) -> Spread:
    """Tell witnesses and authorities the ledger's latest checkpoint, and keep their answers.

    A second call tells again what was not confirmed, and finds out whether somebody knows another
    ledger by now.
    """
    head = _head(archive, log)
    if head is None or not (circle.witnesses or circle.authorities):
        return Spread(size=head.size if head else 0)
    now, history = archive.clock.now(), _OneAtATime(log)
    workers = len(circle.witnesses) + len(circle.authorities)
    with ThreadPoolExecutor(workers, "spread") as executor:
        told = [executor.submit(tell, archive, one, head, history, now) for one in circle.witnesses]
        stamped = [
            executor.submit(stamping.collect, archive, one, head, now) for one in circle.authorities
        ]
    found = Spread(size=head.size)
    for witness, telling in zip(circle.witnesses, told, strict=True):
        holding, failures = telling.result()
        if ahead := next((one for one in failures if isinstance(one, WitnessAheadError)), None):
            holding, failures = _again(archive, log, witness, holding, ahead)
        found.holdings.append(holding)
        found.failures += failures
    for collected in stamped:
        stamps, failures = collected.result()
        found.stamps.append(stamps)
        found.failures += failures
    return found


def remembered(archive: Archive, circle: Circle, size: int, now: datetime) -> Spread:
    """Return what this host knows of witnesses and authorities, without asking anybody.

    Args:
        archive: The archive.
        circle: Those who are told.
        size: How many entries the ledger has.
        now: The present time.
    """
    found = Spread(size=size)
    for witness in circle.witnesses:
        record = read_record(archive, WitnessRecord, witness.name, witness.place)
        holding = Holding.of(witness.name, record)
        alarm = record.trouble and record.trouble.alarm(witness.name, size)
        found.holdings.append(holding)
        found.failures += [alarm] if alarm else tellings.late(holding, size, now)
    for authority in circle.authorities:
        stamped = read_record(archive, AuthorityRecord, authority.name, authority.url)
        stamps = Stamps.of(authority.name, stamped)
        found.stamps.append(stamps)
        found.failures += stamping.late(stamps, now)
    return found


def _again(
    archive: Archive, log: Log, witness: Witness, holding: Holding, ahead: WitnessAheadError
) -> tuple[Holding, list[ArchiverError]]:
    """Look whether another run has told the witness what we did not know of yet."""
    try:
        log.refresh()
        head = _head(archive, log)
    except ArchiverError as error:
        return holding, [ahead, error]
    if head is None or head.size < int(str(ahead.params["held"])):
        return holding, [ahead]
    return tell(archive, witness, head, _OneAtATime(log), archive.clock.now())


def _head(archive: Archive, log: Log) -> Head | None:
    checkpoint = log.checkpoint()
    if checkpoint is None:
        return None
    return Head.open(checkpoint.note, verifier_keys(archive), where="checkpoint")


@dataclass(slots=True)
class _OneAtATime:
    """The ledger, asked by several threads."""

    log: Log
    _alone: Lock = field(default_factory=Lock)

    def consistency(self, old: int, new: int) -> Sequence[bytes]:
        """Return what shows that the tree continues."""
        if old in (0, new):
            return []  # nothing has to be shown, and nothing read
        with self._alone:
            return self.log.consistency(old, new)

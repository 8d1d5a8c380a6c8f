"""One witness is told a head, and what becomes of it is remembered."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from archiver import layout
from archiver.archive import Archive
from archiver.errors import (
    ArchiverError,
    ClockError,
    Exit,
    LockNotHonouredError,
    Said,
    TamperedError,
    WitnessAheadError,
    WitnessLateError,
    WitnessLostError,
)
from archiver.spreading.keeping import keep
from archiver.spreading.records import Trouble, WitnessRecord, change_record, read_record
from archiver.witnesses import Confirmed, Head, History, Witness, cosigned

LATE: Final = timedelta(days=1)
"""So long a witness or an authority may be down before anybody is told."""

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a witness holds, as far as this host knows."""

    witness: str
    size: int
    """How many entries its last confirmed checkpoint covers; 0: it has confirmed none."""
    confirmed_at: datetime | None = None
    behind_since: datetime | None = None
    """When it first failed after that; None if it holds all that it was told."""
    reason: Said | None = None

    @classmethod
    def of(cls, name: str, record: WitnessRecord) -> "Holding":
        """Return what a record says."""
        return cls(
            witness=name,
            size=record.size,
            confirmed_at=record.confirmed_at,
            behind_since=record.behind_since,
            reason=None if record.trouble is None else record.trouble.said,
        )


def tell(
    archive: Archive, witness: Witness, head: Head, history: History, now: datetime
) -> tuple[Holding, list[ArchiverError]]:
    """Tell a witness the head.

    Returns:
        What it holds now, and what must be told: nothing while it is behind for less than a day.
    """
    record = read_record(archive, WitnessRecord, witness.name, witness.place)
    failures: list[ArchiverError] = []
    trouble: ArchiverError | None = None
    confirmed: Confirmed | None = None
    try:
        confirmed = _confirmed(witness, head, history, record, now)
        if confirmed.knew < record.size:
            failures.append(
                WitnessLostError(witness=witness.name, confirmed=record.size, held=confirmed.knew)
            )
        if confirmed.lines is not None:
            foreign = keep(
                archive,
                partial(layout.cosignature_key, head.size, witness.name),
                confirmed.lines,
                lambda content, key: _is_signed(content, witness, head, key),
            )
            failures += [foreign] if foreign else []
    except ArchiverError as error:
        trouble = error
        about = {"witness": witness.name, "code": error.code, "reason": str(error)}
        log.warning("witness does not confirm", extra=about)
        # A second store that cannot lock, or has another time, says nothing about ours.
        theirs = confirmed is None and isinstance(error, LockNotHonouredError | ClockError)
        if error.exit is Exit.ALARM and not theirs:
            failures.append(error)

    def change(before: WitnessRecord) -> WitnessRecord:
        if trouble is None and confirmed is not None:
            return before.model_copy(
                update={
                    "size": max(before.size, head.size),
                    "confirmed_at": confirmed.at,
                    "behind_since": None,
                    "trouble": None,
                }
            )
        assert trouble is not None  # noqa: S101  one of the two
        since = before.behind_since or now
        return before.model_copy(update={"behind_since": since, "trouble": Trouble.of(trouble)})

    try:
        record = change_record(archive, WitnessRecord, witness.name, witness.place, change)
    except ArchiverError as error:
        failures.append(error)
    holding = Holding.of(witness.name, record)
    if not failures:
        failures += late(holding, head.size, now)
    return holding, failures


def late(holding: Holding, size: int, now: datetime) -> list[ArchiverError]:
    """Return the alarm of a witness that is behind for too long."""
    since = holding.behind_since
    if since is None or now - since < LATE:
        return []
    return [
        WitnessLateError(
            witness=holding.witness,
            since=f"{since:%Y-%m-%dT%H:%MZ}",
            held=holding.size,
            size=size,
            detail=holding.reason or "",
        )
    ]


def _confirmed(
    witness: Witness, head: Head, history: History, record: WitnessRecord, now: datetime
) -> Confirmed:
    if record.size > head.size:  # known without asking, and also while it is down
        raise WitnessAheadError(witness=witness.name, held=record.size, size=head.size)
    return witness.confirm(head, history, confirmed=record.size, now=now)


def _is_signed(content: bytes, witness: Witness, head: Head, where: str) -> bool:
    try:
        cosigned(content, witness.keys, head.checkpoint.text, where=where)
    except TamperedError:
        return False
    return True

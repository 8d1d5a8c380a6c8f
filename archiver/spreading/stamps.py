"""One authority stamps what waits for it, and what it has not stamped goes on waiting.

The newest checkpoint comes first: its stamp covers all entries before it. Older ones follow as
far as a run gets, so that each has one in the end.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from archiver import layout
from archiver.archive import Archive
from archiver.errors import (
    AnswerRefusedError,
    ArchiverError,
    Exit,
    Said,
    TimestampLateError,
)
from archiver.spreading.keeping import keep
from archiver.spreading.records import (
    AuthorityRecord,
    Trouble,
    Waiting,
    change_record,
    read_record,
)
from archiver.spreading.tellings import LATE
from archiver.timestamps import Authority, Token, stamp, verify_token
from archiver.witnesses import Head

A_RUN: Final = 20
"""Stamps that one run asks one authority for: some are counted, some are paid for."""
KEPT: Final = 1_000
"""Checkpoints that wait; of more, the oldest are dropped: later stamps cover their entries."""

AT_MOST: Final = timedelta(minutes=1)
"""After so long a run leaves the rest to the next one: sightings come every few minutes."""

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """What an authority has stamped, as far as this host knows."""

    authority: str
    size: int
    """How many entries the largest stamped checkpoint covers; 0: it has stamped none."""
    stamped_at: datetime | None = None
    """By the authority's clock."""
    waiting: int = 0
    behind_since: datetime | None = None
    reason: Said | None = None

    @classmethod
    def of(cls, name: str, record: AuthorityRecord) -> "Stamps":
        """Return what a record says."""
        return cls(
            authority=name,
            size=record.size,
            stamped_at=record.stamped_at,
            waiting=len(record.waiting),
            behind_since=record.waiting[0].since if record.waiting else None,
            reason=None if record.trouble is None else record.trouble.said,
        )


def collect(
    archive: Archive, authority: Authority, head: Head, now: datetime
) -> tuple[Stamps, list[ArchiverError]]:
    """Have an authority stamp the head and what waits.

    Returns:
        What it has stamped now, and what must be told: nothing while it is behind for less than
        a day.
    """
    name, failures = authority.name, list[ArchiverError]()
    try:
        record = change_record(
            archive, AuthorityRecord, name, authority.url, lambda it: _with(it, head, now)
        )
        for one in record.waiting[: -A_RUN - 1 : -1]:
            record, more = _stamped(archive, authority, one)
            failures += more
            if record.trouble is not None or archive.clock.now() - now > AT_MOST:
                break
    except ArchiverError as error:
        failures.append(error)
        record = read_record(archive, AuthorityRecord, name, authority.url)
    stamps = Stamps.of(name, record)
    return stamps, failures or late(stamps, now)


def late(stamps: Stamps, now: datetime) -> list[ArchiverError]:
    """Return the alarm of an authority that is behind for too long."""
    since = stamps.behind_since
    if since is None or now - since < LATE:
        return []
    return [
        TimestampLateError(
            authority=stamps.authority,
            since=f"{since:%Y-%m-%dT%H:%MZ}",
            waiting=stamps.waiting,
            detail=stamps.reason or "",
        )
    ]


def _with(record: AuthorityRecord, head: Head, now: datetime) -> AuthorityRecord:
    sizes = {one.size for one in record.waiting}
    if head.size <= record.size or head.size in sizes:
        return record
    one = Waiting(size=head.size, checkpoint=head.content.decode(), since=now)
    return record.model_copy(update={"waiting": (*record.waiting, one)[-KEPT:]})


def _stamped(
    archive: Archive, authority: Authority, one: Waiting
) -> tuple[AuthorityRecord, list[ArchiverError]]:
    """Have one checkpoint stamped, and take it from those that wait."""
    failures = list[ArchiverError]()
    trouble: ArchiverError | None = None
    token: Token | None = None
    try:
        token = stamp(authority, one.checkpoint.encode(), archive.clock)
        foreign = keep(
            archive,
            partial(layout.timestamp_key, one.size, authority.name),
            token.content,
            lambda content, key: _is_stamped(content, authority, one, key),
        )
        failures += [foreign] if foreign else []
    except ArchiverError as error:
        trouble = error
        about = {"authority": authority.name, "code": error.code, "reason": str(error)}
        log.warning("authority does not stamp", extra=about)
        if error.exit is Exit.ALARM:
            failures.append(error)

    def change(before: AuthorityRecord) -> AuthorityRecord:
        if trouble is not None or token is None:
            return before.model_copy(update={"trouble": trouble and Trouble.of(trouble)})
        larger = one.size > before.size
        return before.model_copy(
            update={
                "size": max(one.size, before.size),
                "stamped_at": token.at if larger else before.stamped_at,
                "waiting": tuple(each for each in before.waiting if each.size != one.size),
                "trouble": None,
            }
        )

    record = change_record(archive, AuthorityRecord, authority.name, authority.url, change)
    return record, failures


def _is_stamped(content: bytes, authority: Authority, one: Waiting, where: str) -> bool:
    try:
        verify_token(content, one.checkpoint.encode(), authority.trust, where)
    except AnswerRefusedError:
        return False
    return True

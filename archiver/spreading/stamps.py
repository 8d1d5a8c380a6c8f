"""One authority stamps what waits for it, and what it has not stamped goes on waiting.

The newest checkpoint comes first: its stamp covers all entries before it. Older ones follow as
far as a run gets, so that each has one in the end.
"""

import io
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from archiver import layout
from archiver.archive import Archive, versions_of
from archiver.errors import (
    AlreadyStoredError,
    AnswerRefusedError,
    ArchiverError,
    Exit,
    Said,
    TamperedError,
    TimestampLateError,
)
from archiver.spreading.records import (
    AuthorityRecord,
    Trouble,
    Waiting,
    change_record,
    read_record,
)
from archiver.spreading.tellings import LATE
from archiver.timestamps import Authority, stamp, verify_token
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
            record = _stamped(archive, authority, one)
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


def _stamped(archive: Archive, authority: Authority, one: Waiting) -> AuthorityRecord:
    """Have one checkpoint stamped, and take it from those that wait.

    Raises:
        TamperedError: Something else lies at the token's key.
    """
    content = one.checkpoint.encode()
    trouble: ArchiverError | None = None
    at: datetime | None = None
    try:
        token = stamp(authority, content, archive.clock)
        at = _kept(archive, authority, one, token.content) or token.at
    except ArchiverError as error:
        if error.exit is Exit.ALARM:
            raise
        trouble = error
        about = {"authority": authority.name, "code": error.code, "reason": str(error)}
        log.warning("authority does not stamp", extra=about)

    def change(before: AuthorityRecord) -> AuthorityRecord:
        if trouble is not None:
            return before.model_copy(update={"trouble": Trouble.of(trouble)})
        larger = one.size > before.size
        return before.model_copy(
            update={
                "size": max(one.size, before.size),
                "stamped_at": at if larger else before.stamped_at,
                "waiting": tuple(each for each in before.waiting if each.size != one.size),
                "trouble": None,
            }
        )

    return change_record(archive, AuthorityRecord, authority.name, authority.url, change)


def _kept(archive: Archive, authority: Authority, one: Waiting, token: bytes) -> datetime | None:
    """Store a token; return the time of the one that lay there already, if one did."""
    key = layout.timestamp_key(one.size, authority.name)
    try:
        archive.store.put(key, io.BytesIO(token), retain_until=archive.evidence_until())
    except AlreadyStoredError:
        for version in versions_of(archive.store, key):
            stored = archive.store.get(key, version.version_id)
            try:
                return verify_token(stored, one.checkpoint.encode(), authority.trust, key)
            except AnswerRefusedError:
                continue
        said = Said("this authority has not stamped it", "不是此机构的时间戳")
        raise TamperedError(key=key, detail=said) from None
    return None

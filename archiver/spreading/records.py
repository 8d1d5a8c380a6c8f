"""What this host remembers of witnesses and authorities: lost, it is asked and made again.

One small file for each, replaced whole. It says what was confirmed last, since when something is
owed, and why.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from archiver.archive import Archive
from archiver.errors import ArchiverError, Said, SplitViewError, WitnessAheadError
from archiver.local_files import alone, disk_errors, write_whole

FOLDER: Final = "witnesses"
_LOCK: Final = "records.lock"


class Trouble(BaseModel):
    """Why the last attempt failed, in both languages."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    code: str
    en: str
    zh: str
    held: int | None = None

    @classmethod
    def of(cls, error: ArchiverError) -> "Trouble":
        """Return what is remembered of an error."""
        detail = error.params.get("detail")
        en, zh = (error.text("en"), error.text("zh")) if detail is None else (detail, detail)
        if isinstance(detail, Said):
            en, zh = detail.en, detail.zh
        held = error.params.get("held")
        return cls(
            code=error.code, en=str(en), zh=str(zh), held=held if isinstance(held, int) else None
        )

    @property
    def said(self) -> Said:
        """The reason."""
        return Said(self.en, self.zh)

    def alarm(self, witness: str, size: int) -> ArchiverError | None:
        """Return the alarm that it was, None if it was none.

        Args:
            witness: Who knows something else.
            size: How many entries the ledger has now.
        """
        if self.code == WitnessAheadError.code and size < (self.held or 0):
            return WitnessAheadError(witness=witness, held=self.held, size=size)
        if self.code == SplitViewError.code:
            return SplitViewError(witness=witness, held=self.held, detail=self.said)
        return None


class WitnessRecord(BaseModel):
    """One witness."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    archive: str
    place: str
    size: int = 0
    """How many entries it has confirmed to this host; never less than before."""
    confirmed_at: datetime | None = None
    behind_since: datetime | None = None
    """When it first failed after it had last confirmed."""
    trouble: Trouble | None = None


class Waiting(BaseModel):
    """A checkpoint that an authority has not stamped."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    size: int
    checkpoint: str
    """The signed note."""
    since: datetime


class AuthorityRecord(BaseModel):
    """One authority."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    archive: str
    place: str
    size: int = 0
    """Of the largest checkpoint that it has stamped for this host."""
    stamped_at: datetime | None = None
    waiting: tuple[Waiting, ...] = ()
    """The outbox, oldest first."""
    trouble: Trouble | None = None


R = TypeVar("R", WitnessRecord, AuthorityRecord)


def read_record(archive: Archive, kind: type[R], name: str, place: str) -> R:
    """Return what this host remembers; a fresh record if nothing, or of another place."""
    fresh = kind(archive=archive.id, place=_digest(place))
    if archive.memory is None:
        return fresh
    try:
        found = kind.model_validate_json(_path(archive.memory, kind, name).read_bytes())
    except (OSError, ValidationError):
        return fresh
    return found if (found.archive, found.place) == (fresh.archive, fresh.place) else fresh


def change_record(
    archive: Archive, kind: type[R], name: str, place: str, change: Callable[[R], R]
) -> R:
    """Change what this host remembers, alone among its processes, and return it.

    Raises:
        LocalDiskError: It cannot be kept.
    """
    with _alone(archive.memory):
        before = read_record(archive, kind, name, place)
        after = change(before)
        if archive.memory is not None and after != before:
            content = after.model_dump_json(indent=1).encode()
            write_whole(_path(archive.memory, kind, name), content)
    return after


@contextmanager
def _alone(memory: Path | None) -> Iterator[None]:
    if memory is None:
        yield
        return
    with disk_errors(memory), alone(memory / FOLDER / _LOCK):
        yield


def _path(memory: Path, kind: type[BaseModel], name: str) -> Path:
    prefix = "witness" if kind is WitnessRecord else "authority"
    return memory / FOLDER / f"{prefix}-{name}.json"


def _digest(place: str) -> str:
    """Return what tells a place from another one, without naming it: an address may be secret."""
    return hashlib.sha256(place.encode()).hexdigest()

"""A data object on its way through a verification: what is to be checked, what was found. Pure."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from archiver import keyring, retention
from archiver.errors import KeyUnavailableError, Said
from archiver.keyring import KeyName, KeyPair
from archiver.ports import StoredObject
from archiver.retention import Rule
from schemas.documents import SealedObject

MARGIN: Final = timedelta(days=31)
"""A lock may be this much longer than promised, as sealing itself allows, before it is overlong."""
NEEDED: Final[Mapping[str, KeyName]] = {"orders": "base", "segments": "index"}
"""Which of a cohort's keys opens which objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What opens an object: nothing, where no root is at hand."""

    pairs: Mapping[KeyName, KeyPair] = field(default_factory=dict)
    """Of the object's cohort, opened."""
    token_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An object to check."""

    archive: str
    stored: SealedObject
    rule: Rule
    """By which its manifest counts retention."""
    of: SealedObject | None
    """The partition that it describes."""
    keys: Keys
    proven: bool
    """Its rows were compared before, and only its keys are to be opened."""
    locks: bool
    compliance: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with it; the code is one of `findings.KINDS`."""

    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of a task."""

    key: str
    version_id: str
    size_bytes: int
    """That were read."""
    opened: bool
    """Its rows were decrypted."""
    flaws: Sequence[Flaw]


def can_open(task: Task) -> bool:
    """Return whether the keys of its rows are at hand."""
    if task.stored.kind == "known":
        return task.keys.token_key is not None
    needed = NEEDED.get(task.stored.kind)
    return needed is not None and needed in task.keys.pairs


def kek_of(task: Task, name: KeyName) -> bytes:
    """Return the object's key, opened.

    Raises:
        KeyUnavailableError: It has none, or it was sealed to another cohort or object.
    """
    stored = task.stored
    if name not in stored.keys:
        detail = Said("it has none", "没有该密钥")
        raise KeyUnavailableError(key=keyring.KEYS[name], detail=detail)
    info = keyring.binding("kek", task.archive, name, stored.key)
    return task.keys.pairs[name].open(base64.b64decode(stored.keys[name]), info)


def of_dates(lock: StoredObject, least: datetime, most: datetime) -> Iterator[Flaw]:
    """Yield what is wrong with a version's lock.

    Args:
        lock: As it is now.
        least: The date that it must reach.
        most: The date that was promised at most.
    """
    until = day_of(lock.retain_until)
    if lock.retain_until < least:
        yield Flaw(code="lock-too-short", params={"until": until, "promised": day_of(least)})
    elif lock.retain_until > most + MARGIN:
        yield Flaw(code="lock-too-long", params={"until": until, "promised": day_of(most)})
    if lock.legal_hold:
        yield Flaw(code="hold-unexpected")


def day_of(instant: datetime) -> str:
    """Return the day on which a lock ends, as people say it."""
    return f"{instant.astimezone(retention.LEGAL_ZONE):%Y-%m-%d}"

"""One data object, read whole: is it what its manifest says, and does it open?

Responsible for the work that a verification spends its time on, in whatever process it runs:
HEAD and GET by version id, digest, footer, then decryption of all rows and their leaves where the
keys are at hand. Nothing here judges whom a fault concerns. Rows never leave this module.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from archiver import canonical, keyring, merkle, partition, retention, segments
from archiver.errors import (
    ArchiverError,
    KeyUnavailableError,
    LockNotHonouredError,
    ObjectMissingError,
    Said,
    TamperedError,
)
from archiver.keyring import KeyName, KeyPair
from archiver.known import LEAVES as KNOWN_LEAVES
from archiver.known import known_kek
from archiver.ports import ObjectStore, StoredObject
from archiver.retention import Rule
from schemas.documents import SealedObject
from schemas.orders import ORDER_V1, leaf_paths

MARGIN: Final = timedelta(days=31)
"""A lock may be this much longer than promised, as sealing itself allows, before it is overlong."""
THREADS: Final = 4
"""Objects that one worker fetches at once; most are small and wait for the store."""
READABLE: Final = [path for path, key in leaf_paths(ORDER_V1).items() if key == "base"]
"""Leaves of an order that open with the base key."""
_MAGIC: Final = 4
_PLAIN: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_TRAILER: Final = 8


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


@dataclass(frozen=True, slots=True)
class _Fetched:
    task: Task
    lock: "StoredObject | Flaw | None"
    content: "bytes | Flaw"


def check(store: ObjectStore, tasks: Sequence[Task]) -> list[Checked]:
    """Check some objects, fetching the next ones meanwhile.

    Raises:
        StoreError: The store did not answer.
    """
    done = []
    with ThreadPoolExecutor(THREADS, "fetch") as threads:
        for fetched in threads.map(lambda task: _fetch(store, task), tasks):
            done.append(_checked(fetched))
            del fetched
    return done


def _fetch(store: ObjectStore, task: Task) -> _Fetched:
    stored = task.stored
    lock: StoredObject | Flaw | None = None
    try:
        if task.locks:
            lock = _lock(store, stored)
        content: bytes | Flaw = store.get(stored.key, stored.version_id)
    except ObjectMissingError:
        content = Flaw(code="object-missing")
    return _Fetched(task, lock, content)


def _lock(store: ObjectStore, stored: SealedObject) -> StoredObject | Flaw:
    try:
        return store.head(stored.key, stored.version_id)
    except LockNotHonouredError as error:
        return Flaw(code="lock-mode", params={"detail": error.params["detail"]})


def _checked(fetched: _Fetched) -> Checked:
    task, stored = fetched.task, fetched.task.stored
    flaws = list(_of_lock(fetched))
    opened = False
    size = 0
    if isinstance(fetched.content, Flaw):
        flaws.append(fetched.content)
    else:
        size = len(fetched.content)
        if flaw := of_bytes(stored, fetched.content):
            flaws.append(flaw)
        else:
            try:
                flaws += _OPENERS[stored.kind](task, fetched.content)
                opened = _can_open(task)
            except (TamperedError, KeyUnavailableError) as error:
                flaws.append(Flaw(code="not-decrypting", params={"detail": _said(error)}))
    return Checked(
        key=stored.key,
        version_id=stored.version_id,
        size_bytes=size,
        opened=opened,
        flaws=flaws,
    )


def _of_lock(fetched: _Fetched) -> Iterator[Flaw]:
    lock, stored = fetched.lock, fetched.task.stored
    if lock is None:
        return
    if isinstance(lock, Flaw):
        if fetched.task.compliance:
            yield lock
        return
    yield from of_dates(lock, stored.retain_until, stored.retain_until)


def of_dates(lock: StoredObject, least: datetime, most: datetime) -> Iterator[Flaw]:
    """Yield what is wrong with a version's lock.

    Args:
        lock: As it is now.
        least: The date that it must reach.
        most: The date that was promised at most.
    """
    until = _day(lock.retain_until)
    if lock.retain_until < least:
        yield Flaw(code="lock-too-short", params={"until": until, "promised": _day(least)})
    elif lock.retain_until > most + MARGIN:
        yield Flaw(code="lock-too-long", params={"until": until, "promised": _day(most)})
    if lock.legal_hold:
        yield Flaw(code="hold-unexpected")


def of_bytes(stored: SealedObject, content: bytes) -> Flaw | None:
    """Return what is wrong with an object's bytes, None if they are those that were signed."""
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 == stored.sha256:
        view = memoryview(content)
        length = stored.footer.length
        if hashlib.sha256(view[-length:]).hexdigest() != stored.footer.sha256:
            return Flaw(code="footer-altered")  # the manifest contradicts itself
        return None
    head, tail = content[:_MAGIC], content[-_MAGIC:]
    if _PLAIN in (head, tail):
        return Flaw(code="plaintext")
    if (head, tail) != (_ENCRYPTED, _ENCRYPTED):
        return Flaw(code="foreign-file", params={"sha256": sha256})
    length = int.from_bytes(content[-_TRAILER:-_MAGIC], "little") + _TRAILER
    footer = hashlib.sha256(content[-length:]).hexdigest()
    return Flaw(code="altered", params={"sha256": sha256, "footer": footer})


# --- by kind ------------------------------------------------------------------------------------


def _of_orders(task: Task, content: bytes) -> Iterator[Flaw]:
    if not _can_open(task):
        return
    stored = task.stored
    kek = _kek(task, "base")
    file = partition.open_file(
        content, {"base": kek}, footer_sha256=stored.footer.sha256, where=stored.key
    )
    if task.proven:
        return
    leaves: list[bytes] = []
    latest: datetime | None = None
    for rows in partition.read_row_groups(file, READABLE, stored.key):
        leaves += canonical.order_leaves(rows, kek, first_row=len(leaves))
        ends = pc.max(pc.coalesce(rows["completed_at"], rows["first_seen_at"])).as_py()
        if ends is not None:
            latest = ends if latest is None else max(latest, ends)
    if len(leaves) != stored.rows:
        yield Flaw(code="rows-differ", params={"found": len(leaves), "expected": stored.rows})
    if merkle.tree_hash(leaves).hex() != stored.merkle_root:
        yield Flaw(code="leaves-differ")
    if latest is not None:
        yield from _of_promise(stored, retention.retain_until(latest.astimezone(UTC), task.rule))


def _of_promise(stored: SealedObject, due: datetime) -> Iterator[Flaw]:
    params = {"until": _day(due), "promised": _day(stored.retain_until)}
    if stored.retain_until < due:
        yield Flaw(code="promise-too-short", params=params)
    elif stored.retain_until > due + MARGIN:
        yield Flaw(code="promise-too-long", params=params)


def _of_segment(task: Task, content: bytes) -> Iterator[Flaw]:
    if not _can_open(task):
        return
    kek = _kek(task, "index")
    if task.proven:
        stored = task.stored
        partition.open_file(
            content, {"index": kek}, footer_sha256=stored.footer.sha256, where=stored.key
        )
        return
    described, rows = segments.read_segment(content, kek, task.stored)
    yield from _of_rows(task.stored, rows)
    if task.of is not None and (
        described.orders,
        described.version_id,
        described.size_bytes,
        described.footer.sha256,
    ) != (task.of.key, task.of.version_id, task.of.size_bytes, task.of.footer.sha256):
        yield Flaw(code="segment-differs")


def _of_known(task: Task, content: bytes) -> Iterator[Flaw]:
    if task.keys.token_key is None:
        return
    stored = task.stored
    keks = {"known": known_kek(task.keys.token_key, stored.key)}
    file = partition.open_file(content, keks, footer_sha256=stored.footer.sha256, where=stored.key)
    if not task.proven:
        yield from _of_rows(stored, partition.read_rows(file, KNOWN_LEAVES, stored.key))


def _of_rejects(_task: Task, _content: bytes) -> Iterator[Flaw]:
    """Yield nothing: all of a reject is under the reveal key, which no custody check holds."""
    return iter(())


_OPENERS: Final = {
    "orders": _of_orders,
    "segments": _of_segment,
    "known": _of_known,
    "rejects": _of_rejects,
}
NEEDED: Final[Mapping[str, KeyName]] = {"orders": "base", "segments": "index"}
"""Which of a cohort's keys opens which objects."""


def _can_open(task: Task) -> bool:
    if task.stored.kind == "known":
        return task.keys.token_key is not None
    needed = NEEDED.get(task.stored.kind)
    return needed is not None and needed in task.keys.pairs


def _of_rows(stored: SealedObject, rows: pa.Table) -> Iterator[Flaw]:
    if len(rows) != stored.rows:
        yield Flaw(code="rows-differ", params={"found": len(rows), "expected": stored.rows})


def _kek(task: Task, name: KeyName) -> bytes:
    """Return the object's key; see `keyring.open_kek`."""
    stored = task.stored
    if name not in stored.keys:
        detail = Said("it has none", "没有该密钥")
        raise KeyUnavailableError(key=keyring.KEYS[name], detail=detail)
    info = keyring.binding("kek", task.archive, name, stored.key)
    return task.keys.pairs[name].open(base64.b64decode(stored.keys[name]), info)


def _said(error: ArchiverError) -> Said:
    return Said(error.text("en"), error.text("zh"))


def _day(instant: datetime) -> str:
    return f"{instant.astimezone(retention.LEGAL_ZONE):%Y-%m-%d}"

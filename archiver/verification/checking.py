"""Objects checked one after the other, in whatever process: lock, digest, footer, and their rows.

Responsible for the work that a verification spends its time on: HEAD and GET by version id while
the object before is looked at. Nothing here judges whom a fault concerns.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from archiver.errors import (
    ArchiverError,
    KeyUnavailableError,
    LockNotHonouredError,
    ObjectMissingError,
    Said,
    TamperedError,
)
from archiver.ports import ObjectStore, StoredObject
from archiver.verification.objects import (
    NEEDED,
    Checked,
    Flaw,
    Task,
    can_open,
    kek_of,
    of_dates,
)
from schemas.documents import SealedObject

THREADS: Final = 4
"""Objects that one worker fetches at once; most are small and wait for the store."""
_MAGIC: Final = 4
_PLAIN: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_TRAILER: Final = 8


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
                flaws += _of_rows(task, fetched.content)
                opened = can_open(task)
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


def _of_rows(task: Task, content: bytes) -> Iterator[Flaw]:
    if not can_open(task):
        return
    if task.proven:
        # The same bytes under the same sealed keys have been opened and compared before.
        if (name := NEEDED.get(task.stored.kind)) is not None:
            kek_of(task, name)
        return
    # Not above: pyarrow takes as long to import as a few hundred megabytes to hash.
    from archiver.verification.opening import of_rows  # noqa: PLC0415

    yield from of_rows(task, content)


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


def _said(error: ArchiverError) -> Said:
    return Said(error.text("en"), error.text("zh"))

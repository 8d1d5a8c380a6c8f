"""Stores whose lock gives way to one attack each, and credentials that may not do much."""

# ruff: noqa: D102  `LockProver` says what each method does.

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

from archiver.errors import LockNotHonouredError
from archiver.ports import (
    Answer,
    BucketRules,
    DefaultRetention,
    LockProver,
    ObjectStore,
    Retention,
    StoredObject,
)
from archiver.stores.memory import MemoryStore
from archiver.stores.memory_attacks import MemoryAttacks

ACCEPTED: Final = Answer(accepted=True)
DENIED: Final = Answer(accepted=False, code="AccessDenied", denied=True)
UNKNOWN: Final = Answer(accepted=False, code="NotImplemented")


def prover_of(store: ObjectStore) -> tuple[ObjectStore, LockProver | None]:
    """Return the store inside whatever a test has put around it, and attacks on it."""
    while (inner := getattr(store, "store", None)) is not None:
        store = inner
    if isinstance(store, MemoryStore):
        return store, MemoryAttacks(store)
    bucket = getattr(store, "_bucket", None)
    if bucket is None:
        return store, None
    from archiver.stores.s3_attacks import S3Attacks

    return store, S3Attacks(bucket)


class WeakLock(MemoryAttacks):
    """A server whose lock gives way to the attacks named in `gives_way`."""

    def __init__(self, store: MemoryStore, *gives_way: str) -> None:
        super().__init__(store)
        self.gives_way = gives_way

    def delete(self, key: str, version_id: str, *, bypass: bool) -> Answer:
        if not self._gives_way("delete", bypass=bypass):
            return super().delete(key, version_id, bypass=bypass)
        self.store.drop(key, version_id)
        return ACCEPTED

    def delete_many(self, key: str, version_id: str, *, bypass: bool) -> Answer:
        if not self._gives_way("delete-many", bypass=bypass):
            return super().delete(key, version_id, bypass=bypass)
        self.store.drop(key, version_id)
        return ACCEPTED

    def retain(self, key: str, version_id: str, lock: Retention | None, *, bypass: bool) -> Answer:
        version = self.store._find(key, version_id)
        if not self._gives_way(self._kind(lock, version.retain_until), bypass=bypass):
            return super().retain(key, version_id, lock, bypass=bypass)
        # What is under GOVERNANCE can be lifted: to this store it is not locked.
        version.retain_until = lock.until if lock and lock.mode == "COMPLIANCE" else None
        return ACCEPTED

    def put(self, key: str, content: bytes, lock: Retention | None) -> Answer:
        until = lock.until if lock else None
        if until is not None and until <= self.store.clock.now() and "past-date" in self.gives_way:
            return Answer(accepted=True, version_id=self.store.overwrite(key, content))
        if "overwrite" in self.gives_way:
            self._destroy(key)
        return super().put(key, content, lock)

    def put_in_parts(self, key: str, content: bytes, retain_until: datetime) -> Answer:
        if "multipart" in self.gives_way or "multipart-late" in self.gives_way:
            return self.put(key, content, None)
        return super().put_in_parts(key, content, retain_until)

    def hide(self, key: str) -> Answer:
        if "delete-marker" in self.gives_way:
            self._destroy(key)
        return super().hide(key)

    def _gives_way(self, attack: str, *, bypass: bool) -> bool:
        return (f"{attack}-bypass" if bypass else attack) in self.gives_way

    def _kind(self, lock: Retention | None, until: datetime | None) -> str:
        if lock is None:
            return "clear"
        if lock.mode == "GOVERNANCE":
            return "downgrade"
        if lock.until <= self.store.clock.now():
            return "expire"
        return "shorten" if until is not None and lock.until < until else "prolong"

    def _destroy(self, key: str) -> None:
        for version in list(self.store.list_versions(key)):
            self.store.drop(key, version.version_id)


class NoRelocking(WeakLock):
    """It drops the lock of multipart uploads, and PutObjectRetention is not offered."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store, "multipart")

    def retain(self, key: str, version_id: str, lock: Retention | None, *, bypass: bool) -> Answer:  # noqa: ARG002
        return UNKNOWN


class DeletesMultipart(MemoryAttacks):
    """What was written in parts can be deleted, lock or not."""

    def put_in_parts(self, key: str, content: bytes, retain_until: datetime) -> Answer:
        answer = super().put_in_parts(key, content, retain_until)
        self.in_parts = key
        return answer

    def delete(self, key: str, version_id: str, *, bypass: bool) -> Answer:
        if key == getattr(self, "in_parts", None):
            self.store.drop(key, version_id)
            return ACCEPTED
        return super().delete(key, version_id, bypass=bypass)


class Refusing(WeakLock):
    """Some requests are always refused, locked or not."""

    def __init__(
        self, store: MemoryStore, answer: Answer, *methods: str, gives_way: Sequence[str] = ()
    ) -> None:
        super().__init__(store, *gives_way)
        for method in methods:
            setattr(self, method, self._always(answer))

    @staticmethod
    def _always(answer: Answer) -> Callable[..., Answer]:
        return lambda *_args, **_kwargs: answer


class Pretending(MemoryAttacks):
    """It says yes to every deletion and every lock, and does nothing."""

    def delete(self, key: str, version_id: str, *, bypass: bool) -> Answer:  # noqa: ARG002
        return ACCEPTED

    def retain(self, key: str, version_id: str, lock: Retention | None, *, bypass: bool) -> Answer:  # noqa: ARG002
        return ACCEPTED


class LocksOnly(MemoryAttacks):
    """A bucket policy denies what is put without a lock."""

    def put(self, key: str, content: bytes, lock: Retention | None) -> Answer:
        return super().put(key, content, lock) if lock else DENIED


class LockingByDefault(MemoryAttacks):
    """A bucket that locks for ten years what is put without a lock."""

    days = 3650

    def put(self, key: str, content: bytes, lock: Retention | None) -> Answer:
        assert lock is not None, "it would be there for ten years"
        return super().put(key, content, lock)

    def rules(self) -> BucketRules:
        lock = DefaultRetention(mode="COMPLIANCE", days=self.days)
        return BucketRules(versioning=True, default_retention=lock)


@dataclass(slots=True, kw_only=True)
class DropsLocks(MemoryStore):
    """A store that takes the bytes and drops the lock."""

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:  # noqa: ARG002
        body.seek(0)
        self.overwrite(key, body.read())
        raise LockNotHonouredError(key=key, detail="the mode is missing")


@dataclass(slots=True, kw_only=True)
class EveryoneWins(MemoryStore):
    """A store that ignores the condition of a PUT: versions pile up."""

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        if not key.startswith("proofs/canary/"):
            return MemoryStore.put(self, key, body, retain_until=retain_until)
        body.seek(0)
        version_id = self.overwrite(key, body.read(), retain_until=retain_until)
        return self.head(key, version_id)


class Heedless(MemoryStore):
    """The same for whatever is put: nothing in this store keeps two writers of a key apart."""

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        body.seek(0)
        version_id = self.overwrite(key, body.read(), retain_until=retain_until)
        return self.head(key, version_id)

"""Bad luck at numbered calls: of the store, of the local disk, of the clock; and sudden death.

A night's calls to the store and its system calls on local files are numbered as they come. At
the numbers that fate has drawn, something happens instead or besides.
"""

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final, TypeVar
from unittest.mock import patch

from archiver.errors import ArchiverError, LockNotHonouredError, StoreError
from archiver.ports import ObjectStore, StoredObject
from archiver.stores.memory import MemoryStore
from tests.clock import FrozenClock
from tests.faults import _Around

T = TypeVar("T")

KINDS: Final = (
    *("call refused", "reply lost", "died before a call", "died after a call"),
    *("bytes flipped", "lock dropped", "disk full", "disk broken", "clock stepped"),
)
ERRNO: Final = {"disk full": errno.ENOSPC, "disk broken": errno.EIO}
ON_DISK: Final = ("fsync", "replace", "mkdir", "unlink", "open")
"""Functions of `os` by which the night keeps local files."""
USUAL_CALLS: Final = 35
"""About as many calls has a night's first third; fate looks no further than a few times that."""


class DeathError(BaseException):
    """The process is gone: nobody may catch it, nothing is tidied up."""


@dataclass(slots=True)
class HostClock:
    """The host's clock, which may step away from the store's."""

    real: FrozenClock
    off: timedelta = timedelta(0)

    def now(self) -> datetime:
        """Return what the host believes."""
        return self.real.now() + self.off


@dataclass(slots=True)
class BadLuck:
    """What happens at which call of one night."""

    planned: Mapping[int, str]
    clock: HostClock
    step: timedelta
    """By how much the clock steps, where it does."""
    calls: int = 0
    happened: Counter[str] = field(default_factory=Counter)

    @classmethod
    def drawn(cls, chance: random.Random, clock: HostClock) -> "BadLuck":
        """Draw one to three strokes of it."""
        planned = {
            int(chance.expovariate(1 / USUAL_CALLS)): chance.choice(KINDS)
            for _ in range(chance.choice((1, 1, 1, 2, 3)))
        }
        seconds = chance.choice((1, 40, 400, 4_000, 40_000)) * chance.choice((-1, 1))
        return cls(planned, clock, timedelta(seconds=seconds))

    def store(self, store: MemoryStore) -> "UnluckyStore":
        """Return a store at whose calls it strikes."""
        return UnluckyStore(store, self)

    @contextmanager
    def on_disk(self) -> Iterator[None]:
        """Let it strike at the disk, too."""
        with ExitStack() as patches:
            for name in ON_DISK:
                real = getattr(os, name)
                patches.enter_context(patch.object(os, name, self._on_disk(real)))
            yield

    def next(self) -> str | None:
        """Return what strikes at the next call; the clock and death before a call strike here."""
        number, self.calls = self.calls, self.calls + 1
        kind = self.planned.get(number)
        if kind == "died before a call":
            self.happened[kind] += 1
            raise DeathError
        if kind == "clock stepped":
            self.happened[kind] += 1
            self.clock.off += self.step
            return None
        return kind

    def _on_disk(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            kind = self.next()
            if kind in ERRNO:
                self.happened[kind] += 1
                raise OSError(ERRNO[kind], os.strerror(ERRNO[kind]))
            answer = real(*args, **kwargs)
            if kind == "died after a call":
                self.happened[kind] += 1
                raise DeathError
            return answer

        return call


class UnluckyStore(_Around):
    """A store in memory that bad luck strikes."""

    def __init__(self, store: MemoryStore, luck: BadLuck) -> None:
        super().__init__(store)
        self.memory = store
        self.luck = luck

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        """Put, perhaps without the lock: the server takes the bytes and drops the header."""
        if self.luck.planned.get(self.luck.calls) != "lock dropped":
            return super().put(key, body, retain_until=retain_until)
        self.luck.calls += 1
        self.luck.happened["lock dropped"] += 1
        body.seek(0)
        if any(version.key == key for version in self.memory.list_versions(key)):
            raise StoreError(key=key, detail="told to fail")
        self.memory.overwrite(key, body.read())
        raise LockNotHonouredError(key=key, detail="the mode is missing")

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        kind = self.luck.next()
        if kind is None or kind in ERRNO or kind == "lock dropped":
            return act()
        if kind == "bytes flipped" and method != "get":
            return act()
        self.luck.happened[kind] += 1
        if kind == "call refused":
            raise StoreError(key=key, detail=f"{method} was told to fail")
        if kind == "bytes flipped":
            return flipped(act())
        with suppress(ArchiverError):
            act()
        if kind == "died after a call":
            raise DeathError
        raise StoreError(key=key, detail=f"the reply to {method} was lost")


def flipped(content: T) -> T:
    """Return bytes with one bit of their middle changed."""
    assert isinstance(content, bytes)
    changed = bytearray(content)
    if changed:
        changed[len(changed) // 2] ^= 1
    return type(content)(changed)


def inner(store: ObjectStore) -> MemoryStore:
    """Return a store in memory as what it is."""
    assert isinstance(store, MemoryStore)
    return store

"""Stores that fail on purpose, and stores that count, around any real one."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import BinaryIO, TypeVar

from archiver.errors import ArchiverError, StoreError
from archiver.ports import ObjectStore, StoredObject, StoreSettings, VersionEntry
from tests.tally import FAULT, tally

T = TypeVar("T")


class _Around:
    """Passes every call on to a store, through `_call`."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        raise NotImplementedError

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        return self._call("put", key, lambda: self.store.put(key, body, retain_until=retain_until))

    def put_over(
        self, key: str, body: BinaryIO, *, above: str, retain_until: datetime
    ) -> StoredObject:
        return self._call(
            "put_over",
            key,
            lambda: self.store.put_over(key, body, above=above, retain_until=retain_until),
        )

    def head(self, key: str, version_id: str) -> StoredObject:
        return self._call("head", key, lambda: self.store.head(key, version_id))

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        return self._call(
            "get", key, lambda: self.store.get(key, version_id, start=start, length=length)
        )

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        # Listed at once, so that the call itself fails and not some later `next`.
        return self._call(
            "list_versions", prefix, lambda: iter(list(self.store.list_versions(prefix)))
        )

    def delete_version(self, key: str, version_id: str) -> None:
        self._call("delete_version", key, lambda: self.store.delete_version(key, version_id))

    def settings(self) -> StoreSettings:
        return self._call("settings", "", self.store.settings)


class FaultyStore(_Around):
    """Fails at one call, numbered from 0 over all methods, with StoreError.

    With `lost_reply` the call is done and its answer, good or bad, is not heard; without, it
    is not done. `calls` counts what was asked, the failed call included.
    """

    def __init__(
        self, store: ObjectStore, *, fail_at: int | None = None, lost_reply: bool = False
    ) -> None:
        super().__init__(store)
        self.fail_at = fail_at
        self.lost_reply = lost_reply
        self.calls = 0
        self._mutex = threading.Lock()

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        with self._mutex:
            number, self.calls = self.calls, self.calls + 1
        if number != self.fail_at:
            return act()
        tally(FAULT, "reply lost" if self.lost_reply else "call refused")
        if self.lost_reply:
            with suppress(ArchiverError):
                act()
        raise StoreError(key=key, detail=f"{method} was told to fail")


class Count(_Around):
    """Counts calls by method, and puts by kind (a key's first part) as they are asked for."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.calls: Counter[str] = Counter()
        self.puts: Counter[str] = Counter()
        self._mutex = threading.Lock()

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        with self._mutex:
            self.calls[method] += 1
            if method == "put":
                self.puts[key.partition("/")[0]] += 1
        return act()

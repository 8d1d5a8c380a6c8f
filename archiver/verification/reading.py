"""Bytes of many small objects, a batch at a time, fetched by several threads.

What this host has kept of manifests stands in for those whose turn it is not, so that a night in
its third year does not fetch a thousand of them; what comes from there is verified all the same.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from archiver.bounded_get import document_bytes
from archiver.errors import ObjectMissingError
from archiver.ports import ObjectStore, VersionEntry

AT_ONCE: Final = 256
"""Documents of a batch; they are small."""
T = TypeVar("T")


@dataclass(slots=True)
class Reader:
    """Fetches versions."""

    store: ObjectStore
    threads: Executor
    kept: Path | None = None
    """Where this host keeps manifests (`catalog.Catalog.cache`)."""
    due: Callable[[str], bool] = field(default=lambda _key: True)
    """Whether it is a key's turn to be read from the store."""
    fetched_bytes: int = 0

    def get(self, version: VersionEntry) -> bytes:
        """Return a version's bytes; nothing where it is gone since it was listed."""
        try:
            content = document_bytes(self.store, version)
        except ObjectMissingError:
            return b""
        self.fetched_bytes += len(content)
        return content

    def manifest(self, number: int, version: VersionEntry) -> bytes:
        """Return a manifest's bytes, kept ones where it is not its turn."""
        if self.kept is not None and not self.due(version.key):
            name = hashlib.sha256(version.version_id.encode()).hexdigest()[:16]
            with suppress(OSError):
                return (self.kept / f"{number:08d}-{name}.json").read_bytes()
        return self.get(version)

    def each(self, items: Iterable[T], read: Callable[[T], bytes]) -> Iterator[tuple[T, bytes]]:
        """Yield each item with its bytes, in order; a batch is read at the same time."""
        rest = iter(items)
        while batch := list(islice(rest, AT_ONCE)):
            yield from zip(batch, self.threads.map(read, batch), strict=True)

    def all_of(self, versions: Sequence[VersionEntry]) -> dict[str, bytes]:
        """Return the bytes of a key's versions by version id."""
        return {version.version_id: self.get(version) for version in versions}

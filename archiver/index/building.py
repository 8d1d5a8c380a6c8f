"""Building the local index: manifests read, runs merged, the pointer replaced.

Responsible for the index being whole: what is published holds every partition of every
manifest up to the one that it names. A build that is ended goes on where its last run ended; two
builds at once are refused. Readers are never in the way: they keep the files that they have.
"""

import fcntl
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Final

import pyarrow as pa

from archiver import layout
from archiver.archive import Archive
from archiver.errors import (
    AnotherRunError,
    IndexUnusableError,
    LocalDiskError,
    Said,
    TamperedError,
)
from archiver.index.files import (
    Noted,
    TokenFile,
    TokenSource,
    UnusableError,
    files_of_segments,
    new_name,
    paths_of,
    read_arrow,
    read_rows,
    require_sound,
    write_segment,
)
from archiver.index.keys import IndexKeys
from archiver.index.places import PARTITIONS, Lacking
from archiver.index.pointer import Pointer, with_days
from archiver.index.reading import PartitionReader, Piece, Rows, Task, tasks_of
from archiver.index.runs import Runs
from archiver.local_files import disk_errors
from archiver.ports import Progress
from archiver.search_tokens import ALL_KINDS, Kind
from archiver.signed_documents import SignedDocument
from schemas.documents import Manifest

MAX_SEGMENTS: Final = 4
"""A lookup asks each of them, half a millisecond each."""
GROWTH: Final = 4
"""A segment is merged into a new one unless it is this many times larger: each token is written
a few times over the years, not every night."""
READERS: Final = 4
"""Segments fetched at once: each waits for the store most of its time."""
_RUNS: Final = "building"
_LOCK: Final = "build.lock"

Entry = SignedDocument[Manifest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build came to."""

    manifest: int
    """The last one that the index holds."""
    read: int
    """Manifests that were read now; 0 if the index was up to date."""
    tokens: int
    orders: int
    segments: int
    size_bytes: int
    lacking: Sequence[Lacking]
    """What cannot be found, because segments lack it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexBuilder:
    """Builds the index in a folder."""

    archive: Archive
    keys: IndexKeys
    folder: Path
    progress: Progress

    def update(self, entries: Sequence[Entry]) -> Built:
        """Add the manifests that the index lacks; all of them where there is none.

        Args:
            entries: The whole chain, verified.

        Raises:
            IndexUnusableError: The index is damaged and must be built anew.
            TamperedError: The store is not what was signed, or its chain is shorter or another
                than the one that this index was built from.
            AnotherRunError: Another build is at work.
        """
        with self._alone():
            return self._build(self._published(), entries, deep=False)

    def rebuild(self, entries: Sequence[Entry], *, deep: bool = False) -> Built:
        """Build the index from the store alone; the old one answers until the new one is there.

        Args:
            entries: The whole chain, verified.
            deep: Also complete segments that lack kinds, from the partitions themselves.
        """
        with self._alone():
            return self._build(self._empty(), entries, deep=deep)

    def _build(self, base: Pointer, entries: Sequence[Entry], *, deep: bool) -> Built:
        _require_same_chain(base.manifest, base.head, entries)
        self._sweep(base)
        new = entries[base.manifest :]
        if new or not base.segments:
            runs = self._runs(base, entries, deep=deep)
            self._read(runs, base, new, deep=deep)
            try:
                base = self._merge(base, runs, entries)
            except UnusableError as error:
                raise unusable(error) from None
            runs.clear()
        return self._built(base, len(new))

    def _runs(self, base: Pointer, entries: Sequence[Entry], *, deep: bool) -> Runs:
        about = {
            "archive": self.archive.id,
            "after": base.manifest,
            "deep": deep,
            "reveal": deep and self.keys.reveal is not None,
        }
        runs = Runs(folder=self.folder / _RUNS, about=about)
        runs.resume()
        _require_same_chain(runs.manifest, runs.head, entries)
        return runs

    def _read(self, runs: Runs, base: Pointer, new: Sequence[Entry], *, deep: bool) -> None:
        reader = PartitionReader(archive=self.archive, keys=self.keys, deep=deep)
        tasks = list(_tasks(new, base.next_place))
        self.progress.start("", len(tasks))
        self.progress.advance(runs.partitions)
        with ThreadPoolExecutor(READERS, "index") as executor:
            for (entry, _), piece in _ahead(executor, reader, tasks[runs.partitions :]):
                runs.add(piece, entry.document.number, entry.sha256)
                self.progress.advance()
        runs.flush()
        self.progress.finish()

    def _merge(self, base: Pointer, runs: Runs, entries: Sequence[Entry]) -> Pointer:
        """Write what is new, together with what is not much larger, and publish it."""
        new = entries[base.manifest :]
        pointer = Pointer(
            archive=self.archive.id,
            manifest=len(entries),
            head=entries[-1].sha256 if entries else None,
            days=with_days(base.days, ((e.document.source, e.document.day) for e in new)),
            # Nights without orders add no places, so they are no segment.
            segments=self._merged(base, runs) if runs.partitions else base.segments,
        )
        pointer.write(self.folder)
        self._sweep(pointer)
        return pointer

    def _merged(self, base: Pointer, runs: Runs) -> Sequence[Noted]:
        kept = list(base.segments)
        tokens, merged = runs.tokens, list[Noted]()
        while kept and (kept[-1].tokens < GROWTH * tokens or len(kept) >= MAX_SEGMENTS):
            merged.insert(0, kept.pop())
            tokens += merged[0].tokens
        with disk_errors(self.folder):
            sources: list[TokenSource] = [*map(self._token_file, merged), *runs.sources()]
            partitions = [PARTITIONS.empty_table()]
            partitions += [*map(self._records, merged), *runs.records()]
            noted = write_segment(
                self.folder,
                f"{runs.manifest:08d}-{new_name()}",
                sources,
                chain((self._rows(one) for one in merged), runs.rows()),
                pa.concat_tables(partitions),
                total=tokens,
                years=sorted({*runs.years, *(year for one in merged for year in one.years)}),
            )
        return [*kept, noted]

    def _records(self, noted: Noted) -> pa.Table:
        return read_arrow(paths_of(self.folder, noted.name)["partitions.arrow"])

    def _rows(self, noted: Noted) -> Rows:
        return read_rows(paths_of(self.folder, noted.name)["rows.raw"])

    def _token_file(self, noted: Noted) -> TokenFile:
        return TokenFile(paths_of(self.folder, noted.name)["tokens.duckdb"], noted.tables)

    def _published(self) -> Pointer:
        try:
            pointer = Pointer.read(self.folder)
            if pointer is None:
                return self._empty()
            if pointer.archive != self.archive.id:
                raise IndexUnusableError(
                    detail=Said("it is of another archive", "它属于另一个档案库")
                )
            for noted in pointer.segments:
                require_sound(self.folder, noted)
        except UnusableError as error:
            raise unusable(error) from None
        except OSError as error:
            raise unusable(error) from None
        return pointer

    def _empty(self) -> Pointer:
        return Pointer(archive=self.archive.id, manifest=0, head=None, days={}, segments=[])

    def _sweep(self, pointer: Pointer) -> None:
        """Remove segments that no pointer names: merged into another, or left by a crash.

        What is published stays, also while it is built anew.
        """
        try:
            published = Pointer.read(self.folder)
        except (UnusableError, OSError):
            published = None
        names = {
            one.name for one in [*pointer.segments, *(published.segments if published else ())]
        }
        with disk_errors(self.folder):
            for path in files_of_segments(self.folder):
                if path.name.partition(".")[0] not in names:
                    path.unlink(missing_ok=True)

    def _built(self, pointer: Pointer, read: int) -> Built:
        partitions = [self._records(one) for one in pointer.segments]
        sizes = (path["size"] for one in pointer.segments for path in one.files.values())
        return Built(
            manifest=pointer.manifest,
            read=read,
            tokens=sum(one.tokens for one in pointer.segments),
            orders=sum(one.rows for one in pointer.segments),
            segments=len(pointer.segments),
            size_bytes=sum(int(size) for size in sizes),
            lacking=lacking(partitions, ALL_KINDS),
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / _LOCK).open("ab")
        with file:
            try:
                with disk_errors(self.folder):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except LocalDiskError as error:
                if not isinstance(error.__cause__, BlockingIOError):
                    raise
                detail = Said("its local index is being built", "其本地索引正在构建")
                raise AnotherRunError(detail=detail) from None
            yield


def unusable(error: Exception) -> IndexUnusableError:
    """Return what to tell a person about files that are missing or not those that were written."""
    if isinstance(error, FileNotFoundError):
        name = Path(str(error.filename)).name
        return IndexUnusableError(detail=Said(f"{name} is missing", f"缺少 {name}"))
    if isinstance(error, OSError):
        return IndexUnusableError(detail=error.strerror or type(error).__name__)
    if isinstance(error, UnusableError):
        return IndexUnusableError(detail=str(error))
    # DuckDB's and Arrow's own words are long, and name files of this host.
    return IndexUnusableError(
        detail=Said(
            f"a file is damaged ({type(error).__name__})", f"文件已损坏（{type(error).__name__}）"
        )
    )


def lacking(partitions: Iterable[pa.Table], kinds: Iterable[Kind]) -> list[Lacking]:
    """Return which of these kinds some partitions lack, and their days."""
    days: dict[Kind, list[date]] = {kind: [] for kind in kinds}
    for table in partitions:
        have = table["kinds"].to_pylist()
        for held, day in zip(have, table["day"].to_pylist(), strict=True):
            for kind, found in days.items():
                if kind not in held:
                    found.append(day)
    return [
        Lacking(kind=kind, partitions=len(found), days=sorted(set(found)))
        for kind, found in days.items()
        if found
    ]


def _tasks(entries: Sequence[Entry], first: int) -> Iterator[tuple[Entry, Task]]:
    """Yield the partitions of manifests, the first one's first row at place `first`."""
    for entry in entries:
        for task in tasks_of(entry.document, first):
            yield entry, task
            first += task.orders.rows


def _ahead(
    executor: Executor, reader: PartitionReader, tasks: Sequence[tuple[Entry, Task]]
) -> Iterator[tuple[tuple[Entry, Task], Piece]]:
    """Yield the pieces in order, a few of them read ahead."""
    waiting: deque[Future[Piece]] = deque()
    for number, one in enumerate(tasks):
        while len(waiting) < 2 * READERS and number + len(waiting) < len(tasks):
            waiting.append(executor.submit(reader.read, tasks[number + len(waiting)][1]))
        yield one, waiting.popleft().result()


def _require_same_chain(number: int, head: str | None, entries: Sequence[Entry]) -> None:
    """Refuse a chain that is not the one that was read before, or its continuation."""
    if number > len(entries):
        raise TamperedError(
            key=layout.MANIFESTS,
            detail=Said(
                f"the store ends at {len(entries)}, this index has seen {number}: "
                "it was rolled back",
                f"存储止于第 {len(entries)} 号，而本索引已见过第 {number} 号：存储被回滚",
            ),
        )
    if number and entries[number - 1].sha256 != head:
        raise TamperedError(
            key=layout.manifest_key(number),
            detail=Said(
                "it is not the one that this index was built from", "与构建本索引时的不是同一份"
            ),
        )

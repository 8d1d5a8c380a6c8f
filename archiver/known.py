"""Known orders: what a night needs to tell new, changed and sealed orders apart.

Responsible for the local copy of the `known` objects that manifests name: sorted, immutable
Arrow files behind one pointer file. It holds keyed tokens and digests, no order ids and no
contents. It can be lost: whatever is missing is fetched from the store again, by the night
alone, with its token key.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver import partition
from archiver.allocation import return_the_rest, whole
from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.errors import Said, TamperedError
from archiver.local_files import disk_errors, make_durable, write_whole
from archiver.recognition import microseconds
from archiver.tokens import Bytes2D, ascending, derive_key, first_64_bits
from schemas.documents import Manifest, Retirement, SealedObject
from schemas.orders import KNOWN_V1, leaf_paths

MAX_FILE_ROWS: Final = 1_000_000
"""Files are merged up to this size, about 90 MB, so that merging stays in bounded memory."""
ADOPTED_AT_ONCE: Final = 500_000
"""Rows; each merge by itself moves everything that is younger than the largest file."""

LEAVES: Final = tuple(leaf_paths(KNOWN_V1))
_LAYOUT: Final = 2
"""Of the local files; a copy of another one is begun anew."""
_POINTER: Final = "current.json"
_ASIDE: Final = ".aside"
_WAITING: Final = ".waiting"
log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """For each asked token: what is known of it. Rows of unknown tokens mean nothing."""

    found: NDArray[np.bool_]
    digest: Bytes2D
    revision: NDArray[np.int32]
    completed_at: NDArray[np.int64]
    """Microseconds since 1970 UTC; the first sealed end time, 0 while the order is open."""
    first_seen_at: NDArray[np.int64]
    table: NDArray[np.int16]
    """Which of `KnownOrders.tables` has the entry …"""
    row: NDArray[np.int64]
    """… and where."""

    @classmethod
    def nothing(cls, rows: int) -> "Match":
        """Return the answer for tokens that nobody knows."""
        return cls(
            found=np.zeros(rows, np.bool_),
            digest=np.zeros((rows, 16), np.uint8),
            revision=np.zeros(rows, np.int32),
            completed_at=np.zeros(rows, np.int64),
            first_seen_at=np.zeros(rows, np.int64),
            table=np.zeros(rows, np.int16),
            row=np.zeros(rows, np.int64),
        )

    def put(self, rows: NDArray[np.int64], other: "Match", chosen: NDArray[np.bool_]) -> None:
        """Fill in at `rows` what `other`, which has one row for each of them, knows of `chosen`."""
        at = rows[chosen]
        for name in ("found", "digest", "revision", "completed_at", "first_seen_at"):
            getattr(self, name)[at] = getattr(other, name)[chosen]
        self.table[at], self.row[at] = other.table[chosen], other.row[chosen]


@dataclass(frozen=True, slots=True)
class Origin:
    """What a manifest says of all the entries that it names."""

    source: str = ""
    sealed_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @classmethod
    def of(cls, manifest: Manifest) -> "Origin":
        """Return the origin of what a manifest names."""
        return cls(manifest.source, manifest.created_at)


@dataclass(slots=True)
class KnownOrders:
    """The known orders up to manifest `through`."""

    archive: Archive
    folder: Path
    through: int = 0
    retired: Mapping[str, Retirement] = field(default_factory=dict)
    """Sources that another one continues, by name, as of the last catch-up."""
    _files: list["_File"] = field(default_factory=list)
    _sources: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, archive: Archive, folder: Path) -> "KnownOrders":
        """Open the local copy; a damaged or altered one is begun anew, and logged."""
        known = cls(archive, folder)
        if not (folder / _POINTER).exists():
            return known
        try:
            pointer = json.loads((folder / _POINTER).read_bytes())
            if pointer["archive"] != archive.id:
                raise _UnusableError("of another archive")
            if pointer.get("layout") != _LAYOUT:
                raise _UnusableError("of another layout")
            known._sources = [str(name) for name in pointer["sources"]]
            files = pointer["files"].items()
            known._files = [_File.open(folder / name, noted) for name, noted in files]
            known.through = int(pointer["through"])
        # ArrowInvalid is a ValueError; damaged JSON has any shape.
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            known._files, known._sources, known.through = [], [], 0
            reason = str(error) if isinstance(error, _UnusableError) else type(error).__name__
            log.warning("known begun anew", extra={"reason": reason})
        return known

    def catch_up(self, catalog: Catalog) -> None:
        """Fetch what manifests name and this copy lacks: after a crash, or on a new host.

        Raises:
            TamperedError: The store's chain is shorter than the one this host has seen.
        """
        if self.through >= catalog.next_number:
            raise TamperedError(
                key="manifests/",
                detail=Said(
                    f"the store ends at {catalog.next_number - 1}, "
                    f"this host has seen {self.through}: it was rolled back",
                    f"存储止于第 {catalog.next_number - 1} 号，"
                    f"而本机已见过第 {self.through} 号：存储被回滚",
                ),
            )
        self._sweep()
        self.retired = catalog.retired
        for entry in catalog.since(self.through):
            named = [o for o in entry.document.objects if o.kind == "known"]
            origin = Origin.of(entry.document)
            self.adopt(entry.document.number, map(self._fetch, named), origin)
            log.info("known caught up", extra={"manifest": self.through, "objects": len(named)})

    def set_aside(self, table: pa.Table) -> Path:
        """Keep entries on disk until their manifest is written: a long day's fill the memory."""
        path = self.folder / f"{os.urandom(8).hex()}{_ASIDE}"
        _write(path, table)
        return path

    def taken_back(self, paths: Iterable[Path]) -> Iterator[pa.Table]:
        """Yield what was set aside, some of it at a time; the files are gone then."""
        tables: list[pa.Table] = []
        for path in paths:
            tables.append(_read(path))
            with disk_errors(self.folder):
                path.unlink()
            if sum(map(len, tables)) >= ADOPTED_AT_ONCE:
                yield pa.concat_tables(tables)
                tables = []
        if tables:
            yield pa.concat_tables(tables)

    def adopt(self, number: int, tables: Iterable[pa.Table], origin: Origin | None = None) -> None:
        """Add the known entries of manifest `number`, which must be the next one.

        A second call for a number does nothing.
        """
        if number <= self.through:
            return
        for table in tables:
            self._add(self._placed(table, origin or Origin()))
        self.through = number
        self._publish()

    def put_off(self, source: str, heads: NDArray[np.uint64]) -> None:
        """Remember orders whose revisions wait for a later night, instead of earlier ones.

        Without this memory they are found as long as they are in the look-back.
        """
        path = self.folder / f"{source}{_WAITING}"
        if len(heads) or path.exists():
            write_whole(path, np.sort(heads).astype("<u8").tobytes())

    def waiting(self, source: str) -> NDArray[np.uint64]:
        """Return the token heads of the orders that wait."""
        path = self.folder / f"{source}{_WAITING}"
        if not path.exists():
            return np.zeros(0, np.uint64)
        with disk_errors(self.folder):
            content = path.read_bytes()
        return np.frombuffer(content[: len(content) // 8 * 8], "<u8").astype(np.uint64)

    def fetched(self, objects: Iterable[SealedObject]) -> Iterator[pa.Table]:
        """Yield the entries that sealed `known` objects hold."""
        return map(self._fetch, (one for one in objects if one.kind == "known"))

    def is_continued_by(self, entries: pa.Table) -> bool:
        """Return whether each entry is of an unknown order, or its very next revision.

        An order that another source had before is unknown and may have any revision.
        """
        match = self.match(_fixed_rows(whole(entries["token"])))
        revision: NDArray[np.int32] = whole(entries["revision"]).to_numpy()
        return bool((~match.found | (revision == match.revision + 1)).all())

    def holds(self, tokens: pa.ChunkedArray, digests: pa.ChunkedArray) -> NDArray[np.bool_]:
        """Return which rows are known with exactly this content."""
        match = self.match(_fixed_rows(whole(tokens)))
        same = (match.digest == _fixed_rows(whole(digests))).all(axis=1)
        held: NDArray[np.bool_] = match.found & same
        return held

    def match(self, tokens: Bytes2D) -> Match:
        """Look tokens up; the latest revision of each answers."""
        match = Match.nothing(len(tokens))
        for place, file in reversed(list(enumerate(self._files))):
            file.match(tokens, match, place)
        return match

    def sealed_with(self, tokens: Bytes2D, digests: Bytes2D) -> NDArray[np.int64]:
        """Return when each order was last sealed with exactly this content.

        Returns:
            Microseconds since 1970 UTC; 0 where no revision of it had this content.
        """
        found = np.zeros(len(tokens), np.int64)
        for file in self._files:
            np.maximum(found, file.sealed_with(tokens, digests), out=found)
        return found

    @property
    def tables(self) -> list[pa.Table]:
        """All entries, oldest tables first: KNOWN_V1, and what `source_number` belongs to.

        Earlier revisions are among them; of a token's entries in one table the latest is the
        first.
        """
        return [file.table for file in self._files]

    def source_number(self, source: str) -> int:
        """Return what stands for a source in the column `source`; -1 if it has no entries."""
        return self._sources.index(source) if source in self._sources else -1

    def counted(self, match: Match, column: str) -> NDArray[np.int64]:
        """Return a number of each found entry that a match does not hold; 0 for null."""
        found = np.zeros(len(match.found), np.int64)
        for place, file in enumerate(self._files):
            here = match.found & (match.table == place)
            if here.any():
                taken = file.table[column].take(pa.array(match.row[here]))
                found[here] = taken.cast(pa.int64()).fill_null(0).to_numpy()
        return found

    def _fetch(self, stored: SealedObject) -> pa.Table:
        content = self.archive.store.get(stored.key, stored.version_id)
        file = partition.open_file(
            content,
            {"known": known_kek(self.archive.night_keys().token_key, stored.key)},
            footer_sha256=stored.footer.sha256,
            where=stored.key,
        )
        return partition.read_rows(file, LEAVES, stored.key)

    def _placed(self, table: pa.Table, origin: Origin) -> pa.Table:
        """Return entries with where they come from."""
        if origin.source not in self._sources:
            self._sources.append(origin.source)
        number = pa.scalar(self._sources.index(origin.source), pa.int16())
        at = pa.scalar(microseconds(origin.sealed_at), pa.int64())
        table = table.append_column("source", pa.repeat(number, len(table)))
        return table.append_column("sealed_at", pa.repeat(at, len(table)))

    def _add(self, table: pa.Table) -> None:
        """Add rows as the newest file, merging smaller ones into it."""
        while self._files and self._files[-1].rows <= len(table) < MAX_FILE_ROWS:
            if self._files[-1].rows + len(table) > MAX_FILE_ROWS:
                break
            older = self._files.pop()
            table = _merged(older.table, table)
        if len(table):
            name = f"{self.through + 1:08d}-{os.urandom(4).hex()}.arrow"
            self._files.append(_File.write(self.folder / name, _sorted(table)))
            del table
            return_the_rest()

    def _publish(self) -> None:
        names = {file.path.name: file.noted for file in self._files}  # oldest first
        pointer = {
            "archive": self.archive.id,
            "layout": _LAYOUT,
            "through": self.through,
            "sources": self._sources,
            "files": names,
        }
        write_whole(self.folder / _POINTER, json.dumps(pointer).encode())
        with disk_errors(self.folder):
            for path in self.folder.glob("*.arrow"):
                if path.name not in names:  # merged into another one, or left by a crash
                    path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what a night set aside that did not come to its end."""
        with disk_errors(self.folder):
            for path in self.folder.glob(f"*{_ASIDE}"):
                path.unlink(missing_ok=True)


def known_kek(token_key: bytes, object_key: str) -> bytes:
    """Return the KEK of a `known` object: derived, so that a night opens it by itself."""
    return derive_key(token_key, f"known/{object_key}")


class _UnusableError(ValueError):
    """A local copy that is not what this host wrote."""


@dataclass(slots=True, eq=False)
class _File:
    """One sorted file, mapped into memory."""

    path: Path
    noted: Mapping[str, str | int]
    """What the pointer says of it: SHA-256, and what tells whether to compute that again."""
    table: pa.Table
    heads: NDArray[np.uint64]
    """First 64 bits of each token, ascending."""
    columns: Mapping[str, NDArray[np.generic]]

    @property
    def rows(self) -> int:
        return len(self.heads)

    @classmethod
    def open(cls, path: Path, noted: Mapping[str, str | int]) -> "_File":
        """Map a file that the pointer names.

        A file is 90 MB, so it is only read through where its inode, time or size say that
        somebody else has put it there.

        Raises:
            _UnusableError: It is not the one that was written.
        """
        now = _place(path)
        if now != {name: noted[name] for name in now} and _sha256(path) != noted["sha256"]:
            raise _UnusableError(f"{path.name} was altered")
        table = _read(path)
        heads = whole(table["head"]).to_numpy()
        return cls(path, {"sha256": noted["sha256"], **now}, table, heads, _columns(table))

    @classmethod
    def write(cls, path: Path, table: pa.Table) -> "_File":
        """Write a file, durable when this returns."""
        _write(path, table)
        with disk_errors(path.parent):
            # Its content is not checked when it is read: no pointer may name half of it.
            make_durable(path)
            return cls.open(path, {"sha256": _sha256(path), **_place(path)})

    def match(self, tokens: Bytes2D, match: Match, place: int) -> None:
        """Fill in what this file knows of tokens that no newer file has answered."""
        own = self.columns["token"]
        for asked, positions in self._walk(tokens, np.flatnonzero(~match.found)):
            # The first one of a token is its latest.
            equal = (own[positions] == tokens[asked]).all(axis=1) & ~match.found[asked]
            hit, at = asked[equal], positions[equal]
            match.found[hit] = True
            match.table[hit] = place
            match.row[hit] = at
            match.digest[hit] = self.columns["digest"][at]
            match.revision[hit] = self.columns["revision"][at]
            match.completed_at[hit] = self.columns["completed_at"][at]
            match.first_seen_at[hit] = self.columns["first_seen_at"][at]

    def sealed_with(self, tokens: Bytes2D, digests: Bytes2D) -> NDArray[np.int64]:
        """Return when orders were sealed with these digests, 0 for never."""
        found = np.zeros(len(tokens), np.int64)
        for asked, positions in self._walk(tokens, np.arange(len(tokens))):
            equal = (self.columns["token"][positions] == tokens[asked]).all(axis=1)
            equal &= (self.columns["digest"][positions] == digests[asked]).all(axis=1)
            at = self.table["sealed_at"].take(pa.array(positions[equal])).to_numpy()
            found[asked[equal]] = np.maximum(found[asked[equal]], at)
        return found

    def _walk(
        self, tokens: Bytes2D, asked: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield asked rows with a position whose token shares their first 64 bits.

        One position after the other for each: those of one token, and of others by chance.
        """
        heads = first_64_bits(tokens[asked])
        positions = np.searchsorted(self.heads, heads)
        while len(asked):
            inside = positions < self.rows
            inside[inside] = self.heads[positions[inside]] == heads[inside]
            asked, heads, positions = asked[inside], heads[inside], positions[inside]
            yield asked, positions
            positions = positions + 1


def _write(path: Path, table: pa.Table) -> None:
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=max(len(table), 1))


def _place(path: Path) -> dict[str, str | int]:
    found = path.stat()
    return {"inode": found.st_ino, "mtime_ns": found.st_mtime_ns, "size": found.st_size}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> pa.Table:
    """Return a file's rows, mapped into memory."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _columns(table: pa.Table) -> dict[str, NDArray[np.generic]]:
    def fixed(name: str) -> Bytes2D:
        return _fixed_rows(whole(table[name]))

    def numbers(name: str) -> NDArray[np.int64]:
        column = table[name].cast(pa.int64())
        if column.null_count:  # else it stays where it is, in the file
            column = column.fill_null(0)
        values: NDArray[np.int64] = column.to_numpy()
        return values

    return {
        "token": fixed("token"),
        "digest": fixed("digest"),
        "revision": whole(table["revision"]).to_numpy(),
        "completed_at": numbers("completed_at"),
        "first_seen_at": numbers("first_seen_at"),
    }


def _fixed_rows(array: pa.Array) -> Bytes2D:
    width = array.type.byte_width
    raw = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    return raw[array.offset * width : (array.offset + len(array)) * width].reshape(-1, width)


def _sorted(table: pa.Table) -> pa.Table:
    """Order by token; the head column is what lookups search."""
    if "head" in table.column_names:
        return table
    heads = first_64_bits(_fixed_rows(whole(table["token"])))
    order = ascending(heads)
    return _taken([table], pa.array(order)).append_column("head", pa.array(heads[order]))


def _merged(older: pa.Table, newer: pa.Table) -> pa.Table:
    """Merge two tables; of a token's entries the newer ones stand first."""
    older, newer = _sorted(older), _sorted(newer)
    heads = np.concatenate([newer["head"].to_numpy(), older["head"].to_numpy()])
    order = pa.array(ascending(heads))  # newer rows stand before older ones
    del heads
    both = _taken([newer, older], order)
    # An earlier revision stays behind its newer ones: a database that was restored shows it
    # again. Equal entries are neighbours unless another token shares their first 64 bits, in
    # which case an outdated one merely stays, too.
    repeated = np.zeros(len(both), np.bool_)
    tokens, digests = (_fixed_rows(both[name].chunk(0)) for name in ("token", "digest"))
    repeated[1:] = (tokens[1:] == tokens[:-1]).all(axis=1)
    repeated[1:] &= (digests[1:] == digests[:-1]).all(axis=1)
    return both.filter(pa.array(~repeated)).combine_chunks() if repeated.any() else both


def _taken(tables: Sequence[pa.Table], order: pa.Array) -> pa.Table:
    """Return rows of tables that stand one behind the other.

    Column by column: all of them twice over would be the largest thing in a night's memory.
    """
    schema = tables[0].schema
    columns = [
        pa.concat_arrays([chunk for table in tables for chunk in table[name].chunks]).take(order)
        for name in schema.names
    ]
    return pa.Table.from_arrays(columns, schema=schema)

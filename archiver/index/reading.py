"""A partition's piece of the index, from its segment or, where that lacks kinds, from itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archiver import partition, segments
from archiver.archive import Archive
from archiver.errors import ObjectMissingError, Said, TamperedError
from archiver.index.keys import IndexKeys, seal_names
from archiver.index.places import OPEN, PARTITIONS, ROW
from archiver.search_tokens import (
    ALL_KINDS,
    COLUMNS,
    SECRET_KINDS,
    Kind,
    SearchKeys,
    names_of,
    search_rows,
)
from archiver.search_tokens.names import Names
from archiver.search_tokens.rows import SECRET
from archiver.segments import Described
from schemas.documents import Manifest, SealedObject

SIGN: Final = np.uint64(1 << 63)
"""Tokens are kept as signed numbers in the same order: DuckDB packs differences of those."""

_ONE_GROUP: Final = 1 << 32
"""As rows of one group, positions need no knowledge of how old partitions were cut."""

Tokens = NDArray[np.int64]
Places = NDArray[np.int64]
Rows = NDArray[np.void]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one partition adds to the index."""

    tokens: Tokens
    """Unsorted, signed."""
    places: Places
    rows: Rows
    """ROW, one for each row of the partition."""
    partition: pa.Table
    """PARTITIONS, one row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A partition to be read."""

    manifest: int
    source: str
    day: date
    orders: SealedObject
    segment: SealedObject | None
    first: int
    """Place of its first row."""


def signed(tokens: NDArray[np.uint64]) -> Tokens:
    """Return tokens as signed numbers in the same order."""
    return (tokens ^ SIGN).view(np.int64)


def tasks_of(manifest: Manifest, first: int) -> list[Task]:
    """Return the partitions that a manifest names, in its order.

    Args:
        manifest: A verified one.
        first: How many rows all manifests before it name.
    """
    segment_of = {one.of: one for one in manifest.objects if one.kind == "segments"}
    tasks: list[Task] = []
    for stored in manifest.objects:
        if stored.kind == "orders":
            tasks.append(
                Task(
                    manifest=manifest.number,
                    source=manifest.source,
                    day=manifest.day,
                    orders=stored,
                    segment=segment_of.get(stored.key),
                    first=first,
                )
            )
            first += stored.rows
    return tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionReader:
    """Reads partitions and segments with a lookup host's keys. Threads may share it."""

    archive: Archive
    keys: IndexKeys
    deep: bool = False
    """Complete segments that lack kinds from the partitions themselves."""

    def read(self, task: Task) -> Piece:
        """Return a partition's piece; an empty one where it was destroyed after its time.

        Raises:
            TamperedError: What is stored is not what was signed.
            KeyUnavailableError: The root does not open it.
            StoreError: The store did not answer.
        """
        try:
            return self._read(task)
        except ObjectMissingError:
            if task.orders.retain_until > self.archive.clock.now():
                raise
            return _gone(task)

    def _read(self, task: Task) -> Piece:
        stored = task.segment
        if stored is None:
            raise TamperedError(
                key=task.orders.key,
                detail=Said("its manifest names no segment for it", "清单中没有其对应的索引分段"),
            )
        content = self.archive.store.get(stored.key, stored.version_id)
        described, rows = segments.read_segment(content, self.keys.kek(stored, "index"), stored)
        _require_same(described, task.orders, stored)
        positions = _positions(described, rows, stored)
        own = _own_rows(rows, positions, task)
        tokens, kinds, names = rows["token"].to_numpy(), described.kinds, described.names
        if missing := self._missing(kinds):
            orders = self._orders(task.orders, secrets=bool(missing & SECRET_KINDS))
            search, year = self.keys.search, _year(task.orders)
            more = search_rows(search, year, orders, missing, group_rows=_ONE_GROUP)
            tokens = np.concatenate([tokens, more["token"].to_numpy()])
            positions = np.concatenate([positions, more["row"].to_numpy().astype(np.int64)])
            if Kind.CONTACT not in kinds:  # sealed before there were names
                names = names_of(orders)
            kinds |= missing
        return Piece(
            tokens=signed(tokens),
            places=positions + task.first,
            rows=own,
            partition=_record(
                task,
                row_groups=[number for one in described.row_groups for number in one],
                kinds=sorted(map(int, kinds)),
                names=sealed_names(self.keys.search, names, task.orders.key),
            ),
        )

    def _missing(self, kinds: frozenset[Kind]) -> frozenset[Kind]:
        """Return the kinds that are to be computed, and can be with the roots that are here."""
        if not self.deep:
            return frozenset()
        return ALL_KINDS - kinds - (frozenset() if self.keys.reveal else SECRET_KINDS)

    def _orders(self, stored: SealedObject, *, secrets: bool) -> pa.Table:
        """Return what search rows are made of, straight from a partition."""
        keks = {"base": self.keys.kek(stored, "base")}
        leaves = list(COLUMNS)
        if secrets:
            keks["reveal"] = self.keys.kek(stored, "reveal")
            leaves.append(SECRET)
        content = self.archive.store.get(stored.key, stored.version_id)
        file = partition.open_file(
            content, keks, footer_sha256=stored.footer.sha256, where=stored.key
        )
        return partition.read_rows(file, leaves, stored.key)


def sealed_names(search: SearchKeys, names: Names, key: str) -> bytes:
    """Return names as the local index keeps them."""
    return seal_names(search, json.dumps(names, ensure_ascii=False).encode(), key)


def _positions(described: Described, rows: pa.Table, stored: SealedObject) -> Places:
    """Return where in its partition each segment row's order is."""
    counts = np.array([count for *_, count in described.row_groups], np.int64)
    group = rows["row_group"].to_numpy().astype(np.int64)
    row = rows["row"].to_numpy().astype(np.int64)
    if len(rows) and (group.max() >= len(counts) or (row >= counts[group]).any()):
        raise _wrong(stored)
    starts: Places = np.cumsum(counts) - counts
    positions: Places = starts[group] + row
    return positions


def _own_rows(rows: pa.Table, positions: Places, task: Task) -> Rows:
    """Return what stands with the order ids: one row for each row of the partition, in order."""
    ids = np.flatnonzero(rows["kind"].to_numpy() == Kind.ORDER_ID)
    order = ids[np.argsort(positions[ids])]
    if not np.array_equal(positions[order], np.arange(task.orders.rows)):
        raise _wrong(task.segment or task.orders)
    own = np.empty(len(order), ROW)
    completed = rows["completed_at"].combine_chunks().view(pa.int64()).fill_null(OPEN)
    own["completed"] = completed.to_numpy()[order]
    own["revision"] = rows["revision"].to_numpy()[order]
    return own


def _gone(task: Task) -> Piece:
    nothing = np.zeros(task.orders.rows, ROW)
    nothing["completed"] = OPEN
    none = np.zeros(0, np.int64)
    record = _record(task, row_groups=[], kinds=sorted(map(int, ALL_KINDS)), names=b"")
    return Piece(tokens=none, places=none, rows=nothing, partition=record)


def _record(
    task: Task, *, row_groups: Sequence[int], kinds: Sequence[int], names: bytes
) -> pa.Table:
    stored = task.orders
    record: Mapping[str, Any] = {
        "first": task.first,
        "rows": stored.rows,
        "manifest": task.manifest,
        "source": task.source,
        "day": task.day,
        "cohort": stored.cohort,
        "key": stored.key,
        "version_id": stored.version_id,
        "size_bytes": stored.size_bytes,
        "footer_length": stored.footer.length,
        "footer_sha256": stored.footer.sha256,
        "row_groups": row_groups,
        "keys": json.dumps(stored.keys),
        "kinds": kinds,
        "names": names,
    }
    return pa.Table.from_pylist([record], schema=PARTITIONS)


def _require_same(described: Described, orders: SealedObject, segment: SealedObject) -> None:
    """Refuse a segment that describes another partition than the one its manifest names."""
    said = (described.orders, described.version_id, described.size_bytes, described.footer)
    if said != (orders.key, orders.version_id, orders.size_bytes, orders.footer):
        raise _wrong(segment)
    if sum(rows for *_, rows in described.row_groups) != orders.rows:
        raise _wrong(segment)


def _wrong(stored: SealedObject) -> TamperedError:
    return TamperedError(
        key=stored.key,
        detail=Said("it does not fit its partition", "与其对应的分区不符"),
    )


def _year(stored: SealedObject) -> str:
    return stored.cohort.rpartition("-")[0][-7:-3]
